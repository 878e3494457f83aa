"""CodeFormer's face helper to the letter (github.com/sczhou/CodeFormer, facelib; facexlib, MIT): align each
face to the template, restore, lay it back over the whole picture.

For comparing: `core.engines.restoration` does the same only where the face is, from a track that does not
tremble. Pictures are BGR.
"""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from core.engines.restoration.ffhq import BORDER, SIDE, SKIN, TEMPLATE
from core.types import Image

Matrix = NDArray[np.float64]
Plane = NDArray[np.floating]


def enlarged(image: Image) -> Image:
    """`image`, its short side at least 512 pixels."""
    short = min(image.shape[:2])
    if short >= SIDE:
        return image
    larger = cv2.resize(image, (0, 0), fx=SIDE / short, fy=SIDE / short, interpolation=cv2.INTER_LINEAR)
    return np.asarray(larger, np.uint8)


def is_grey(image: Image) -> bool:
    """Whether a picture has no colour."""
    one, two, three = (image[:, :, k].astype(np.int16) for k in range(3))
    return bool(((one - two).var() + (two - three).var() + (three - one).var()) / 3 <= 10)


def greyed(restored: Image, like: Image) -> NDArray[np.float64]:
    """A restored face without colour, its channels as bright and as deep as those of `like`."""
    blue, green, red = (restored[:, :, k] for k in range(3))
    grey = (0.2989 * red + 0.5870 * green + 0.1140 * blue)[:, :, None].repeat(3, axis=2)
    mean, deviation = _statistics(grey)
    style_mean, style_deviation = _statistics(like)
    made: NDArray[np.float64] = (grey - mean) / deviation * style_deviation + style_mean
    return made


def affine(landmarks: NDArray[np.floating]) -> Matrix:
    """The similarity (2, 3) from the picture to the template, by least median of squares."""
    matrix, _ = cv2.estimateAffinePartial2D(landmarks, TEMPLATE, method=cv2.LMEDS)
    return np.asarray(matrix, np.float64)


def aligned(image: Image, matrix: Matrix) -> Image:
    """The face, uint8 (512, 512, 3)."""
    face = cv2.warpAffine(image, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_CONSTANT, borderValue=BORDER)
    return np.asarray(face, np.uint8)


def inverse(matrix: Matrix, upscale: int = 1) -> Matrix:
    """The way back, into a picture `upscale` times the size."""
    return np.asarray(cv2.invertAffineTransform(matrix), np.float64) * upscale


def pasted(
    image: Image,
    faces: Sequence[Image],
    matrices: Sequence[Matrix],
    upscale: int = 1,
    parse: Callable[[Image], NDArray[np.integer]] | None = None,
) -> Image:
    """The picture, `upscale` times as large, with restored faces where they came from.

    matrices: `affine` of each face. parse: ParseNet's labels (512, 512) of a face, to keep what is no face.
    """
    height, width = image.shape[0] * upscale, image.shape[1] * upscale
    whole: Plane = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR))
    for face, matrix in zip(faces, matrices, strict=True):
        back = inverse(matrix, upscale)
        if upscale > 1:
            back[:, 2] += 0.5 * upscale
        there = cv2.warpAffine(face, back, (width, height))
        solid = cv2.warpAffine(np.ones((SIDE, SIDE), np.float32), back, (width, height))
        solid = cv2.erode(solid, np.ones((2 * upscale, 2 * upscale), np.uint8))
        edge = int(np.sum(solid) ** 0.5) // 20
        soft: Plane = np.asarray(cv2.erode(solid, np.ones((2 * edge, 2 * edge), np.uint8)))
        soft = np.asarray(cv2.GaussianBlur(soft, (2 * edge + 1, 2 * edge + 1), 0))
        if parse is not None:
            labelled = cv2.warpAffine(skin_mask(parse(face)), back, (width, height), flags=3)
            soft = np.minimum(labelled, soft)
        whole = soft[:, :, None] * (solid[:, :, None] * there) + (1 - soft[:, :, None]) * whole
    return whole.astype(np.uint8)


def skin_mask(labels: NDArray[np.integer]) -> NDArray[np.float64]:
    """How much of an aligned face is taken: (512, 512), 0..1, soft, nothing within 10 pixels of the rim."""
    mask: NDArray[np.float64] = np.array(SKIN, np.float64)[labels] * 255
    for _ in range(2):
        mask = np.asarray(cv2.GaussianBlur(mask, (101, 101), 11), np.float64)
    mask[:10] = mask[-10:] = mask[:, :10] = mask[:, -10:] = 0
    whole: NDArray[np.float64] = mask / 255
    return whole


def _statistics(image: NDArray[np.generic]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    flat = image.reshape(-1, image.shape[2])
    return flat.mean(axis=0), np.sqrt(flat.var(axis=0) + 1e-5)
