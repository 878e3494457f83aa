"""Paint the presenter's face, without the eyes: a height field lit by two lamps, and colour on it."""

import cv2
import numpy as np
from numpy.typing import NDArray

from core.engines.builtin.presenter.canvas import AXIS, Canvas, Plane, blurred, mirrored, spline

_MOUTH_Y, _MOUTH_HALF = 276.0, 27.0
_FACE = [(0, 84), (44, 92), (70, 128), (77.5, 180), (76, 216), (69, 254), (54, 288), (28, 315), (0, 323)]

_SKIN_AT = np.array([0.0, 0.25, 0.5, 0.72, 0.9, 1.0])
_SKIN = np.array(
    [[46, 58, 106], [84, 108, 172], [126, 154, 212], [160, 188, 234], [190, 212, 244], [220, 232, 250]]
)
"""BGR of skin from deepest shadow to full light; shadows are redder, as light goes through skin."""
_LIP = np.array([0.80, 0.66, 0.90])
_HAIR_DARK, _HAIR = np.array([18, 22, 34]), np.array([38, 50, 78])


def paint_face(canvas: Canvas) -> Plane:
    """Paint the face; give back how far it stands out, 0 ... about 1."""
    inside = canvas.mask(mirrored(_FACE, AXIS), 0.7)
    height = _relief(canvas, inside)
    canvas.paint(inside, _skin(canvas, _lit(canvas, height)))
    _lips(canvas)
    _nostrils(canvas)
    _brows(canvas)
    return np.clip(height / 90, 0, None)


def _relief(canvas: Canvas, face: Plane) -> Plane:
    """Height of the face over the picture plane, in coordinates."""
    x, y = canvas.x - np.float32(AXIS), canvas.y
    u, v = x / 84, (y - 204) / 128
    height = 92 * np.sqrt(np.clip(1.06 - np.abs(u) ** 2.3 - np.abs(v) ** 2.6, 0.0, None))
    bump = canvas.glow
    for s in (-1, 1):
        height += 4.5 * bump(AXIS + s * 36, 172, 20, 8, s * 0.12)  # brow
        height -= 9.0 * bump(AXIS + s * 30, 192, 15, 9)  # socket
        height += 4.0 * bump(AXIS + s * 34, 195, 13, 8)  # eyeball
        height += 7.5 * bump(AXIS + s * 45, 226, 19, 15, s * 0.5)  # cheek
        height += 6.5 * bump(AXIS + s * 13.0, 243.5, 5.5, 5.2)  # wing of the nose
        height -= 2.4 * bump(AXIS + s * 33, 262, 7, 15, s * 0.45)  # fold beside the mouth
        height -= 1.2 * bump(AXIS + s * 31, 278, 5, 5)  # corner of the mouth
    ridge = np.clip((y - 176) / 66, 0, 1)
    bridge = (4 + 19 * ridge**1.3) * _step((y - 166) / 22) * _step((254 - y) / 12)
    height += bridge * np.exp(-0.5 * (x / (6.0 + 3.4 * ridge)) ** 2)
    height += 9.0 * bump(AXIS, 240, 8.5, 7.5)  # tip of the nose
    height += 5.5 * bump(AXIS, 277, 30, 17)  # what the teeth push out
    height -= 1.6 * bump(AXIS, 260, 3.2, 6)
    height += 3.4 * bump(AXIS, 270, 17, 4.2) + 4.8 * bump(AXIS, 281.5, 16, 4.6)  # lips
    height -= 3.4 * bump(AXIS, _MOUTH_Y, 14, 1.7)
    height -= 4.2 * bump(AXIS, 293, 17, 5)  # under the lip
    height += 6.5 * bump(AXIS, 308, 17, 11)  # chin
    return blurred((height * face).astype(np.float32), 1.1 * canvas.scale)


def _step(t: Plane) -> Plane:
    t = np.clip(t, 0, 1)
    return t * t * (3 - 2 * t)


def _lit(canvas: Canvas, height: Plane) -> Plane:
    """How much light falls on the face, 0 ... 1: a key lamp from the upper left, a dim one from the right."""
    scale = np.float32(canvas.scale)
    dx = cv2.Sobel(height, cv2.CV_32F, 1, 0, ksize=3) / 8 * scale
    dy = cv2.Sobel(height, cv2.CV_32F, 0, 1, ksize=3) / 8 * scale
    norm = 1 / np.sqrt(dx * dx + dy * dy + 1)

    def lamp(lx: float, ly: float, lz: float, wrap: float) -> Plane:
        lean = (-dx * lx - dy * ly + lz) * norm / np.sqrt(lx * lx + ly * ly + lz * lz)
        light: Plane = np.clip((lean + wrap) / (1 + wrap), 0, 1)
        return light

    key, fill = lamp(-0.62, -0.50, 0.75, 0.36), lamp(0.80, 0.05, 0.6, 0.45)
    shine = lamp(-0.25, -0.35, 1.0, 0.0) ** 26
    hollow = np.clip((blurred(height, 9 * canvas.scale) - height) / 16, -0.2, 1)
    light: Plane = np.float32(0.12) + 0.62 * key + 0.15 * fill + 0.10 * shine - 0.24 * hollow
    return np.clip(light, 0, 1, out=light)


def _skin(canvas: Canvas, lit: Plane) -> NDArray[np.float32]:
    """Skin under that light, redder on cheeks, nose and chin."""
    steps = np.arange(1025) / 1024
    table = np.stack([np.interp(steps, _SKIN_AT, _SKIN[:, k]) for k in range(3)], axis=1).astype(np.float32)
    colour = table[np.clip(lit * 1024, 0, 1024).astype(np.int32)]
    blush = 0.9 * canvas.glow(AXIS, 240, 11, 8) + 0.35 * canvas.glow(AXIS, 308, 18, 9)
    shade = np.zeros_like(blush)
    for s in (-1, 1):
        blush += canvas.glow(AXIS + s * 46, 236, 20, 14)
        shade += 0.8 * canvas.glow(AXIS + s * 33, 186, 20, 10)
    colour *= 1 - blush[..., None] * np.array([0.13, 0.11, 0.015], np.float32)
    colour *= 1 - shade[..., None] * np.array([0.12, 0.16, 0.13], np.float32)
    noise = np.random.default_rng(5).normal(0, 1, (128, 128)).astype(np.float32)
    spots = cv2.resize(noise, lit.shape[::-1], interpolation=cv2.INTER_CUBIC)
    colour *= 1 + 0.008 * spots[..., None]
    return colour


def _lips(canvas: Canvas) -> None:
    """Colour the lips; their roundness is in the relief already."""
    m, y = _MOUTH_HALF, _MOUTH_Y
    line = spline(
        [
            (-m, y - 1.4),
            (-14, y + 0.8),
            (-4, y - 0.2),
            (0, y + 0.8),
            (4, y - 0.2),
            (14, y + 0.8),
            (m, y - 1.4),
        ]
    )
    top = spline(
        [
            (m, y - 1.4),
            (15, y - 6.4),
            (5.5, y - 8.8),
            (0, y - 7.2),
            (-5.5, y - 8.8),
            (-15, y - 6.4),
            (-m, y - 1.4),
        ]
    )
    low = spline([(m, y - 1.4), (16, y + 8.6), (0, y + 12.4), (-16, y + 8.6), (-m, y - 1.4)])
    shift = np.array([AXIS, 0.0])
    upper = canvas.mask(np.vstack([line, top]) + shift, 0.9)
    lower = canvas.mask(np.vstack([line, low]) + shift, 0.9)
    canvas.paint(upper, canvas.pixels * (_LIP * 0.86).astype(np.float32), 0.92)
    canvas.paint(lower, canvas.pixels * _LIP.astype(np.float32), 0.92)
    canvas.paint(lower * canvas.glow(AXIS - 5, y + 5.6, 8, 1.8), [206, 202, 248], 0.34)
    dark = [40, 36, 84]
    canvas.stroke(line + shift, lambda t: 0.8 + 1.3 * np.sin(np.pi * t), dark, 0.85, 0.6)


def _nostrils(canvas: Canvas) -> None:
    for s in (-1, 1):
        hole = [(4.6, 249.4), (8.4, 246.6), (12.6, 248.4), (9.0, 251.0)]
        canvas.fill(spline([(AXIS + s * x, y) for x, y in hole], closed=True), [40, 48, 92], 0.8, 1.0)
        canvas.paint(canvas.glow(AXIS + s * 17.5, 244, 1.8, 5.5, s * 0.25), [92, 112, 176], 0.30)
    canvas.paint(canvas.glow(AXIS, 253.5, 13, 2.6), [84, 104, 168], 0.42)
    canvas.paint(canvas.glow(AXIS + 13, 238, 4.5, 13, -0.22), [84, 106, 170], 0.34)  # the nose's own shadow


def _brows(canvas: Canvas) -> None:
    """Brows, hair by hair over a soft ground."""
    rng = np.random.default_rng(11)
    for s in (-1, 1):
        arch = np.array([(14.5, 174.5), (26, 170.0), (40, 168.5), (55, 174.0)])
        arch[:, 0] = AXIS + s * arch[:, 0]
        canvas.stroke(arch, lambda t: 6.6 * (1 - 0.7 * t) * np.minimum(1, 0.5 + 3 * t), _HAIR, 0.62, 1.3)
        curve = spline(arch)
        plane = np.zeros(canvas.x.shape, np.uint8)
        for t in np.sort(rng.uniform(0, 0.97, 90)):
            root = curve[int(t * (len(curve) - 1))] + (0, rng.uniform(-1, 1) * 2.6 * (1 - 0.7 * t))
            lean = np.array([s * (2.0 + 3.0 * t), -2.6 + 3.4 * t + rng.uniform(-0.6, 0.6)])
            ends = np.round(np.array([root, root + lean]) * canvas.scale * 16).astype(np.int32)
            cv2.polylines(plane, [ends], False, 150, 1, cv2.LINE_AA, 4)
        canvas.paint(plane.astype(np.float32) / np.float32(255), _HAIR_DARK)
