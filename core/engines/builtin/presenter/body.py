"""Paint what the presenter stands before and wears: backdrop, neck, shirt and blazer."""

import numpy as np

from core.engines.builtin.presenter.canvas import AXIS, Canvas, spline

_CLOTH, _CLOTH_LIGHT, _CLOTH_DARK = [88, 60, 44], [132, 98, 76], [46, 30, 22]
_SKIN, _SKIN_SHADE = [136, 164, 216], [72, 94, 156]


def paint_backdrop(canvas: Canvas) -> None:
    """A plain wall, lighter where the lamp falls."""
    down = np.clip(canvas.y / 512, 0, 1)[..., None]
    top, bottom = np.array([200, 184, 168], np.float32), np.array([142, 126, 112], np.float32)
    light = 1.10 - 0.24 * np.clip(np.hypot((canvas.x - 230) / 340, (canvas.y - 190) / 340), 0, 1.4) ** 2
    canvas.pixels[:] = (top + down * (bottom - top)) * light[..., None]


def paint_body(canvas: Canvas) -> None:
    """Shoulders, then shirt and neck, then collar and lapels over them."""
    half = [(60, 356), (120, 376), (182, 400), (226, 440), (252, 500), (268, 560)]
    left = [(AXIS - x, y) for x, y in reversed(half)]
    curve = spline([*left, *((AXIS + x, y) for x, y in half)])
    shoulders = canvas.mask(curve, 0.8)
    canvas.paint(shoulders, _CLOTH)
    for x, y, rx, ry, colour, strength in (
        (136, 414, 60, 26, _CLOTH_LIGHT, 0.60),
        (376, 404, 44, 18, _CLOTH_LIGHT, 0.28),
        (436, 500, 50, 60, _CLOTH_DARK, 0.65),
        (52, 516, 30, 50, _CLOTH_DARK, 0.45),
        (256, 520, 130, 36, _CLOTH_DARK, 0.45),
    ):
        canvas.paint(shoulders * canvas.glow(x, y, rx, ry), colour, strength)
    weave = np.random.default_rng(7).normal(0, 2.2, canvas.x.shape).astype(np.float32)
    canvas.pixels += (shoulders * weave)[..., None]
    shirt = [(206, 362), (306, 362), (288, 432), (256, 522), (224, 432)]
    canvas.fill(shirt, [232, 233, 236], 1.0, 0.8)
    canvas.paint(canvas.mask(shirt, 0.8) * canvas.glow(256, 424, 16, 40), [196, 196, 202], 0.5)
    _neck(canvas)
    for s in (-1, 1):
        _collar(canvas, s)


def _neck(canvas: Canvas) -> None:
    half = [(43, 270), (41, 336), (52, 364), (26, 392), (0, 406)]
    outline = [(AXIS + x, y) for x, y in half] + [(AXIS - x, y) for x, y in reversed(half[:-1])]
    neck = canvas.mask(spline(outline, closed=True), 0.9)
    canvas.paint(neck, _SKIN)
    for x, y, rx, ry, colour, strength in (
        (262, 322, 52, 20, _SKIN_SHADE, 0.95),  # the chin's shadow
        (294, 350, 13, 44, _SKIN_SHADE, 0.65),
        (216, 356, 8, 40, _SKIN_SHADE, 0.45),
        (240, 366, 12, 16, [168, 194, 236], 0.50),
        (256, 396, 9, 7, _SKIN_SHADE, 0.55),
    ):
        canvas.paint(neck * canvas.glow(x, y, rx, ry), colour, strength)
    for s in (-1, 1):
        canvas.paint(neck * canvas.glow(AXIS + s * 17, 374, 3.2, 26, s * 0.42), [156, 184, 230], 0.35)


def _collar(canvas: Canvas, s: int) -> None:
    def points(*half: tuple[float, float]) -> np.ndarray:
        return np.array([(AXIS + s * x, y) for x, y in half])

    collar = points((53, 352), (60, 374), (36, 428), (6, 408), (38, 378))
    canvas.paint(canvas.mask(collar + np.array([0, 3]), 2.5), [120, 116, 122], 0.45)
    canvas.fill(collar, [246, 246, 247] if s < 0 else [232, 231, 234], 1.0, 0.7)
    canvas.stroke(points((53, 358), (34, 424), (8, 409)), 1.3, [180, 176, 178], 0.7, 0.6)
    lapel = points((58, 354), (94, 378), (86, 424), (64, 440), (8, 534), (22, 470))
    canvas.paint(canvas.mask(lapel + np.array([0, 3]), 3.0), _CLOTH_DARK, 0.55)
    canvas.fill(lapel, [106, 74, 56] if s < 0 else [90, 62, 46], 1.0, 0.7)
    canvas.paint(canvas.mask(lapel, 0.7) * canvas.glow(AXIS + s * 66, 404, 12, 26), _CLOTH_LIGHT, 0.35)
    canvas.stroke(points((94, 378), (86, 424), (64, 440), (10, 530)), 1.5, [44, 28, 20], 0.75, 0.7)
