"""Reading text: how long prose and numbers take, and what generated numbers lose.

20,000 generated prices, dates, times, ranges and sums in Chinese and as many in English are read, and what is
said is parsed back by a checker that knows nothing of the reader.
"""

import time
from collections.abc import Iterator

from bench import Figure
from core.text import sentences, spoken
from tests.support import spoken_english, spoken_numbers

CASES = 20_000
LONG = 100_000
PROSE = {
    "zh": "我们今天要讲的是一个非常重要的话题，那就是如何让计算机生成的人物看起来更加自然，请大家认真听讲。",
    "en": "It was a bright cold day in April, and the clocks were striking when the old man came in. ",
}


def figures() -> Iterator[Figure]:
    """Processor time, and how many of the generated texts are misread."""
    for language, prose in PROSE.items():
        sentences(prose, language)  # compiles its rules
        text = prose * (LONG // len(prose))
        yield Figure(f"{LONG:,} characters, {language}", _spent(text, language), "s", 1.0, higher=False)
        half = _spent(text[: len(text) // 2], language)
        yield Figure(f"half of it, {language}", half, "s", higher=False)
    chinese = sum(
        not spoken_numbers.heard(case, spoken(case.text, "zh").replace("\n", " "))
        for case in spoken_numbers.chinese_cases(CASES)
    )
    yield Figure(f"of {CASES:,} generated texts misread, zh", chinese, "", 0, higher=False)
    english = sum(
        not spoken_english.heard(case, spoken(case.text, "en").replace("\n", " "))
        for case in spoken_english.english_cases(CASES)
    )
    yield Figure(f"of {CASES:,} generated texts misread, en", english, "", 0, higher=False)


def _spent(text: str, language: str) -> float:
    started = time.process_time()
    sentences(text, language)
    return time.process_time() - started
