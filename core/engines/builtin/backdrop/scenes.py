"""The drawn backdrops themselves: light, noise and simple shapes, float32 (height, width, 3) BGR, 0 ... 255.

All are softer than a photograph in focus, as what lies behind a person is.
"""

from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from core.engines.builtin.backdrop.words import Colour, Idea

Paint = NDArray[np.float32]
Plane = NDArray[np.float32]
Scene = Callable[[int, int, Idea, Generator], Paint]

_HORIZON = 0.56
_SKIES: Mapping[str, tuple[tuple[float, Colour], ...]] = {
    "day": ((0, (72, 132, 200)), (0.6, (142, 190, 228)), (1, (214, 230, 238))),
    "dusk": ((0, (70, 66, 120)), (0.45, (186, 96, 120)), (0.8, (246, 148, 84)), (1, (255, 206, 128))),
    "night": ((0, (10, 14, 34)), (0.7, (24, 34, 70)), (1, (52, 66, 104))),
}
_SUNS: Mapping[str, Colour] = {"day": (255, 252, 236), "dusk": (255, 226, 160), "night": (226, 232, 246)}
_LAMPS: Sequence[Colour] = (
    (255, 196, 120),
    (255, 150, 90),
    (250, 228, 190),
    (120, 170, 240),
    (240, 110, 120),
)
_SPINES: Sequence[Colour] = ((112, 46, 42), (44, 62, 84), (60, 84, 62), (146, 116, 70), (208, 192, 162),
                             (76, 54, 72), (158, 84, 50), (52, 52, 56))  # fmt: skip


def pool(width: int, height: int, idea: Idea, random: Generator) -> Paint:
    """A seamless backdrop, lit by one lamp from the side."""
    base = _bgr(idea.colours[0] if idea.colours else (112, 124, 138))
    second = _bgr(idea.colours[1]) if len(idea.colours) > 1 else base * np.float32(0.62)
    x, y = _places(width, height)
    down = _step(y, 0.15, 1.05)[..., None]
    side = random.uniform(0.35, 0.65)
    lamp = np.exp(-(((x - side) * width / height / 0.62) ** 2 + ((y - 0.38) / 0.5) ** 2))[..., None]
    dim = 0.55 if idea.hour == "night" else 0.78
    return _paint((base * (1 - down) + second * down) * (dim + 0.42 * lamp))


def bokeh(width: int, height: int, idea: Idea, random: Generator) -> Paint:
    """Lights far out of focus before something dark; by day, sun through leaves."""
    lamps = idea.colours or (((150, 190, 110), (220, 226, 170)) if idea.hour == "day" else tuple(_LAMPS))
    ground = np.mean([_bgr(colour) for colour in lamps], axis=0)
    _, y = _places(width, height)
    light = 0.50 if idea.hour == "day" else 0.16
    shade = light + 0.10 * (1 - y) + 0.05 * _clouds(width, height, 3, random)
    paint = _paint(ground * shade[..., None])
    side = min(width, height)
    for _ in range(70):
        radius = side * random.uniform(0.02, 0.075)
        colour = _bgr(lamps[int(random.integers(len(lamps)))]) * random.uniform(0.10, 0.42)
        centre = (random.uniform(0, width), height * random.beta(1.6, 2.0))
        _add_disc(paint, centre, radius, colour, soft=0.16)
    return _blurred(paint, side / 220)


def paper(width: int, height: int, idea: Idea, random: Generator) -> Paint:
    """A sheet or a plastered wall: fibres, a fold of shadow, darker corners."""
    base = _bgr(idea.colours[0] if idea.colours else (214, 206, 194))
    x, y = _places(width, height)
    grain = 0.030 * _clouds(width, height, 7, random) + 0.018 * _clouds(width, height, 60, random)
    light = 1.02 - 0.24 * np.hypot((x - 0.4) * width / height, y - 0.35) ** 1.5
    return _paint(base * (light + grain)[..., None])


def window(width: int, height: int, idea: Idea, random: Generator) -> Paint:
    """A wall on which a window out of the picture throws its light."""
    base = _bgr(idea.colours[0] if idea.colours else (196, 186, 172))
    warm = {"day": (255, 244, 222), "dusk": (255, 196, 130), "night": (170, 190, 235)}[idea.hour]
    x, y = _places(width, height)
    across = x * width / height
    lean = _paint(across + 0.34 * y + random.uniform(-0.15, 0.15))
    tall = _paint(y + 0.16 * across)
    panes: Plane = np.zeros((height, width), np.float32)
    for column in range(3):
        for row in range(3):
            left, top = 0.25 + 0.27 * column, 0.02 + 0.28 * row
            panes += _between(lean, left, left + 0.235, 0.014) * _between(tall, top, top + 0.245, 0.014)
    leaves = _step(_clouds(width, height, 5, random), -0.35, 0.15)
    panes = _blurred(panes * (0.55 + 0.45 * leaves), min(width, height) / 160)
    dim = {"day": 0.70, "dusk": 0.56, "night": 0.30}[idea.hour]
    grain = 0.012 * _clouds(width, height, 40, random)
    wall = base * (dim - 0.10 * y + grain)[..., None]
    return _paint(wall + panes[..., None] * _bgr(warm) * 0.34)


def bookshelf(width: int, height: int, idea: Idea, random: Generator) -> Paint:
    """Boards and spines, a little out of focus."""
    wood = _bgr(idea.colours[0] if idea.colours else (104, 74, 52))
    paint = np.empty((height, width, 3), np.float32)
    paint[:] = wood * 0.34
    rows = max(3, round(4.5 * height / min(width, height)))
    board = max(2, height // (rows * 14))
    for row in range(rows):
        floor = (row + 1) * height // rows
        room = height // rows - board
        _shelve(paint, floor - board, room, random)
        paint[floor - board : floor] = wood * 0.92
        paint[floor : floor + board] *= 0.45  # the board's shadow on what stands below
    x, y = _places(width, height)
    lamp = 0.62 + 0.5 * np.exp(-((((x - 0.35) / 0.5) ** 2) + ((y - 0.3) / 0.55) ** 2))
    paint *= (lamp * (0.7 if idea.hour == "night" else 1.0)).astype(np.float32)[..., None]
    return _blurred(paint, min(width, height) / 190)


def _shelve(paint: Paint, floor: int, room: int, random: Generator) -> None:
    """Stand books side by side on a board whose upper edge is at `floor`."""
    width = paint.shape[1]
    left = 0
    while left < width:
        thick = max(3, round(room * random.uniform(0.10, 0.24)))
        if random.random() < 0.08:  # somebody took one out
            left += thick
            continue
        high = round(room * random.uniform(0.62, 0.90))
        colour = _bgr(_SPINES[int(random.integers(len(_SPINES)))]) * random.uniform(0.75, 1.15)
        turn = np.linspace(-1, 1, thick, dtype=np.float32)
        spine = colour * (1.0 - 0.35 * turn**2)[:, None]
        right = min(width, left + thick)
        paint[max(0, floor - high) : floor, left:right] = spine[: right - left]
        band = floor - round(high * random.uniform(0.62, 0.84))
        paint[max(0, band) : max(0, band) + max(1, room // 40), left:right] *= 1.5
        left += thick


def sea(width: int, height: int, idea: Idea, random: Generator) -> Paint:
    """Sky, sun and water."""
    x, y = _places(width, height)
    sky = _ramp(np.clip(y / _HORIZON, 0, 1), _SKIES[idea.hour])
    if idea.colours:
        sky = 0.65 * sky + 0.35 * _bgr(idea.colours[0])
    sun_x, sun_y = random.uniform(0.62, 0.8), {"day": 0.16, "dusk": 0.49, "night": 0.2}[idea.hour]
    away = np.hypot((x - sun_x) * width / height, y - sun_y)
    sun = _bgr(_SUNS[idea.hour])
    bright = {"day": 0.5, "dusk": 0.8, "night": 0.25}[idea.hour]
    glow = (0.6 * np.exp(-((away / 0.16) ** 2)) + 0.4 * np.exp(-((away / 0.42) ** 2)))[..., None] * bright
    streaks = _step(_clouds(width, height, 9, random, stretch=7), 0.15, 1.0) * np.clip(
        1.1 - y / _HORIZON, 0, 1
    )
    sky = sky + streaks[..., None] * (sun - sky) * 0.35
    sky = sky + glow * (sun - sky)
    disc = _step(-away, -0.062, -0.054)[..., None]
    sky = sky + disc * (sun * 1.02 - sky)
    water = _water(sky, x, y, sun_x, sun * bright, random)
    far = _step(y, _HORIZON - 0.002, _HORIZON + 0.002)[..., None]
    return _blurred(sky * (1 - far) + water * far, min(width, height) / 420)


def _water(sky: Paint, x: Plane, y: Plane, sun_x: float, sun: Paint, random: Generator) -> Paint:
    """What the sea shows: the sky upside down, darker, broken by waves, and the sun's path."""
    height, width = x.shape
    depth = np.clip((y - _HORIZON) / (1 - _HORIZON), 0, 1)
    mirror = np.clip((2 * _HORIZON - y) * height, 0, height - 1).astype(np.int64)
    waves = _clouds(width, height, 26, random, stretch=9) * (0.25 + depth) + 0.5 * _clouds(
        width, height, 90, random, stretch=8
    )
    rows = np.clip(mirror + (waves * 0.05 * height).astype(np.int64), 0, int(_HORIZON * height) - 1)
    reflected = np.take_along_axis(sky, rows[..., None], axis=0)
    deep = np.array([0.66, 0.60, 0.54], np.float32)
    path = np.exp(-((((x - sun_x) * width / height) / (0.05 + 0.16 * depth)) ** 2)) * _step(waves, -0.1, 0.9)
    return _paint(reflected * deep * (0.92 - 0.28 * depth)[..., None] + path[..., None] * sun * 0.55)


SCENES: Mapping[str, Scene] = {
    "studio": pool,
    "bokeh": bokeh,
    "paper": paper,
    "window": window,
    "bookshelf": bookshelf,
    "sea": sea,
}
"""By the names in `core.engines.builtin.backdrop.words`. Each: width, height, idea, random -> paint."""


def _bgr(colour: Colour) -> NDArray[np.float32]:
    return np.array(colour[::-1], np.float32)


def _paint(values: NDArray[np.floating]) -> Paint:
    return np.asarray(values, np.float32)


def _blurred(values: NDArray[np.floating], deviation: float) -> Plane:
    return np.asarray(cv2.GaussianBlur(_paint(values), (0, 0), deviation), np.float32)


def _places(width: int, height: int) -> tuple[Plane, Plane]:
    """x and y of every pixel, 0 ... 1."""
    x = (np.arange(width, dtype=np.float32) + np.float32(0.5)) / np.float32(width)
    y = (np.arange(height, dtype=np.float32) + np.float32(0.5)) / np.float32(height)
    across, down = np.meshgrid(x, y)
    return across, down


def _step(values: Plane, low: float, high: float) -> Plane:
    """0 below `low`, 1 above `high`, smooth in between."""
    t = np.clip((values - np.float32(low)) / np.float32(high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def _between(values: Plane, low: float, high: float, soft: float) -> Plane:
    return _step(values, low, low + soft) * (1 - _step(values, high - soft, high))


def _ramp(at: Plane, stops: Sequence[tuple[float, Colour]]) -> Paint:
    """Colours along a line, (h, w, 3)."""
    places = [place for place, _ in stops]
    channels = [np.interp(at, places, [colour[k] for _, colour in stops]) for k in (2, 1, 0)]
    return _paint(np.stack(channels, axis=-1))


def _clouds(width: int, height: int, grains: int, random: Generator, stretch: float = 1.0) -> Plane:
    """Smooth noise of about unit deviation, with `grains` grains down the picture, each `stretch` as wide."""
    total = np.zeros((height, width), np.float32)
    for octave in range(3):
        rows = max(2, min(height, grains << octave))
        columns = max(2, min(width, round(rows * width / height / stretch)))
        coarse = random.normal(0, 1, (rows, columns)).astype(np.float32)
        total += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC) * np.float32(0.6**octave)
    return total


def _add_disc(
    paint: Paint, centre: tuple[float, float], radius: float, colour: NDArray[np.floating], soft: float
) -> None:
    """Add light in a disc with a slightly brighter rim, as a lens draws a lamp."""
    height, width = paint.shape[:2]
    reach = 1.3 * radius
    left, right = max(0, int(centre[0] - reach)), min(width, int(centre[0] + reach) + 1)
    top, bottom = max(0, int(centre[1] - reach)), min(height, int(centre[1] + reach) + 1)
    if right <= left or bottom <= top:
        return
    rows, columns = np.mgrid[top:bottom, left:right].astype(np.float32)
    away = np.hypot(columns - centre[0], rows - centre[1]) / radius
    light = (1 - _step(away, 1 - soft, 1 + soft)) * (0.78 + 0.22 * away**3)
    paint[top:bottom, left:right] += light[..., None] * _paint(colour)
