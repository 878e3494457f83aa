"""Make the pictures of a video clearer and larger, tile by tile, and of each those tiles alone that changed.

A network that enlarges takes seconds a picture, and most of a picture is what it was a frame ago. A tile
stays as it was made as long as what it was made of has not changed by more than noise does. It is always
held against that very picture, never against the frame before, so slow changes add up until they count.
Where tiles meet one fades into the other: a new one beside an old one shows no seam.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from core.engines.builtin.clarity import grey_noise
from core.media.planes import Planes, split, to_i420, whole_bgr
from core.protocols import Upscaler
from core.types import Image

VERSION = "tiles/1"
"""Raise it when pictures would come out differently."""

RAMP = 8
"""Pixels on either side of a border between tiles over which one fades into the other."""

_BLOCK = 8
"""Pixels along a side of the windows in which a tile is held against what it was made of."""

_SHIFT, _SHIFT_BY_NOISE = 2.0, 0.7
_CHANGE, _CHANGE_BY_NOISE = 4.0, 2.5
"""Levels by which the mean of such a window may be off, and its root mean square; and how many more for each
level of the picture's noise."""

_LOUDEST = 5.0
"""What is taken for noise at most, in levels: a texture that moves must not pass for it."""

_Parts = tuple[Planes, Planes, Planes]


@dataclass(slots=True)
class _Tile:
    """around: rows and columns that it was made of, margin and all. seen: the planes there.

    made: uint8 (n, n, 3): the tile and RAMP pixels on every side, twice the size.
    """

    around: tuple[slice, slice]
    seen: _Parts
    made: Image


class Tiles:
    """The tiles of one video, as they were last made. Calls from one thread at a time.

    count: tiles of a picture. made, reused: tiles of all pictures so far.
    """

    def __init__(self, engine: Upscaler, scale: int) -> None:
        """scale: of what comes out: 2, or 1 for the same size, only clearer."""
        self.count = self.made = self.reused = 0
        self._engine, self._scale = engine, scale
        self._tiles: dict[tuple[int, int], _Tile] = {}
        self._canvas: Planes | None = None
        self._before: NDArray[np.int16] | None = None
        self._noise = 0.0
        away = (np.arange(2 * RAMP) + 0.5) / (4 * RAMP) + 0.5
        self._ramp = (away * away * (3 - 2 * away)).astype(np.float32)  # from a half to one, into the tile

    def enlarge(self, planes: Planes) -> Iterator[Planes | None]:
        """Yield None after every tile that had to be made, then the picture, which is not to be written.

        planes: the next picture of the video, I420; all have one size. Where a shot begins all are made anew.
        """
        luma = split(planes)[0]
        if self._cut(luma) or self._canvas is None:
            self._tiles.clear()
            self._noise = min(_LOUDEST, grey_noise(luma))
        grid = [*self._grid(*luma.shape)]
        self.count = len(grid)
        stale = [at for at in grid if self._changed(at, planes)]
        self.reused += len(grid) - len(stale)
        if stale:
            picture = self._padded(planes)
            for at in stale:
                self._tiles[at] = self._make(at, planes, picture)
                self.made += 1
                yield None
            self._compose(stale, luma.shape)
        yield self._canvas

    def _cut(self, luma: Planes) -> bool:
        from core.tracking.tracker import is_cut, thumbnail  # it brings scipy: half a second

        before, self._before = self._before, thumbnail(luma)
        return before is not None and is_cut(before, self._before)

    def _grid(self, height: int, width: int) -> Iterator[tuple[int, int]]:
        side = self._engine.tile
        for row in range(-(-height // side)):
            for column in range(-(-width // side)):
                yield row, column

    def _changed(self, at: tuple[int, int], planes: Planes) -> bool:
        tile = self._tiles.get(at)
        return tile is None or differs(_parts(planes, *tile.around), tile.seen, self._noise)

    def _padded(self, planes: Planes) -> Image:
        """The picture, its surroundings mirrored, so that every tile is whole."""
        picture, side, margin = whole_bgr(planes), self._engine.tile, self._engine.margin
        below, right = (margin + -length % side for length in picture.shape[:2])
        mirrored = cv2.copyMakeBorder(picture, margin, below, margin, right, cv2.BORDER_REFLECT_101)
        return np.asarray(mirrored, np.uint8)

    def _make(self, at: tuple[int, int], planes: Planes, picture: Image) -> _Tile:
        side, margin = self._engine.tile, self._engine.margin
        y, x = (place * side for place in at)
        whole = self._engine.enlarge(picture[y : y + side + 2 * margin, x : x + side + 2 * margin])
        rim = 2 * (margin - RAMP)
        around = tuple(slice(max(0, place - margin), place + side + margin) for place in (y, x))
        rows, columns = around
        seen = _parts(planes, rows, columns)
        return _Tile(
            (rows, columns), (seen[0].copy(), seen[1].copy(), seen[2].copy()), whole[rim:-rim, rim:-rim]
        )

    def _compose(self, stale: list[tuple[int, int]], shape: tuple[int, ...]) -> None:
        """A new canvas, as frames share the old one: tiles that changed are put in, and those around them."""
        height, width = (self._scale * length for length in shape)
        old = self._canvas
        canvas = np.empty((height * 3 // 2, width), np.uint8) if old is None else old.copy()
        near = {
            (row + down, column + right)
            for row, column in stale
            for down in (-1, 0, 1)
            for right in (-1, 0, 1)
        }
        side = self._scale * self._engine.tile
        for row, column in near & self._tiles.keys():
            rows = slice(row * side, min(height, (row + 1) * side))
            columns = slice(column * side, min(width, (column + 1) * side))
            core = self._core(row, column)
            if self._scale == 1:
                core = np.asarray(cv2.resize(core, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
            part = to_i420(
                np.ascontiguousarray(core[: rows.stop - rows.start, : columns.stop - columns.start])
            )
            for there, new in zip(_parts(canvas, rows, columns), split(part), strict=True):
                there[:] = new
        self._canvas = canvas

    def _core(self, row: int, column: int) -> Image:
        """A tile without its rim, twice the size, faded into those around it."""
        wide = 2 * RAMP
        core = self._across(row, column, slice(wide, -wide))
        if (row - 1, column) in self._tiles:
            above = self._across(row - 1, column, slice(-wide, None))
            _fade(core[:wide], above, self._ramp[:, None])
        if (row + 1, column) in self._tiles:
            below = self._across(row + 1, column, slice(None, wide))
            _fade(core[-wide:], below, self._ramp[::-1, None])
        return core

    def _across(self, row: int, column: int, rows: slice) -> Image:
        """Some rows of a tile and its rim, faded into those beside it."""
        wide = 2 * RAMP
        core = self._tiles[row, column].made[rows, wide:-wide].copy()
        if (row, column - 1) in self._tiles:
            _fade(core[:, :wide], self._tiles[row, column - 1].made[rows, -wide:], self._ramp)
        if (row, column + 1) in self._tiles:
            _fade(core[:, -wide:], self._tiles[row, column + 1].made[rows, :wide], self._ramp[::-1])
        return core


def enlarging(_engine: Upscaler, tiles: Tiles, planes: Planes) -> Iterator[Planes | None]:
    """`tiles.enlarge`, as a call of the engine that they hold."""
    return tiles.enlarge(planes)


def differs(now: _Parts, seen: _Parts, noise: float) -> bool:
    """Whether pictures, as planes, differ anywhere by more than noise of that deviation makes them."""
    shift, change = _SHIFT + _SHIFT_BY_NOISE * noise, _CHANGE + _CHANGE_BY_NOISE * noise
    for plane, before, block in zip(now, seen, (_BLOCK, _BLOCK // 2, _BLOCK // 2), strict=True):
        if cv2.norm(plane, before, cv2.NORM_INF) <= shift:
            continue  # soon known of most
        off = cv2.subtract(plane, before, dtype=cv2.CV_32F)
        mean = cv2.boxFilter(off, cv2.CV_32F, (block, block))
        power = cv2.sqrBoxFilter(off, cv2.CV_32F, (block, block))
        if cv2.norm(mean, cv2.NORM_INF) > shift or float(power.max()) > change * change:
            return True
    return False


def _parts(planes: Planes, rows: slice, columns: slice) -> _Parts:
    """Views of the three planes there; the slices' ends are even, or beyond the picture."""
    luma, blue, red = split(planes)
    half = tuple(slice(part.start // 2, part.stop // 2) for part in (rows, columns))
    return luma[rows, columns], blue[half], red[half]


def _fade(ours: Image, theirs: Image, share: NDArray[np.float32]) -> None:
    """Mix `theirs` into `ours`, which keeps `share` of itself; where both are equal nothing changes."""
    weight = np.ascontiguousarray(np.broadcast_to(share, ours.shape[:2]))
    ours[:] = cv2.blendLinear(ours, np.ascontiguousarray(theirs), weight, 1 - weight)
