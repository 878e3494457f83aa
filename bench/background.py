"""A background made clearer: tiles reused where a camera stands still, and what that takes off the work.

The network is Real-ESRGAN's with 16 of its 64 channels and 2 of its 23 blocks, as nobody waits minutes for a
frame, its weights made up so that it passes the picture on; with the whole of it tiles cost more, and what is
reused saves more. The plain way makes every tile of
every frame.
"""

import time
from collections.abc import Iterator

import cv2
import numpy as np

from bench import Figure
from bench._scene import WIDE
from core.engines.builtin import presenter
from core.engines.builtin.backdrop import DrawnBackdrop
from core.engines.neural import NeuralSettings
from core.engines.upscaler import RealEsrgan
from core.enhancement.tiles import Tiles
from core.media.planes import Planes, split, to_i420
from core.nets.rrdbnet import Layout
from core.protocols import PaintOrder
from core.types import Image
from tests.support.upscalers import passing_on

_FRAMES, _PLAIN = 50, 5
"""Frames of the clip, and how many of them are made the plain way, too."""


def figures() -> Iterator[Figure]:
    """Somebody drawn, a quarter of the picture wide, before a bookshelf at 720p; a camera's noise."""
    engine = RealEsrgan(
        passing_on(Layout(width=16, blocks=2, growth=8)), settings=NeuralSettings(device="cpu")
    )
    tiles, spent, plain, likeness = Tiles(engine, 1), [], [], []
    for number, planes in enumerate(_frames()):
        made, took = _timed(tiles, planes)
        spent.append(took)
        if number % (_FRAMES // _PLAIN) == 5:
            whole, took = _timed(Tiles(engine, 1), planes)
            plain.append(took)
            likeness.append(cv2.PSNR(split(made)[0], split(whole)[0]))
    yield Figure("tiles reused, still camera, 720p", tiles.reused / (tiles.reused + tiles.made), "of 1", 0.5)
    yield Figure("a frame", _mean_ms(spent), "ms CPU", higher=False, baseline=_mean_ms(plain))
    yield Figure("likeness to every tile made anew, worst frame", min(likeness), "dB")
    still = [_timed(tiles, planes)[1] for planes in [planes] * 9]
    yield Figure("a frame in which nothing changed", float(np.median(still)) * 1000, "ms CPU", higher=False)


def _frames() -> Iterator[Planes]:
    width, height = WIDE["720p"]
    order = PaintOrder("a bookshelf", width, height)
    wall = DrawnBackdrop().paint(order, lambda _done, _total: None, lambda: False).picture
    wall = np.asarray(cv2.resize(wall, (width, height)), np.uint8)
    noise = np.random.default_rng(0)
    for person in presenter.frames(_FRAMES, 25, width // 4):
        picture: Image = wall.copy()
        picture[-len(person) :, 400 : 400 + len(person)] = person
        seen = picture + noise.normal(0, 2, picture.shape).astype(np.float32)
        yield to_i420(np.asarray(seen.round().clip(0, 255), np.uint8))


def _timed(tiles: Tiles, planes: Planes) -> tuple[Planes, float]:
    began = time.process_time()
    *_, made = tiles.enlarge(planes)
    assert made is not None  # the last of them is the picture
    return made, time.process_time() - began


def _mean_ms(seconds: list[float]) -> float:
    return float(np.mean(seconds)) * 1000
