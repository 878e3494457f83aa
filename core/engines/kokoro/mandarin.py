"""Mandarin, with English in it, to the sounds of the network's alphabet.

Readings and tones as spoken (sandhi, erhua, words with several readings) come from the front end of the
cloned voices; here is only how a syllable is written. The table gives what misaki 0.9.4, the front end that
the network was trained with, gives for all 1 549 syllables of a dictionary.
"""

import re
from typing import Final

from core.engines.gpt_sovits.text.chinese import words
from core.engines.gpt_sovits.text.tables import simplified
from core.engines.hibari.alphabet import Reading, ReadingDraft
from core.engines.hibari.english import English

_INITIALS: Final = {
    "b": "p", "p": "pʰ", "m": "m", "f": "f", "d": "t", "t": "tʰ", "n": "n", "l": "l", "g": "k", "k": "kʰ",
    "h": "x", "j": "ʨ", "q": "ʨʰ", "x": "ɕ", "zh": "ꭧ", "ch": "ꭧʰ", "sh": "ʂ", "r": "ɻ", "z": "ʦ", "c": "ʦʰ",
    "s": "s", "": "",
}  # fmt: skip
_FINALS: Final = {
    "a": "a0", "ai": "ai0", "an": "a0n", "ang": "a0ŋ", "ao": "au0", "e": "ɤ0", "ei": "ei0", "en": "ə0n",
    "eng": "ə0ŋ", "er": "ɚ0", "i": "i0", "ia": "ja0", "ian": "jɛ0n", "iang": "ja0ŋ", "iao": "jau0",
    "ie": "je0", "in": "i0n", "iou": "jou0", "ing": "i0ŋ", "iong": "jʊ0ŋ", "ong": "ʊ0ŋ", "ou": "ou0",
    "u": "u0", "uei": "wei0", "ua": "wa0", "uai": "wai0", "uan": "wa0n", "uen": "wə0n", "uang": "wa0ŋ",
    "ueng": "wə0ŋ", "uo": "wo0", "o": "wo0", "ü": "y0", "üe": "ɥe0", "üan": "ɥɛ0n", "ün": "y0n", "ê": "ɛ0",
    "io": "wo0",
}  # fmt: skip
"""0 is where the tone stands: after the vowel, before n and ng."""
_BUZZED: Final = frozenset({"zh", "ch", "sh", "r", "z", "c", "s"})
"""Before these, i is no i."""
_HUMMED: Final = {"m": "m0", "n": "n0", "ng": "ŋ0", "hm": "hm0", "hng": "hŋ0", "o": "ɔ0", "r": "ɚ0"}
_TONES: Final = {"1": "→", "2": "↗", "3": "↓", "4": "↘"}

_MARKS: Final = {
    "，": ",", "、": ",", "。": ".", "．": ".", "！": "!", "？": "?", "：": ":", "；": ";",
    "（": "(", "）": ")",
    "《": "“", "》": "”", "「": "“", "」": "”", "『": "“", "』": "”",
    "【": "“", "】": "”", "～": "—", "–": "—",
}  # fmt: skip
_ASCII_MARKS: Final = {ord(mark): plain for mark, plain in _MARKS.items()}
_PARTS: Final = re.compile(
    r"(?P<han>[\u3400-\u9fff]+)|(?P<latin>[A-Za-z\u00c0-\u024f][^\u3400-\u9fff]*)|(?P<mark>.)", re.S
)


def read(text: str, english: English, known: frozenset[str]) -> Reading:
    """How `text`, numbers in words, sounds; every character is a word. known: symbols of the network."""
    draft = ReadingDraft(known)
    for part in _PARTS.finditer(text):
        if part["han"]:
            _read_han(part["han"], part.start(), draft)
        elif part["latin"]:
            draft.marks(" ")
            draft.add(english.read(part["latin"].translate(_ASCII_MARKS)), part.start())
            draft.marks(" ")
        else:
            mark = _MARKS.get(part["mark"], part["mark"])
            draft.marks(mark + " " if mark in ",.!?:;" else mark)
    return draft.finished()


def _read_han(text: str, place: int, draft: ReadingDraft) -> None:
    for word, syllables in words(text.translate(simplified())):
        for character, (sound, tone) in enumerate(syllables):
            draft.word(symbols(sound, tone), place + character, place + character + 1)
        place += len(word)
        draft.marks(" ")


def symbols(sound: str, tone: str) -> str:
    """A syllable of pinyin; empty for what is none.

    >>> symbols("zhuang", "1"), symbols("yuan", "2"), symbols("shi", "4"), symbols("ma", "5")
    ('ꭧwa→ŋ', 'ɥɛ↗n', 'ʂɨ↘', 'ma')
    """
    from pypinyin.contrib.tone_convert import to_finals, to_initials  # brings a dictionary

    sound = sound.replace("v", "ü")
    if sound in _HUMMED:
        written = _HUMMED[sound]
    else:
        initial, final = to_initials(sound, strict=True), to_finals(sound, strict=True, v_to_u=True)
        if initial not in _INITIALS or final not in _FINALS:
            return ""
        written = _INITIALS[initial] + ("ɨ0" if final == "i" and initial in _BUZZED else _FINALS[final])
    return written.replace("0", _TONES.get(tone, ""))
