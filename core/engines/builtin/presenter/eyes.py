"""Paint the presenter's eyes: open, half shut or shut, looking anywhere."""

import numpy as np

from core.engines.builtin.presenter.canvas import AXIS, Canvas, Plane, spline

_X, _Y, _HALF = 34.0, 195.0, 17.5
_IRIS = 8.6
_LASH = [20, 24, 38]


def paint_eyes(canvas: Canvas, shut: float, look: tuple[float, float]) -> None:
    """shut: 0 (open) ... 1 (closed). look: where the irises are off the middle, in coordinates."""
    for s in (-1, 1):
        x = AXIS + s * _X
        upper, lower = _lids(x, s, shut)
        opening = canvas.mask(np.vstack([upper, lower[::-1]]), 0.5)
        if shut < 0.93:
            _ball(canvas, opening, x, shut, look)
        _fringes(canvas, upper, lower, x, s, shut)


def _lids(x: float, s: int, shut: float) -> tuple[np.ndarray, np.ndarray]:
    """Edge of the upper and of the lower lid, from inner to outer corner."""
    rise = 10.2 * (1 - shut) - 4.6 * shut
    upper = [
        (-_HALF, 2.6),
        (-9.5, 1.4 - rise * 0.82),
        (0, 0.4 - rise),
        (9.5, 0.0 - rise * 0.74),
        (_HALF, 0.4),
    ]
    lower = [(-_HALF, 2.6), (-9, 5.3), (0, 6.6), (9, 5.4), (_HALF, 0.4)]
    place = np.array([x, _Y])
    return spline(np.array(upper) * (s, 1) + place), spline(np.array(lower) * (s, 1) + place)


def _ball(canvas: Canvas, opening: Plane, x: float, shut: float, look: tuple[float, float]) -> None:
    """White, iris, pupil and the lamp's reflection, where the lids leave them free."""
    canvas.paint(opening, [214, 222, 228])
    canvas.paint(opening * canvas.glow(x, _Y + 1, 13, 7), [236, 240, 243], 0.8)
    ix, iy = x + look[0], _Y - 1.4 + look[1]
    dx, dy = canvas.x - np.float32(ix), canvas.y - np.float32(iy)
    far = np.hypot(dx, dy)
    spokes = 0.5 + 0.5 * np.sin(np.arctan2(dy, dx) * 37 + 2.5 * np.sin(far * 1.7))
    shade = (0.60 + 0.50 * np.clip(dy / _IRIS, -0.7, 1)) * (0.86 + 0.24 * spokes)
    ring = np.clip((far - 3.2) / 5, 0, 1)[..., None]
    inner, outer = np.array([70, 118, 150], np.float32), np.array([92, 104, 66], np.float32)
    canvas.paint(
        opening * np.clip((_IRIS - far) / 1.1 + 0.5, 0, 1),
        (inner + ring * (outer - inner)) * shade[..., None],
    )
    canvas.paint(opening * np.exp(-(((far - _IRIS + 0.7) / 1.0) ** 2)), [34, 38, 34], 0.72)
    canvas.paint(opening * np.clip((3.7 - far) / 0.9 + 0.5, 0, 1), [12, 12, 14])
    canvas.paint(opening * np.exp(-(((canvas.y - (_Y - 9.5 + 12 * shut)) / 4.6) ** 2)), [70, 74, 100], 0.62)
    for hx, hy, radius, strength in ((-2.8, -3.4, 1.9, 0.95), (2.9, 3.2, 1.0, 0.35)):
        spot = np.clip((radius - np.hypot(dx - hx, dy - hy)) / 0.8 + 0.5, 0, 1)
        canvas.paint(opening * spot, [252, 252, 252], strength)


def _fringes(canvas: Canvas, upper: np.ndarray, lower: np.ndarray, x: float, s: int, shut: float) -> None:
    """Lashes, lid edges and the crease above."""
    canvas.stroke(
        upper, lambda t: 1.2 + 2.0 * np.sin(np.pi * np.minimum(1, 0.15 + t * 0.75)), _LASH, 0.92, 0.5
    )
    canvas.stroke(lower, 0.9, [104, 120, 182], 0.55, 0.7)
    canvas.stroke(lower[len(lower) // 2 :] + np.array([0, 0.8]), 1.0, _LASH, 0.28, 0.6)
    for k in range(8):
        t = 0.42 + 0.075 * k
        root = upper[int(t * (len(upper) - 1))]
        lean = np.array([s * (0.6 + 3.4 * t * t), (-2.2 - 0.9 * t) * (1 - 1.6 * shut)])
        canvas.stroke(
            [root, root + lean * 0.55 + (0, 0.4), root + lean],
            lambda t: 1.1 * (1 - t) + 0.2,
            _LASH,
            0.7,
            0.35,
        )
    corner = canvas.glow(x - s * (_HALF - 1.0), _Y + 2.4, 1.7, 1.3)
    canvas.paint(corner, [118, 124, 196], 0.7)
    rise = 13.6 - 5.5 * shut
    crease = [(-_HALF + 2, -3.5), (-8, -rise), (3, -rise - 0.6), (_HALF - 1, -5.5)]
    canvas.stroke(
        np.array(crease) * (s, 1) + (x, _Y),
        lambda t: 1.3 * np.sin(np.pi * (0.1 + 0.8 * t)),
        [62, 78, 130],
        0.62,
        0.8,
    )
