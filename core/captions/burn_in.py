"""Draw captions into the picture, for players that show no subtitle track.

A font for Latin, Greek and Cyrillic letters comes along; one with others is looked for on this machine.
Text is drawn by Pillow, a cue at a time, and laid over the frames' I420 planes: where there is no text,
nothing changes.
"""

import importlib.util
import unicodedata
from bisect import bisect_right
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pictures
from PIL import ImageDraw, ImageFont

from core.captions.cues import Captions, pieces
from core.errors import BadInput
from core.installation import install_command
from core.media.planes import Planes, split
from core.types import AudioChunk, Cue, frame_start

_PLACES = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "~/.fonts",
    "~/.local/share/fonts",
    "/System/Library/Fonts",
    "/Library/Fonts",
    "C:/Windows/Fonts",
)
_PACKAGE = "manimgx_fonts_cjk"
"""What the extra `cjk` installs: Noto Sans CJK."""

_OWN = Path(__file__).with_name("fonts") / "DejaVuSans-Latin.ttf"

_PREFERRED = (
    *("notosanscjk-regular", "notosanscjksc-regular", "notosanssc-regular", "sourcehansanssc-regular"),
    "notosanscjk-vf.otf",
    *("wqy-microhei", "wqy-zenhei", "pingfang", "msyh", "simhei", "arial unicode"),
    *("dejavusans", "notosans-regular", "liberationsans-regular", "arial"),
)
"""File names in order, Chinese ones first: they have Latin letters too."""

_COLUMNS_WIDE, _ROWS_HIGH = 23, 18
"""Full-width characters across the frame, and lines down it: the size of text is the smaller of both."""

_MOST_FACES = 32
"""Faces of a font collection that are looked at."""

_WIDEST, _LOWEST = 0.92, 0.94
"""Part of the frame's width that a line may take, and of its height where the last line ends."""

_WHITE, _BLACK, _GREY = 235, 16, 128  # BT.709, limited range: brightness of both, colour of neither


class Burner:
    """Draws the captions of one video. cues: those known so far, in order; grows while frames are drawn."""

    def __init__(self, font: Path, width: int, height: int, rate: int, fps: int) -> None:
        """rate: samples a second of the cues' times."""
        self.cues: list[Cue] = []
        self._width, self._height, self._rate, self._fps = width, height, rate, fps
        size = max(10, min(width // _COLUMNS_WIDE, height // _ROWS_HIGH))
        self._font = _opened(font, size)
        self._stroke = max(1, size // 14)
        self._drawn: tuple[int, _Text] | None = None

    def text_at(self, frame: int) -> Cue | None:
        """The cue that this frame shows."""
        heard = frame_start(frame, self._rate, self._fps)
        at = bisect_right(self.cues, heard, key=lambda cue: cue.start) - 1
        return self.cues[at] if at >= 0 and heard < self.cues[at].stop else None

    def draw(self, planes: Planes, cue: Cue) -> None:
        """Lay the cue's text over the frame, in place."""
        if self._drawn is None or self._drawn[0] != cue.index:
            self._drawn = (cue.index, self._text(cue.text))
        text = self._drawn[1]
        luma, *chroma = split(planes)
        _lay(luma, text.top, text.left, text.luma, text.alpha)
        for plane in chroma:
            _lay(plane, text.top // 2, text.left // 2, _GREY, text.alpha_half)

    def _text(self, words: str) -> "_Text":
        """The text drawn, in white with a black edge, in lines no wider than the frame allows."""
        lines = "\n".join(self._lines(words))
        scratch = ImageDraw.Draw(Pictures.new("L", (1, 1)))
        font, stroke, align = self._font, self._stroke, "center"
        box = scratch.multiline_textbbox((0, 0), lines, font=font, stroke_width=stroke, align=align)
        # Even places and sizes, as two pixels share one colour; never outside the frame.
        width = min(self._width, _even(box[2] - box[0] + 2))
        height = min(self._height, _even(box[3] - box[1] + 2))
        picture = Pictures.new("LA", (width, height))
        ImageDraw.Draw(picture).multiline_text(
            (-box[0], -box[1]),
            lines,
            fill=(_WHITE, 255),
            stroke_fill=(_BLACK, 255),
            font=font,
            stroke_width=stroke,
            align=align,
        )
        luma, alpha = (np.asarray(band, np.uint8) for band in picture.split())
        half = alpha.reshape(height // 2, 2, width // 2, 2).mean((1, 3)).astype(np.uint8)
        left = (self._width - width) // 4 * 2
        top = max(0, int(self._height * _LOWEST) - height) // 2 * 2
        return _Text(top, left, luma, alpha, half)

    def _lines(self, words: str) -> Iterator[str]:
        """The cue's lines, cut again where they are wider than the frame allows."""
        widest = self._width * _WIDEST - 2 * self._stroke
        for whole in words.split("\n"):
            line = ""
            for piece in pieces(whole):
                if line and self._font.getlength((line + piece).strip()) > widest:
                    yield line.strip()
                    line = ""
                line += piece
                while self._font.getlength(line.strip()) > widest:  # one word, wider than the frame
                    cut = self._fitting(line, widest)
                    yield line[:cut].strip()
                    line = line[cut:]
            if line.strip():
                yield line.strip()

    def _fitting(self, line: str, widest: float) -> int:
        """How many characters of the line fit, one at least."""
        return max(1, sum(self._font.getlength(line[:k]) <= widest for k in range(1, len(line) + 1)))


@dataclass(frozen=True, slots=True)
class _Text:
    """A drawn text: its place, brightness and how much of it shows (uint8, 255 is all), that also halved."""

    top: int
    left: int
    luma: NDArray[np.uint8]
    alpha: NDArray[np.uint8]
    alpha_half: NDArray[np.uint8]


async def held_for_captions(
    chunks: AsyncGenerator[AudioChunk, None], cues: list[Cue]
) -> AsyncGenerator[AudioChunk, None]:
    """Pass speech on once it is known what is shown while it is heard: at most a cue, or where a voice does
    not tell its words a sentence, later. cues: where that is told, before its speech comes."""
    captions, held = Captions(), list[AudioChunk]()
    async with aclosing(chunks):
        async for chunk in chunks:
            cues += captions.add(chunk)
            if held and chunk.sentence is not held[-1].sentence:  # nothing more is shown of that one
                for ready in held:
                    yield ready
                held.clear()
            held.append(chunk)
            known = cues[-1].stop if cues else 0
            while held and held[0].first + len(held[0].samples) <= known:
                yield held.pop(0)
    cues += captions.finish()
    for ready in held:
        yield ready


def find_font(text: str, wanted: Path | None = None) -> Path:
    """A font that has all letters and digits of `text`. wanted: the one to use, whatever there is.

    Raises BadInput `no_font`, or `bad_font` for a file that is none.
    """
    letters = sorted({c for c in text if unicodedata.category(c)[0] in "LN"})
    missing = letters[:1]
    for path in [wanted] if wanted else fonts():
        lacking = _lacking(path, letters)
        if not lacking:
            return path
        missing = lacking
    where = f"{wanted} has" if wanted else "no font on this machine has"
    shown = missing[0] if missing else "letters"
    raise BadInput(
        "no_font",
        f"{where} no {shown!r}, so captions cannot be drawn; name one in the setting subtitle_font"
        if wanted
        else f"{where} {shown!r}, so captions cannot be drawn; install one (Chinese, Japanese, Korean: "
        f"{install_command('cjk')}, or Debian's fonts-noto-cjk), or name one in the setting subtitle_font",
        "burn_subtitles",
    )


@lru_cache(maxsize=1)
def fonts() -> Sequence[Path]:
    """Every font of this machine and ours, those that are meant for this first."""
    package = importlib.util.find_spec(_PACKAGE)
    found = [
        path
        for place in (*_PLACES, *((package and package.submodule_search_locations) or ()))
        for path in Path(place).expanduser().rglob("*")
        if path.suffix.lower() in (".ttf", ".ttc", ".otf")
    ]
    ranks = {name: k for k, name in enumerate(_PREFERRED)}
    found.sort(key=lambda path: (ranks.get(path.stem.lower(), len(ranks)), str(path)))
    return [*(path for path in found if path.stem.lower() in ranks), _OWN, *found]


def _opened(path: Path, size: int) -> ImageFont.FreeTypeFont:
    """The font at `size` pixels, of a family's weights the regular one. Raises OSError where it is none."""
    font = next((face for face in _faces(path, size) if " SC" in (face.getname()[0] or "")), None)
    font = font or ImageFont.truetype(str(path), size)
    with suppress(OSError, NotImplementedError):  # of one weight only; a Pillow that knows no others
        if b"Regular" in font.get_variation_names():
            font.set_variation_by_name(b"Regular")
    return font


def _faces(path: Path, size: int) -> Iterator[ImageFont.FreeTypeFont]:
    """The faces of a collection: the first of Noto's draws Chinese characters as Japanese has them."""
    if path.suffix.lower() in (".ttc", ".otc"):
        with suppress(OSError):  # past the last one
            for index in range(_MOST_FACES):
                yield ImageFont.truetype(str(path), size, index=index)


def _lacking(path: Path, letters: Sequence[str]) -> list[str]:
    """The letters that the font has no picture of. Raises BadInput `bad_font`."""
    try:
        font = _opened(path, 16)
    except OSError as error:
        raise BadInput("bad_font", f"{path} is no font that can be read", "subtitle_font") from error
    unknown = bytes(font.getmask("\U0010ffff"))  # what is drawn for a character that is not there
    return [letter for letter in letters if bytes(font.getmask(letter)) == unknown]


def _lay(
    plane: NDArray[np.uint8], top: int, left: int, what: NDArray[np.uint8] | int, alpha: NDArray[np.uint8]
) -> None:
    """Blend `what` into the plane."""
    height, width = alpha.shape
    under = plane[top : top + height, left : left + width]
    share = alpha.astype(np.uint16)
    mixed = (under * (255 - share) + np.uint16(what) * share + 127) // 255
    under[:] = mixed.astype(np.uint8)


def _even(number: float) -> int:
    return -(-int(number) // 2) * 2
