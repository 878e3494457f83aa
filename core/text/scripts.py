"""Which language a stretch of text is in, told by its characters."""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final, Literal, cast

from core.errors import BadInput
from core.text.patterns import EMAIL, URL

Script = Literal["han", "kana", "hangul", "latin", "cyrillic"]

_Run = tuple[Script, int, int]

PLAIN: Final = {
    "fr": "French",
    "de": "German",
    "es": "Spanish",
    "it": "Italian",
    "pt": "Portuguese",
    "ru": "Russian",
}
"""Languages whose numbers and signs are left to the voice. Those in Latin letters must be asked for."""

LANGUAGES: Final = {
    "zh": "Chinese",
    "en": "English",
    "yue": "Cantonese",
    "ja": "Japanese",
    "ko": "Korean",
    **PLAIN,
}

_SCRIPT: Final = re.compile(
    r"(?P<han>[\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff]+)"
    r"|(?P<kana>[\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff]+)"
    r"|(?P<hangul>[\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3]+)"
    r"|(?P<cyrillic>[А-Яа-яЁё]+(?:-[А-Яа-яЁё]+)*)"
    r"|(?P<latin>[A-Za-z\u00aa\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff]"
    r"(?:['-]?[A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff])*)"
)
# A word that is not the letters of a formula or a short form.
_ENGLISH = re.compile(r"(?<![A-Za-z0-9=+*/^<>(-])(?=[a-z]*[aeiou])[A-Z]?[a-z]{2,}(?![A-Za-z0-9=+*/^<>)])")
# Characters of no script that can stand alone in any text: Greek letters in formulas, marks the readers know.
_LONE_GREEK = re.compile(r"(?<![Α-Ωα-ω])[Α-Ωα-ω](?![Α-Ωα-ω])")
_ADDRESS = re.compile(f"{EMAIL}|{URL}")
_ONLY_CHINESE = re.compile("[你您她吗呢吧啊哪很这们]")
_JAPANESE_AFTER = re.compile("です|でし|という|します")
_CANTONESE = re.compile("[哋嘅咗喺冇嚟啲嗰嘢㗎咁佢唔喎瞓]")
# Units after a number and No. before one are read in the language around them.
_UNIT = re.compile(r".?\d\s?[A-Za-z]{1,4}|.{0,2}/[A-Za-z]|.{0,2}No")
# Letters of a Chinese word: T恤, A4纸, 卡拉OK.
_HAN: Final = r"[\u3400-\u4dbf\u4e00-\u9fff]"
_IN_CHINESE: Final = re.compile(rf"(?<={_HAN})[A-Z]{{1,4}}(?![A-Za-z])|[A-Z]{{1,4}}\d{{0,3}}(?={_HAN})")
_CHINESE_ENDS = "。！？，；："
_OPENING = "([{“「『《〈【〔«‹"
# What belongs to the word after it: opening marks, digits and signs written up against it.
_LEANING = re.compile(r"[\d.,:/+$¥€£#@\-" + re.escape(_OPENING) + r"]*$")


def runs(text: str) -> Iterator[_Run]:
    """Stretches of letters of one script, with their start and stop; digits and marks are left out."""
    for match in _SCRIPT.finditer(text):
        yield cast(Script, match.lastgroup), match.start(), match.end()  # its groups are named so


def check_readable(text: str, origin: list[int]) -> None:
    """Raise BadInput `unsupported_language` if a letter or digit is of a script that no language here uses.

    origin: where each character of `text` is in what the user wrote, for the message.
    """
    rest = _LONE_GREEK.sub(" ", _SCRIPT.sub(lambda m: " " * len(m[0]), text))
    for k, character in enumerate(rest):
        if character.isalnum() and not character.isascii():
            script = unicodedata.name(character, "unknown").split()[0].capitalize()
            raise BadInput(
                "unsupported_language",
                f"the text has {character!r} ({script} script) at character {origin[k] + 1}, which cannot be "
                f"read; supported are {', '.join(LANGUAGES.values())}. Translate it or take it out",
                "text",
            )


def language_of_han(text: str, language: str, elsewhere: str | None = None) -> str:
    """What Chinese characters are read as: the language asked for; Japanese where there is much kana,
    Cantonese where there are characters that only Cantonese has.

    elsewhere: of the whole text, when `text` is a sentence of it.
    """
    if language in ("zh", "yue", "ja"):
        return language
    han = kana = foreign = 0  # foreign: of runs that Japanese could not write
    for script, start, stop in runs(text):
        if script == "han":
            han += stop - start
            foreign += 0 if _encodes(text[start:stop], "shift_jis") else stop - start
        kana += stop - start if script == "kana" else 0
    if kana > 0.2 * (han + kana) and not (elsewhere and 3 * foreign > han):  # it may quote a word
        return "ja"
    if elsewhere and not foreign and not kana:
        return elsewhere
    if elsewhere == "yue":
        return "yue"
    return "yue" if 40 * len(_CANTONESE.findall(text)) > han else "zh"


def _is_chinese(han: str) -> bool:
    """Has it a character that Japanese has not, or does not use?"""
    return not _encodes(han, "shift_jis") or _ONLY_CHINESE.search(han) is not None


def _encodes(text: str, codec: str) -> bool:
    try:
        text.encode(codec)
    except UnicodeEncodeError:
        return False
    return True


def stretches(text: str, language: str, han: str, fallback: str) -> list[tuple[int, int, str]]:
    """Cut a sentence where it changes to a language that its own voice cannot read: (start, stop, language).

    English words stay in a Chinese, Cantonese, Korean or Russian sentence; a Chinese stretch in an English
    sentence does not. Japanese keeps capitals such as CD, but not words.
    language: the one asked for, or "auto". han: what Chinese characters are read as.
    fallback: the language of text without words.
    """
    found = list(runs(text))
    if not found:
        return [(0, len(text), fallback)]
    home = _home(text, found, language, han, fallback)
    parts: list[tuple[int, int, str]] = []
    kana = {border for script, start, stop in found if script == "kana" for border in (start, stop)}
    for script, start, stop in found:
        own = _language(script, text[start:stop], home, han)
        if own == "en" and home == "ja" and _UNIT.fullmatch(text[max(0, start - 2) : stop]):
            own = "ja"
        if script == "han" and home in ("en", "ko", *PLAIN) and (start in kana or stop in kana):
            own = "ja"
        if script == "han" and language == "auto" and own in ("ja", "zh"):
            chinese = _is_chinese(text[start:stop])
            own = "zh" if chinese else "ja" if _JAPANESE_AFTER.match(text, stop) else own
        if script == "latin" and own in ("en", *PLAIN) and _IN_CHINESE.match(text, start):
            own = _language("han", "", home, han)
        if parts and parts[-1][2] == own:
            parts[-1] = (parts[-1][0], stop, own)
        elif parts:
            border = _border(text, parts[-1][1], start)
            parts[-1] = (parts[-1][0], border, parts[-1][2])
            parts.append((border, stop, own))
        else:
            parts.append((0, stop, own))
    parts[-1] = (parts[-1][0], len(text), parts[-1][2])
    return parts


def _home(text: str, found: list[_Run], language: str, han: str, fallback: str) -> str:
    """The language of the whole sentence: the one asked for if it is there at all, else the one with most."""
    weight = dict.fromkeys(LANGUAGES, 0)
    latin = language if language in PLAIN and language != "ru" else "en"
    addresses = [match.span() for match in _ADDRESS.finditer(text)]
    for script, start, stop in found:
        if script == "latin":
            # A word weighs as much as a Chinese character; letters in formulas, units and addresses nothing.
            glued = stop - start == 1 or (start > 0 and text[start - 1].isdigit())
            weight[latin] += not glued and not any(a <= start < b for a, b in addresses)
        else:
            own = {"han": han, "kana": "ja", "hangul": "ko", "cyrillic": "ru"}[script]
            weight[own] += stop - start if script == "han" else (stop - start + 1) // 2
    if text.rstrip()[-1:] in _CHINESE_ENDS and weight[han]:
        weight[han] += 3
    if weight[han]:
        weight[han] += text.count("、")
    if weight.get(language) or not any(weight.values()):
        return fallback if language == "auto" else language
    if language != "auto" and weight["en"] == sum(weight.values()) and len(_ENGLISH.findall(text)) < 2:
        return language  # a foreign word by itself, or a formula
    # On a tie not English, as the others read English words too.
    return max(weight, key=lambda name: (weight[name], name != "en"))


def _language(script: Script, letters: str, home: str, han: str) -> str:
    if script == "han":
        return "ja" if home == "ja" else han if han != "ja" else "zh"
    if script == "kana":
        return "ja"
    if script == "hangul":
        return "ko"
    if script == "cyrillic":
        return "ru"
    if home == "ja":
        formula = len(letters) == 1 or letters in ("sin", "cos", "tan", "log")
        return "ja" if formula or (letters.isupper() and len(letters) <= 5) else "en"
    return home


def _border(text: str, stop: int, start: int) -> int:
    """Where to cut between a stretch that ends at `stop` and one whose letters begin at `start`."""
    between = text[stop:start]
    space = max(between.rfind(" "), between.rfind("\n")) + 1
    if space:
        return stop + space
    leaning = _LEANING.search(between)
    return stop + (leaning.start() if leaning else len(between))
