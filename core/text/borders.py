"""Where sentences end.

Never inside a number, an abbreviation, a web address or a short quotation, nor between a mark and the
quotation mark or bracket that closes after it.
"""

import re
from typing import Final

from core.text.folded import EMOJI
from core.text.patterns import EMAIL, URL

_CLOSING = "\"'”’」』》〉】〕)]}»›" + EMOJI
_PAIRS = {"“": "”", "「": "」", "『": "』", "《": "》", "(": ")", "【": "】", "«": "»"}
_OPENS_BEFORE = "([{-,:"
_LONGEST = 1000  # characters; what is said in one breath is much less
_LONGEST_QUOTATION = 60  # characters that are kept together even if there are whole sentences in them

_ENDS = re.compile(r"[。！？!?.…]+|\n\s*")
_UNBROKEN = re.compile(rf"{EMAIL}|{URL}|\d[\d.,:/]{0, 99}\d")
# With one of these before it a full stop is not the end ...
_NEVER_LAST = re.compile(
    r"(?:(?<![A-Za-z])(?:Mr|Mrs|Ms|Dr|Prof|St|Rev|Gen|Sen|Rep|Gov|Sgt|Capt|Lt|Col|Hon|Pres|Mt|vs|cf|e\.\s?g|i\.\s?e|approx|Messrs|"
    r"Mme|Mlle|al)|(?<![\w./@-])(?![ap]\.m\b)(?:[a-z]\.){1,3}[a-z]|(?:^|[\s(\u4e00-\u9fff，。])(?:[A-Z]\.\s?)*(?<![a-z]\s)[A-HJ-Z])\.$"
)
# ... nor with these if a number follows.
_BEFORE_NUMBER = re.compile(
    r"(?:(?<![A-Za-z])(?:[Ee]xt|[Ee]x|[Oo]p|[Tt]el|[Ee]st|[Aa]pt|[Ss]te|[Bb]ldg|[Rr]m|[Rr]te?|[Ff]l|[Nn]os|[Ll]v|[Aa]pprox|[Cc]a)|\d\s?(?:ft|in|lbs?|oz|min|sec|hrs?|mi|yd))\.$|"
    r"(?<![A-Za-z])(?:[Nn]o|NO|[Ff]igs?|[Vv]ol|[Cc]h|[Ss]ec|pp?|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|[Ee]q|[Aa]rt|[Ee]p|[Aa]cct|[Vv]er|[Ww]t|[Ee]xp|c)\.$"
)
# With one of these it is only if a capital follows.
_MAYBE_LAST = re.compile(
    r"(?:\b(?:[ap]\.m|etc|Inc|Ltd|Co|Corp|Jr|Sr|Ave|Blvd|St|Ph\.D|Dept)|\b(?:[A-Z]\.)+[A-Z])\.$"
)
# The same in languages that must be asked for: these, and a letter by itself, which is short for something.
_SHORT: Final = {
    "fr": "MM|Mme|Mlle|Mgr|Dr|Me|Ste?|av|bd|env|ex|art|fig|vol|chap|tél",
    "de": "Hr|Fr|Dr|Prof|Dipl|Ing|Nr|Str|bzw|ca|evtl|ggf|inkl|zzgl|vgl|Bd|Abb|Tel|Mio|Mrd|St|"
    "Jan|Feb|Apr|Aug|Sept?|Okt|Nov|Dez",
    "es": "Sr|Sra|Srta|Dr|Dra|Uds?|Prof|Lic|Ing|Avd?a?|núm|pág|tel|art|aprox",
    "it": "Sigg?|Dott|Avv|Ing|Prof|Geom|pag|art|tel|fig|vol|ca|ra",
    "pt": "Sr|Sra|Srta|Dr|Dra|Prof|Eng|Av|núm|pág|tel|art|aprox",
    "ru": "ул|пр|пл|им|стр|рис|тел|руб|коп|тыс|млн|млрд|гг|проф|акад|гл|см|ср",
}
_ORDINAL: Final = {"de": r"|(?<![\d.,])\d{1,2}\.$"}
_KEPT: Final = {
    language: re.compile(rf"(?<![\w°])[^\W\d_]\.$|\b(?:{short})\.$" + _ORDINAL.get(language, ""))
    for language, short in _SHORT.items()
}
_PART_OF_SPEECH = re.compile(r"(?:^|\s)(?:adj|adv|n|vt|vi|v|prep|conj|pron|num|art|int|abbr|aux|phr)\.$")
_SUMS = tuple("=×÷+")
_FACTORIAL = re.compile(r"(?<![A-Za-z0-9])n!(?!!)")  # n!是阶乘
_SAID = re.compile(r"[^，。！？,.!?\s]{0,6}?(?:说|說|问|問|道|喊|叫|回答|笑)")


def sentence_ends(text: str, language: str = "auto") -> list[int]:
    """Offsets in `text` where a sentence ends and another may begin, in order; the last is its length.

    language: the one asked for, whose abbreviations end no sentence.
    """
    unbroken = _inside(text, [m.span() for m in _UNBROKEN.finditer(text)])
    quotations = _quotations(text)
    quoted, opening = _inside(text, quotations), {a for a, _ in quotations}
    ends: list[int] = []
    for match in _ENDS.finditer(text):
        stop = _after_closing(text, match.end(), opening)
        if (unbroken[match.start()] and unbroken[match.end()]) or quoted[stop]:
            continue
        if match[0][0] == "\n":
            if _breaks_line(text, match.start(), match.end()):
                ends.append(match.end())
        elif _ends_sentence(text, match, stop, language):
            ends.append(stop)
    return _shortened(text, [*[e for e in ends if e < len(text)], len(text)])


def _shortened(text: str, ends: list[int]) -> list[int]:
    """`ends`, and more where they are so far apart that it is no sentence any more."""
    more: list[int] = []
    start = 0
    for end in ends:
        while end - start > _LONGEST:
            window = text[start : start + _LONGEST]
            mark = max(window.rfind(c) for c in "，；、,; \n") + 1
            start += mark if mark > _LONGEST // 2 else _LONGEST
            more.append(start)
        more.append(end)
        start = end
    return more


def _inside(text: str, spans: list[tuple[int, int]]) -> bytearray:
    """For each offset of `text`, 1 if it is strictly inside one of the spans."""
    inside = bytearray(len(text) + 1)
    for start, stop in spans:
        inside[start + 1 : stop] = b"\1" * (stop - start - 1)
    return inside


def _after_closing(text: str, place: int, opening: set[int]) -> int:
    """The offset after the closing marks that follow `place`; a straight quotation mark may be opening."""
    while place < len(text) and text[place] in _CLOSING and place not in opening:
        place += 1
    return place


def _quotations(text: str) -> list[tuple[int, int]]:
    """Spans of quotations and brackets that are short enough to be kept whole, marks included."""
    spans: list[tuple[int, int]] = []
    waiting: list[tuple[str, int]] = []
    for k, character in enumerate(text):
        if character == "\n":
            waiting.clear()
        elif waiting and character == waiting[-1][0]:
            start = waiting.pop()[1]
            if k + 1 - start <= _LONGEST_QUOTATION:
                spans.append((start, k + 1))
        elif character == '"':
            # Opening only where a word could begin: not the inches of 5'9".
            if k == 0 or text[k - 1].isspace() or text[k - 1] in _OPENS_BEFORE or not text[k - 1].isascii():
                waiting.append((character, k))
        elif character in _PAIRS:
            waiting.append((_PAIRS[character], k))
    return spans


def _breaks_line(text: str, start: int, stop: int) -> bool:
    """Does the line break at `start` end a sentence, or is it only where an English line was wrapped?"""
    if text.count("\n", start, stop) > 1 or stop >= len(text) or start == 0:
        return True
    wrapped = text[start - 1].isascii() and (text[start - 1].isalnum() or text[start - 1] in ",;")
    return not (wrapped and text[stop].isascii() and text[stop].islower())


def _ends_sentence(text: str, match: re.Match[str], stop: int, language: str) -> bool:
    marks, following = match[0], text[stop : stop + 1]
    rest = text[stop : stop + 12].lstrip()
    if following in ("，", "、", "；", "：", ",", ";", ":"):
        return False
    if "。" in marks or "！" in marks or "？" in marks:
        return not (stop > match.end() and _SAID.match(rest))
    if (following and not following.isspace() and following.isascii()) or rest[:1] in _SUMS:
        return False  # Yahoo!'s, example.com, 3.5, n! = 6
    if match.start() and not rest[:1].isupper() and _FACTORIAL.match(text, match.start() - 1):
        return False
    if rest[:1].islower() and (set(marks) <= {".", "…"} or stop > match.end()):
        return False
    if marks == ".":
        return _is_full_stop(text, match, rest, language)
    if set(marks) <= {".", "…"}:
        return not following or following.isspace()
    return not (stop > match.end() and _SAID.match(rest))


def _is_full_stop(text: str, match: re.Match[str], rest: str, language: str) -> bool:
    ahead = text[max(0, match.start() - 24) : match.end()]
    if language in _KEPT:
        return not (rest and _KEPT[language].search(ahead))
    if _NEVER_LAST.search(ahead) and rest:
        return False
    goes_on = rest and (not rest[0].isupper() or re.match(r"(?:[NSEW]{1,2}|[ECMP][SD]?T|GMT|UTC)\b", rest))
    if goes_on and _MAYBE_LAST.search(ahead):
        return False
    if "\u4e00" <= rest[:1] <= "\u9fff" and _PART_OF_SPEECH.search(ahead):
        return False
    if re.match(r"\(?\d|[IVXL]+\b", rest) and _BEFORE_NUMBER.search(ahead):
        return False
    # "1. Apples": the number of a list item
    line = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
    return not line.strip().isdigit()
