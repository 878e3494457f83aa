"""Take markup out of a text before it is read: HTML, SSML, Markdown, and the tags of other voices.

What means a pause or a spelling is obeyed, the rest is silent. Everything is found by patterns whose
repetitions are bounded, so that no text makes the search slow.
"""

import html
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from core.errors import BadInput
from core.text.dictionary import Readings

SPELLED: Final = "\ue001"
"""Stands before each letter or digit that is to be said by itself."""
CALLED: Final = "\ue002"
"""The same of a telephone number."""
COUNTED: Final = "\ue003"
"""Stands before a number that is neither a year nor a name."""

ACTION: Final = r"[a-z][a-z0-9_-]{0,31}"
"""How the actions of a template are called; `[[wave]]` in a text asks for one, in capitals or
with spaces too."""

PAUSES: Final = (
    "pause",
    "break",
    "silence",
    "wait",
    "uv_break",
    "lbreak",
    *(f"break_{k}" for k in range(10)),
)
"""What means a silence instead."""

LONGEST_PAUSE_S: Final = 30.0
_SHORT_PAUSE_S: Final = 0.4  # a comma's worth; longer ones end the sentence
_PAUSE_S: Final = 1.0  # where no length is given
_STRENGTHS: Final = {"none": 0.0, "x-weak": 0.0, "weak": 0.2, "medium": 0.4, "strong": 0.8, "x-strong": 1.2}

_ATTRIBUTE: Final = (
    r"""(?:\s{1,20}[\w:.-]{1,40}\s{0,3}=\s{0,3}(?:"[^"<>]{0,300}"|'[^'<>]{0,300}'|[^\s"'<>=]{1,300}))"""
)
_NAMES: Final = (
    "a|abbr|address|article|aside|audio|b|big|blockquote|body|br|break|button|center|code|dd|del|div|dl|dt|em|emphasis|"
    "figure|footer|font|form|h[1-6]|head|header|hr|html|i|img|input|ins|kbd|label|lexicon|li|link|main|mark|meta|"
    "metadata|nav|ol|p|par|phoneme|pre|prosody|q|ruby|rp|rt|s|say-as|section|small|span|speak|strike|strong|sub|"
    "sup|table|tbody|td|tfoot|th|thead|title|tr|tt|u|ul|video|voice|w|[\\w-]{1,20}:[\\w-]{1,30}"
)
_END_OF_LINE: Final = re.compile(
    r"/?(?:br|p|div|li|h[1-6]|tr|s|ul|ol|table|par|title|section|article|hr)", re.I
)
_APART: Final = re.compile(r"</?(?:del|ins|s|strike|td|th|dt|dd|option|button|label)\b[^>]*>|~~", re.I)
_FEELINGS: Final = (
    r"(?:laugh(?:s|ing|ter)?|sighs?|breath(?:es|ing)?|gasps?|coughs?|chuckles?|giggles?|whisper(?:s|ing|ed)?|happy|sad|"
    r"angry|excited|surprised|shout(?:s|ing)?|cry(?:ing)?|cries|sob(?:s|bing)?|clears? throat|sniffs?|"
    r"groans?|yawns?|"
    r"music|applause|noise|calm|cheerful|fearful|neutral|serious|gentle|oral_\d|laugh_\d|speed_\d|S\d|"
    r"笑|笑声|大笑|轻笑|微笑|叹气|叹息|呼吸|吸气|咳嗽|哭|哭泣|开心|高兴|悲伤|生气|愤怒|惊讶|激动|耳语|掌声|音乐)"
)
_IPA: Final = "ˈˌːəɪʊæɑɔθðʃʒŋʌɜɛɹɡɒɾʔχʁɲʎβɸçʝɣħʕɦɬɮɯɤɵøœɶʏɨʉɚɝ"

_TOKEN: Final = re.compile(
    rf"<(?P<gone>script|style)\b[^<>]{{0,200}}>(?:(?!<s[ct]).){{0,5000}}?</(?P=gone)>|<!--(?:(?!<!--).){{0,2000}}?-->|<[?!][A-Za-z][^<>]{{0,300}}>"
    rf"|<say-as(?P<how>{_ATTRIBUTE}{{1,4}})\s?>(?P<as>[^<>]{{0,500}})</say-as>"
    rf"|<sub(?P<alias>{_ATTRIBUTE})\s?>(?P<subbed>[^<>]{{0,500}})</sub>"
    rf"|<phoneme(?P<phonemes>{_ATTRIBUTE}{{1,4}})\s?>(?P<sounded>[^<>]{{0,500}})</phoneme>"
    rf"|<break(?P<break>{_ATTRIBUTE}{{0,3}})\s?/?>"
    r"|<\#(?P<sharp>\d{1,2}(?:\.\d{1,3})?)\#>"
    r"|[\[【(（{<]{1,2}\s?(?:停顿|停頓|暂停|静音|pause|break|silence|wait|uv_break|lbreak|break_\d)[\s:：=]{0,3}"
    r"(?P<length>(?P<number>\d{1,5}(?:\.\d{1,3})?)\s?(?P<unit>ms|毫秒|s|秒钟?|sec(?:onds?)?)?)?\s?/?[\]】)）}>]{1,2}"
    rf"|\[\[\s{{0,9}}(?P<action>{ACTION})\s{{0,9}}\]\]"
    r"|<\|[^<>|\n]{1,60}\|>"
    rf"|[\[【(（]{_FEELINGS}[\]】)）](?!\()|<{_FEELINGS}\s?/?>"
    rf"|</?(?P<tag>{_NAMES}){_ATTRIBUTE}{{0,20}}\s{{0,5}}/?>|</[A-Za-z][\w:-]{{0,40}}>|<[A-Za-z][\w:-]{{1,40}}{_ATTRIBUTE}{{0,20}}\s?/>"
    r"|\{\\[^{}\n]{1,80}\}|\{/?[biu]\}"
    rf"|(?<![A-Za-z0-9/])/(?=[^/\n]{{0,40}}[{_IPA}])[^/\n\d]{{1,40}}/(?![A-Za-z0-9/])|\[(?=[^\[\]\n]{{0,40}}[{_IPA}])[^\[\]\n]{{1,40}}\]"
    r"|!?\[(?P<label>[^\[\]\n]{0,300})\]\([^()\s]{0,2000}\)"
    r"|(?m:^[ \t]{0,8}(?:\#{1,6}|>{1,6}(?![ \t]+\d)|[-*+])[ \t]+)"
    r"|(?m:^[ \t]{0,8}(?:[-*_=][ \t]?){3,99}$)|(?m:^[ \t]{0,8}\|?[ \t:|-]{3,200}$)"
    r"|(?P<mark>(?<![\d*])\*\*(?!\*)|\*\*(?![\d*])|(?<!~)~~(?!~)|(?<![\w_])__(?=[^\s_])|(?<=[^\s_])__(?![\w_])|```\w{0,20}|`)"
    r"|(?<![\w*])\*(?P<stressed>[^\s*0-9号号](?:[^*\n]{0,200}[^\s*])?)\*(?![\w*])",
    re.DOTALL | re.IGNORECASE,
)
_VALUE: Final = re.compile(r"""([\w:.-]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|(\S+))""")
_NO_MARKS: Final = dict.fromkeys(map(ord, (SPELLED, CALLED, COUNTED)), " ")
_SPELL: Final = ("characters", "spell-out", "verbatim", "digits", "telephone", "letters")


@dataclass(frozen=True, slots=True)
class Plain:
    """A text without its markup.

    text: what is left. origin[k]: where `text[k]` was in the written text; one entry more, its end.
    pauses: (place in `text`, seconds) of the silences asked for, in order. hidden: parts `[start, stop)`
    of the written text that are markup and not to be shown. actions: (place in the written text, name) of
    what the person shall do, in order.
    """

    text: str
    origin: list[int]
    pauses: list[tuple[int, float]]
    hidden: list[tuple[int, int]]
    actions: list[tuple[int, str]]


def strip(written: str, readings: Readings | None = None) -> Plain:
    """`written` without markup, its words put as `readings` has them.

    >>> strip("<b>Hi</b> [there](http://a.io)").text
    'Hi there'
    """
    out = _Output(readings)
    written_length = len(written)
    done = 0
    for match in _TOKEN.finditer(written):
        out.copy(written, done, match.start())
        done = match.end()
        for handle in _HANDLERS:
            if handle(match, out):
                break
    out.copy(written, done, written_length)
    return Plain("".join(out.parts), [*out.origin, written_length], out.pauses, out.hidden, out.actions)


class _Output:
    """The text in the making."""

    def __init__(self, readings: Readings | None) -> None:
        self.parts: list[str] = []
        self.origin: list[int] = []
        self.pauses: list[tuple[int, float]] = []
        self.hidden: list[tuple[int, int]] = []
        self.actions: list[tuple[int, str]] = []
        self._readings = readings

    def copy(self, written: str, start: int, stop: int) -> None:
        """The part `[start, stop)` of the written text, with its own readings."""
        if start >= stop:
            return
        part = written[start:stop].translate(_NO_MARKS)
        done = 0
        for match, said in self._readings.found(part) if self._readings else ():
            self._add(part[done : match.start()], range(start + done, start + match.start()))
            word = match.start() + len(match[0]) - len(match[0].lstrip(" "))
            self.put(said, start + word)
            done = match.end()
        self._add(part[done:], range(start + done, stop))

    def put(self, text: str, place: int) -> None:
        """Text that stands for what begins at `place`."""
        self._add(text, [place] * len(text))

    def hide(self, start: int, stop: int) -> None:
        """The part `[start, stop)` is not shown."""
        if start < stop:
            self.hidden.append((start, stop))

    def pause(self, seconds: float, place: int) -> None:
        """A silence: a short one is a comma's."""
        if seconds > _SHORT_PAUSE_S:
            self.pauses.append((len(self.origin), min(seconds, LONGEST_PAUSE_S)))
        elif seconds > 0:
            self.put(",", place)

    def _add(self, text: str, places: Sequence[int]) -> None:
        self.parts.append(text)
        self.origin.extend(places)


def _values(attributes: str) -> dict[str, str]:
    return {name.lower(): html.unescape(a or b or c) for name, a, b, c in _VALUE.findall(attributes)}


def _seconds(number: str, unit: str) -> float:
    return float(number) / (1000 if unit in ("ms", "毫秒") or (not unit and float(number) >= 100) else 1)


def _pause(match: re.Match[str], out: _Output) -> bool:
    whole = match[0].lower()
    if match["sharp"]:
        seconds = float(match["sharp"])
    elif match["break"] is not None:
        values = _values(match["break"])
        length = re.fullmatch(r"\+?(\d{1,6}(?:\.\d+)?|\.\d+)\s?(ms|s)", values.get("time", "").strip())
        strength = _STRENGTHS.get(values.get("strength", ""), _PAUSE_S if not values else 0.4)
        seconds = _seconds(length[1], length[2]) if length else strength
    elif re.match(r"[\[【(（{<]{1,2}\s?(?:停|暂|静|pause|break|silence|wait|uv_|lbreak)", whole):
        if whole[0] in "(（" and not match["number"]:
            out.copy(match.string, *match.span())  # words in brackets
            return True
        seconds = _seconds(match["number"], match["unit"] or "") if match["number"] else _PAUSE_S
        seconds = 0.3 if "uv_break" in whole else seconds
    else:
        return False
    out.pause(seconds, match.start())
    out.hide(*match.span())
    return True


def _action(match: re.Match[str], out: _Output) -> bool:
    if match["action"] is None:
        return False
    out.actions.append((match.start(), match["action"].lower()))
    out.hide(*match.span())
    return True


def _say_as(match: re.Match[str], out: _Output) -> bool:
    if match["how"] is None:
        return False
    start, stop = match.span("as")
    out.hide(match.start(), start)
    how = _values(match["how"]).get("interpret-as", "")
    if how in _SPELL:
        mark = CALLED if how == "telephone" else SPELLED
        for k in range(start, stop):
            character = match.string[k]
            out.put(mark + character if character.isascii() and character.isalnum() else character, k)
    else:
        out.put(COUNTED if how in ("cardinal", "number") and match["as"].isdecimal() else "", start)
        out.copy(match.string, start, stop)
        out.put("th" if how == "ordinal" and match["as"].isdecimal() else "", stop - 1)
    out.hide(stop, match.end())
    return True


def _sounds(written: str) -> str | None:
    """Characters for pinyin; what is none is passed over, and the word read as it stands."""
    try:
        return Readings.pinyin(written)
    except BadInput:
        return None


def _alias(match: re.Match[str], out: _Output) -> bool:
    """<sub alias="..."> and <phoneme>: said otherwise than written."""
    group = "subbed" if match["alias"] else "sounded" if match["phonemes"] else ""
    if not group:
        return False
    values = _values(match["alias"] or match["phonemes"])
    said = values.get("alias") or (_sounds(values.get("ph", "")) if match["phonemes"] else None)
    start, stop = match.span(group)
    out.hide(match.start(), start)
    if said:
        out.put(said, start)
    else:
        out.copy(match.string, start, stop)
    out.hide(stop, match.end())
    return True


def _inner(match: re.Match[str], out: _Output) -> bool:
    """Markdown around words: the words stay."""
    group = "label" if match["label"] is not None else "stressed" if match["stressed"] else ""
    if not group:
        return False
    start, stop = match.span(group)
    out.hide(match.start(), start)
    out.copy(match.string, start, stop)
    out.hide(stop, match.end())
    return True


def _silent(match: re.Match[str], out: _Output) -> bool:
    out.hide(*match.span())
    if _APART.fullmatch(match[0]):
        out.put("，", match.start())
    elif match["tag"] and _END_OF_LINE.fullmatch(match[0].strip("<>/ ").split()[0]):
        out.put("\n", match.start())
    elif match[0][0] in "[/" and any(c in _IPA for c in match[0]):
        out.put(" ", match.start())
    return True


_HANDLERS: Final[tuple[Callable[[re.Match[str], _Output], bool], ...]] = (
    _pause,
    _action,
    _say_as,
    _alias,
    _inner,
    _silent,
)
