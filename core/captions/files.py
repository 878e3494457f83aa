"""Captions as files: SubRip (.srt), WebVTT (.vtt), Advanced SubStation Alpha (.ass)."""

import html
import re
from collections.abc import Iterable, Iterator, Sequence

from core.captions.cues import spans
from core.subtitle_style import BLACK, WHITE, SubtitleStyle, rgba
from core.types import Cue

ENDINGS = ("srt", "vtt", "ass")
"""Of files of captions."""

_MARKUP = re.compile(r"<(?=[/A-Za-z!])|\{(?=[\\A-Za-z])")


def captions_as_files(
    cues: Sequence[Cue], rate: int, size: tuple[int, int], style: SubtitleStyle
) -> dict[str, str]:
    """`cues` in each format, by the ending of its files. size: of the video, width and height."""
    return {"srt": srt(cues, rate), "vtt": vtt(cues, rate), "ass": ass(cues, rate, size, style)}


def srt(cues: Iterable[Cue], rate: int) -> str:
    """`cues` as SubRip (.srt). rate: samples a second of their times.

    SubRip has no way to escape what players take for markup, `<b>` and `{...}`: a word joiner, which is not
    seen, stands behind such a bracket.
    """
    blocks = (
        f"{number}\n{_clock(cue.start, rate, ',')} --> {_clock(cue.stop, rate, ',')}\n{_harmless(cue.text)}\n"
        for number, cue in enumerate(cues, 1)
    )
    return "\n".join(blocks)


def _harmless(text: str) -> str:
    return _MARKUP.sub("\\g<0>\u2060", text).replace("-->", "--\u2060>")


def vtt(cues: Iterable[Cue], rate: int) -> str:
    """`cues` as WebVTT (.vtt), each word with its time; what would be markup is escaped."""
    blocks = (
        f"{_clock(cue.start, rate, '.')} --> {_clock(cue.stop, rate, '.')}\n{''.join(_timed(cue, rate))}\n"
        for cue in cues
    )
    return "\n".join(["WEBVTT\n", *blocks])


def _timed(cue: Cue, rate: int) -> Iterator[str]:
    """The cue's text, before each word but the first the time when it begins to be heard."""
    before, done = _clock(cue.start, rate, "."), 0
    for word in cue.words[1:]:
        time = _clock(word.first, rate, ".")
        if time > before:  # as the format wants it
            yield html.escape(cue.text[done : word.start], quote=False) + f"<{time}>"
            before, done = time, word.start
    yield html.escape(cue.text[done:], quote=False)


_ASS = """[Script Info]
ScriptType: v4.00+
PlayResX: {width}
PlayResY: {height}
WrapStyle: 2
ScaledBorderAndShadow: yes

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, \
Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, \
MarginR, MarginV, Encoding
Style: Default,{font},{size},{colour},{colour},{edge},{edge},0,0,0,0,100,100,0,0,{border},{outline},0,\
{place},{side},{side},{margin},1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


def ass(cues: Iterable[Cue], rate: int, size: tuple[int, int], style: SubtitleStyle | None = None) -> str:
    """`cues` as Advanced SubStation Alpha (.ass), which has looks. size: of the video, width and height.

    Words carry their times, as karaoke (`\\k`) or, where the style highlights the one that is heard, as
    changes of its colour. A `{` of the text, which would begin an instruction and cannot be escaped for all
    players, is a full-width one.
    """
    style = style or SubtitleStyle()
    edge = style.box or style.edge or BLACK
    width, height = size
    pixels = style.pixels(width, height)
    head = _ASS.format(
        width=width,
        height=height,
        font=(style.font or "Sans").replace(",", " "),
        size=pixels,
        colour=_bgr(style.colour or WHITE),
        edge=_bgr(edge),
        border=3 if style.box else 1,
        outline=max(1, pixels // (4 if style.box else 14)),
        place={"bottom": 2, "middle": 5, "top": 8}[style.place or "bottom"],
        side=round(width * 0.04),
        margin=round(height * 0.06),
    )
    lines = (
        f"Dialogue: 0,{_short(cue.start, rate)},{_short(cue.stop, rate)},Default,,0,0,0,,"
        f"{''.join(_sung(cue, rate, style))}\n"
        for cue in cues
    )
    return head + "".join(lines)


def _sung(cue: Cue, rate: int, style: SubtitleStyle) -> Iterator[str]:
    """The cue's text with instructions when each word is heard."""
    done = 0
    for k, (word, stop) in enumerate(spans(cue)):
        low, high = ((at - cue.start) * 1000 // rate for at in (word.first, stop))
        if style.highlight is None:
            yield f"{{\\k{high // 10 - low // 10}}}"
        else:
            lit, plain = (
                f"\\1c{_bgr(colour, tag=True)}" for colour in (style.highlight, style.colour or WHITE)
            )
            begun = lit if low == 0 else f"{plain}\\t({low},{low + 1},{lit})"
            yield f"{{{begun}\\t({high},{high + 1},{plain})}}"
        after = cue.words[k + 1].start if k + 1 < len(cue.words) else len(cue.text)
        yield _plain(cue.text[done:after])
        done = after
    yield _plain(cue.text[done:])


def _plain(text: str) -> str:
    """Text that has no instructions."""
    text = re.sub(r"\\(?=[Nnh{}])", "\\\\\u2060", text).replace("{", "｛").replace("}", "｝")
    return text.replace("\n", "\\N")


def _bgr(colour: str, *, tag: bool = False) -> str:
    """A colour as ASS has it, blue first and the share that is see-through before all.

    >>> _bgr("#ffcc0080"), _bgr("#ffcc00", tag=True)
    ('&H7F00CCFF', '&H00CCFF&')
    """
    red, green, blue, alpha = rgba(colour)
    return (
        f"&H{blue:02X}{green:02X}{red:02X}&" if tag else f"&H{255 - alpha:02X}{blue:02X}{green:02X}{red:02X}"
    )


def _short(samples: int, rate: int) -> str:
    """A time as hours:minutes:seconds.hundredths."""
    return _clock(samples, rate, ".")[1:-1]


def _clock(samples: int, rate: int, point: str) -> str:
    """A time as hours:minutes:seconds and milliseconds.

    >>> _clock(22_050 * 3_661 + 11_025, 22_050, ",")
    '01:01:01,500'
    """
    seconds, thousandths = divmod(samples * 1000 // rate, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{point}{thousandths:03}"
