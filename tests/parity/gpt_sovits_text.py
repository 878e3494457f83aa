"""The text front end of GPT-SoVITS against recorded cases: `text_*.json` and `lang_segments.json`.

How a text is read is decided by `core.text`, for every voice, and not as the reference does. So phonemes
are compared from the recorded *read* text on (`norm_text`); where it needs no reading, from the text itself.
Language segments were recorded with a small detector that takes short Chinese words for Japanese: there only
characters that both languages have and marks may go elsewhere.
"""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from core.engines.gpt_sovits.text import cantonese, chinese, english, frontend, japanese, korean
from core.engines.gpt_sovits.text.languages import stretches
from core.engines.gpt_sovits.text.symbols import ids, symbols
from core.errors import EngineUnavailable
from core.text import sentences
from tests.parity import Check

Case = dict[str, Any]
Result = Any

ON_PURPOSE = "reads otherwise on purpose; as the reference when told to"
NUMBERS = "has numbers, which are read before"
EITHER_LANGUAGE = re.compile(r"[\W\d_\u3040-\u30ff\u4e00-\u9fff]*")


def fits(folder: Path) -> bool:
    """Text cases alone; a folder with networks too is for the networks' module, which calls `checks`."""
    return (folder / "text_frontend.json").is_file() and not any(folder.glob("*_keys.json"))


def checks(folder: Path) -> Iterator[Check]:
    """One check a case."""
    for file, check in (
        ("text_frontend.json", check_frontend),
        ("text_pipeline.json", check_pipeline),
        ("lang_segments.json", check_languages),
    ):
        for number, case in enumerate(cases(folder, file)):
            try:
                yield check(number, case)
            except EngineUnavailable as error:
                yield Check(f"{Path(file).stem}_{number:02}", float("nan"), 0.0, f"not checked: {error}")
            except Exception as error:  # noqa: BLE001  # the report says which; the other cases go on
                told = f"{type(error).__name__}: {error}"
                yield Check(f"{Path(file).stem}_{number:02}", float("inf"), 0.0, told)


def cases(folder: Path, file: str) -> list[Case]:
    """The cases of one file; none if it is not there."""
    path = folder / file
    return list(json.loads(path.read_text("utf-8"))) if path.is_file() else []


def compare(name: str, wanted: Result, read: Callable[[bool], Result]) -> Check:
    """`read(False)` is what users get, `read(True)` what the reference reads."""
    if read(False) == wanted:
        return Check(name, 0.0, 0.0)
    return Check(name, 0.0, 0.0, ON_PURPOSE) if read(True) == wanted else Check(name, 1.0, 0.0, "differs")


def needs_reading(text: str) -> bool:
    """Has `text` anything but letters and plain marks?"""
    return re.search(r"[^\w\s，。！？、,.!?'’…]|\d", text) is not None


def check_frontend(_: int, case: Case) -> Check:
    """Symbols, ids and word2ph of one read text in one language."""
    wanted = (case["norm_text"], case["phones"], case["ids"], case["word2ph"])
    return compare(case["id"], wanted, lambda as_reference: _frontend(case, as_reference))


def _frontend(case: Case, as_reference: bool) -> Result:
    version, language = case["version"], case["lang"]
    text = case["text"] if not needs_reading(case["text"]) else case["norm_text"]
    word2ph = None
    if language in ("zh", "yue"):
        text = chinese.normalise(text)
    if language == "zh":
        given = dict(zip(case.get("segments", ()), case.get("segment_pinyins", ()), strict=True))
        pinyin = given.__getitem__ if given else None
        fixed = bool(given) or not as_reference
        phones, word2ph = chinese.phonemes(text, version, pinyin=pinyin, fixed=fixed)
    elif language == "yue":
        phones, word2ph = cantonese.phonemes(text)
    elif language == "en":
        text = english.normalise(text)
        phones = english.phonemes(text, case.get("pos"), as_reference=as_reference)
    elif language == "ja":
        text, phones = _japanese(case)
    else:
        text = case["text"]
        phones = korean.phonemes(text)
    known = set(symbols(version))
    phones = [phone if phone in known else "UNK" for phone in phones]
    return text, phones, list(ids(phones, version)), word2ph


def _japanese(case: Case) -> tuple[str, list[str]]:
    """From the recorded labels where there are any, so that dictionaries may differ."""
    text = japanese.normalise(case["text"])
    if "sentences" not in case:
        return text, japanese.phonemes(text)
    phones: list[str] = []
    place = 0
    for sentence, labels in case["sentences"]:
        start = text.lower().index(sentence, place)
        phones += japanese.marks(text[place:start]) + japanese.phonemes_of_labels(labels)
        place = start + len(sentence)
    return text, phones + japanese.marks(text[place:])


def check_pipeline(number: int, case: Case) -> Check:
    """Language mode to segments, ids, normalised text, and the phonemes that have BERT features."""
    wanted = (case["ids"], case["norm_text"], case["bert_nonzero"])
    name = f"text_pipeline_{number:02}_{case['language']}_{case['version']}"
    ours = [list(stretch) for stretch in stretches(case["text"], case["language"])]
    recorded = [[language, text.removeprefix(".")] for language, text in case["segments"]]
    if ours != recorded and languages_agree(recorded, ours):
        return Check(name, 0.0, 0.0, "Chinese characters that the detector took for Japanese")
    check = compare(name, wanted, lambda _: _pipeline(case))
    if not check.holds and "ja" in (language for language, _ in recorded):
        phones, text, _ = _pipeline(case)
        if text == case["norm_text"] and _without_pitch(phones) == _without_pitch(case["ids"]):
            return Check(name, 0.0, 0.0, "accent phrases of another Open JTalk; every sound is the same")
    return check


def _without_pitch(phones: list[int]) -> list[int]:
    marks = set(ids(("[", "]", "UNK"), "v2"))
    return [phone for phone in phones if phone not in marks]


def _pipeline(case: Case) -> Result:
    language = case["language"].removeprefix("all_")
    text = case["text"]
    if re.search(r"\d|[A-Z]{2}", text):
        text = " ".join(sentence.spoken for sentence in sentences(text, language))
    found = frontend(text, case["language"], case["version"])
    marks = "".join(str(int(s.language == "zh")) * len(s.phones) for s in found)
    return [phone for s in found for phone in s.phones], "".join(s.text for s in found), marks


def check_languages(number: int, case: Case) -> Check:
    """Text to segments of one language; numbers are words by then."""
    if re.search(r"\d", case["text"]):
        return Check(f"lang_segments_{number:02}", 0.0, 0.0, NUMBERS)
    mode = f"all_{case['default_lang']}" if case["default_lang"] else "auto"
    ours = [list(stretch) for stretch in stretches(case["text"], mode)]
    recorded = [[segment["lang"], segment["text"]] for segment in case["segments"]]
    name = f"lang_segments_{number:02}"
    if ours == recorded:
        return Check(name, 0.0, 0.0)
    if languages_agree(recorded, ours):
        return Check(name, 0.0, 0.0, "Chinese characters that the detector took for another language")
    return Check(name, 1.0, 0.0, f"{ours}, not {recorded}")


def languages_agree(recorded: list[list[str]], ours: list[list[str]]) -> bool:
    """Do they differ only in whether Chinese characters, numbers and marks are Chinese or Japanese?"""
    left = [(char, language) for language, text in recorded for char in text]
    right = [(char, language) for language, text in ours for char in text]
    same_text = [char for char, _ in left] == [char for char, _ in right]
    return same_text and all(
        a == b or ({a[1], b[1]} == {"zh", "ja"} and EITHER_LANGUAGE.fullmatch(a[0]))
        for a, b in zip(left, right, strict=True)
    )
