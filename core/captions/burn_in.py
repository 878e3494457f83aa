"""Draw captions into the picture, for players that show no subtitle track.

Text is drawn by Pillow, a cue or a word at a time, and laid over the frames' I420 planes: where there is no
text, nothing changes.
"""

from bisect import bisect_right
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pictures
from PIL import ImageDraw

from core.captions.cues import Captions, pieces
from core.captions.typefaces import drawable, opened
from core.captions.words import torn
from core.media.planes import Planes, split, to_i420
from core.subtitle_style import BLACK, WHITE, SubtitleStyle, rgba
from core.types import AudioChunk, Cue, frame_start

_WIDEST, _HIGHEST, _LOWEST = 0.92, 0.06, 0.94
"""Part of the frame's width that a line may take, and of its height where text begins or ends."""


class Burner:
    """Draws the captions of one video. cues: those known so far, in order; grows while frames are drawn."""

    def __init__(
        self,
        font: Path,
        width: int,
        height: int,
        rate: int,
        fps: int,
        style: SubtitleStyle | None = None,
        clear: int = 0,
    ) -> None:
        """rate: samples a second of the cues' times. style: its font is not looked at. clear: rows at the top
        that nothing is drawn on; even."""
        self.cues: list[Cue] = []
        self._width, self._height, self._rate, self._fps = width, height, rate, fps
        self._style = style or SubtitleStyle()
        self._clear = clear
        size = self._style.pixels(width, height)
        self._font = opened(font, size)
        self._stroke = max(1, size // 14)
        self._margin = self._stroke + (size // 3 if self._style.box else 2)
        self._drawn: tuple[int, int | None, _Text] | None = None

    def text_at(self, frame: int) -> Cue | None:
        """The cue that this frame shows."""
        heard = frame_start(frame, self._rate, self._fps)
        at = bisect_right(self.cues, heard, key=lambda cue: cue.start) - 1
        return self.cues[at] if at >= 0 and heard < self.cues[at].stop else None

    def word_at(self, cue: Cue, frame: int) -> int | None:
        """Which word of the cue this frame highlights; None where words are not highlighted."""
        if self._style.highlight is None or not cue.words:
            return None
        heard = frame_start(frame, self._rate, self._fps)
        return max(0, bisect_right(cue.words, heard, key=lambda word: word.first) - 1)

    def draw(
        self,
        planes: Planes,
        cue: Cue,
        word: int | None = None,
        alpha: NDArray[np.uint8] | None = None,
    ) -> None:
        """Lay the cue's text over the frame, in place. word: the one to highlight. alpha: of a frame that has
        it, uint8 (h, w); where there is text, nothing shines through."""
        text = self._kept(cue, word)
        (luma, *chroma), (luma_drawn, *chroma_drawn) = split(planes), split(text.planes)
        _lay(luma, text.top, text.left, luma_drawn, text.alpha)
        for plane, drawn in zip(chroma, chroma_drawn, strict=True):
            _lay(plane, text.top // 2, text.left // 2, drawn, text.alpha_half)
        if alpha is not None:
            _lay(alpha, text.top, text.left, 255, text.alpha)

    def bottom(self, cue: Cue) -> int:
        """The first row below the cue's text; even."""
        text = self._kept(cue, None)
        return text.top + len(text.alpha)

    def _kept(self, cue: Cue, word: int | None) -> "_Text":
        if self._drawn is None or self._drawn[:2] != (cue.index, word):
            self._drawn = (cue.index, word, self._text(cue, word))
        return self._drawn[2]

    def _text(self, cue: Cue, word: int | None) -> "_Text":
        """The text drawn, in lines no wider than the frame allows."""
        style, font, margin = self._style, self._font, self._margin
        lines = list(self._lines(drawable(cue.text, font)))
        height = sum(font.getmetrics())
        widest = max(map(font.getlength, lines), default=0.0)
        # Even places and sizes, as two pixels share one colour; never outside the frame.
        size = (
            min(self._width, _even(widest + 2 * margin)),
            min(self._height - self._clear, _even(height * len(lines) + 2 * margin)),
        )
        # Under the soft border of a letter is the colour of its edge.
        edge = rgba(style.edge or BLACK)
        picture = Pictures.new("RGBA", size, rgba(style.box) if style.box and lines else (*edge[:3], 0))
        pen = ImageDraw.Draw(picture)
        first, last = self._visible(cue, word)
        done = 0
        for k, line in enumerate(lines):
            left, top = (size[0] - font.getlength(line)) / 2, margin + k * height
            colour = rgba(style.colour or WHITE)
            pen.text((left, top), line, colour, font, stroke_width=self._stroke, stroke_fill=edge)
            seen = [at for at, character in enumerate(line) if not character.isspace()]
            lit = seen[max(0, first - done) : max(0, last - done)]
            if lit and style.highlight:
                begin = left + font.getlength(line[: lit[0]])
                pen.text((begin, top), line[lit[0] : lit[-1] + 1], rgba(style.highlight), font)
            done += len(seen)
        *colours, alpha = (np.asarray(band, np.uint8) for band in picture.split())
        half = alpha.reshape(size[1] // 2, 2, size[0] // 2, 2).mean((1, 3)).astype(np.uint8)
        low, high = int(self._height * _HIGHEST), int(self._height * _LOWEST) - size[1]
        top = {"top": low, "middle": (low + high) // 2, "bottom": high}[style.place or "bottom"]
        top = min(max(self._clear, top), self._height - size[1]) // 2 * 2
        left_edge = (self._width - size[0]) // 4 * 2
        return _Text(top, left_edge, to_i420(np.dstack(colours[::-1])), alpha, half)

    def _visible(self, cue: Cue, word: int | None) -> tuple[int, int]:
        """Which of the characters drawn, white space not counted, are that word."""
        if word is None:
            return 0, 0
        begin, end = (
            len("".join(drawable(cue.text[:at], self._font).split()))
            for at in (cue.words[word].start, cue.words[word].stop)
        )
        return begin, end

    def _lines(self, words: str) -> Iterator[str]:
        """The cue's lines, cut again where they are wider than the frame allows."""
        widest = self._width * _WIDEST - 2 * self._stroke

        def fits(text: str) -> bool:
            return self._font.getlength(text.strip()) <= widest

        for whole in words.split("\n"):
            line = ""
            for piece in pieces(whole):
                if line and not fits(line + piece):
                    yield line.strip()
                    line = ""
                line += piece
                while not fits(line):  # one word, wider than the frame
                    part, line = torn(line, fits)
                    yield part.strip()
            if line.strip():
                yield line.strip()


@dataclass(frozen=True, slots=True)
class _Text:
    """A drawn text: its place, its picture, how much of it shows (uint8, 255 is all), and that halved."""

    top: int
    left: int
    planes: Planes
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
