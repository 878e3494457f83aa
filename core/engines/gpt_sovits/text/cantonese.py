"""Read Cantonese to phonemes: jyutping (ToJyutping), an initial and a final with its tone for each
character.

Every symbol starts with Y, to be told from Mandarin's. Learnt from GPT-SoVITS (MIT).
"""

import re
from functools import cache

from core.engines.gpt_sovits.text.packages import need
from core.engines.gpt_sovits.text.symbols import PUNCTUATION, symbols

LONGEST_CLAUSE = 512
"""Characters given to ToJyutping at once, which keeps the time linear."""

# The first that fits is cut off; vowels are there for syllables without an initial. The order is the
# training's.
_INITIALS_LIST = """
    aa aai aak aap aat aau ai au ap at ak a p b e ts t dz d kw k gw g f h l m ng n s y w c z j ong on
    ou oi ok o uk ung
"""
_INITIALS = _INITIALS_LIST.split()
_JYUTPING = re.compile(r"([a-z]+)([1-6])")
_CLAUSE_END = re.compile(rf"(?<=[{PUNCTUATION}])")


@cache
def _known() -> frozenset[str]:
    return frozenset(symbols("v2"))


def _syllable_symbols(jyutping: str) -> list[str]:
    """ "jat6" -> ["Yj", "Yat6"]."""
    match = _JYUTPING.fullmatch(jyutping)
    if match is None:
        return ["UNK"]
    sound, tone = match[1], match[2]
    initial = next((start for start in _INITIALS if sound.startswith(start)), None)
    if initial is None:
        return ["UNK"]
    initial = "ng" if sound.startswith("nga") else initial
    pair = [f"Y{initial}", f"Y{sound[len(initial) :] or initial[-1]}{tone}"]
    return [symbol if symbol in _known() else "UNK" for symbol in pair]


def phonemes(text: str) -> tuple[list[str], list[int]]:
    """Symbols of normalised `text`, and how many of them each character has (`word2ph`).

    Raises EngineUnavailable if the `yue` extra is not installed.
    """
    jyutping = need("ToJyutping", "ToJyutping", "yue")
    found: list[str] = []
    word2ph: list[int] = []
    for clause in _CLAUSE_END.split(text):
        for start in range(0, len(clause), LONGEST_CLAUSE):
            for char, syllables in jyutping.get_jyutping_list(clause[start : start + LONGEST_CLAUSE]):
                for group in _symbols(char, syllables):
                    found += group
                    word2ph.append(len(group))
    return found, word2ph


def _symbols(chars: str, syllables: str | None) -> list[list[str]]:
    """For each of `chars` its symbols: marks come in one piece, a character may have several syllables."""
    if not syllables:
        return [[char if char in PUNCTUATION else "UNK"] for char in chars]
    return [[symbol for syllable in syllables.split() for symbol in _syllable_symbols(syllable)]]
