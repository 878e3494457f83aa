"""Wav2Lip exactly as its authors' inference.py runs it: whole recordings, whole boxes, cut and pasted hard.

For comparing, not for use: `tests.parity` holds this, and with it the product's parts it is made of, against
the reference's own numbers. What the product does otherwise, `core.engines.wav2lip.engine` says.
"""

from collections.abc import Callable, Iterator, Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from core.engines.wav2lip.engine import generator_input
from core.engines.wav2lip.mel import COLUMNS, Mel, mel, window_starts
from core.types import Image, Samples

Net = Callable[[NDArray[np.float32], NDArray[np.float32]], NDArray[np.float32]]
"""The generator: windows (B, 1, 80, 16), faces (B, 6, S, S) -> (B, 3, S, S) in 0..1."""

PADS = (0, 10, 0, 0)
"""Pixels by which the reference enlarges a box: top, bottom, left, right."""

_SMOOTHING = 5


def smoothed(boxes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Boxes (n, 4), each averaged over five frames from its own on, as the reference does it.

    That is in place and in whole numbers, the last four over a window that is partly smoothed by then; of
    fewer than five, peculiarly.
    """
    boxes = boxes.copy()
    count = len(boxes)
    for k in range(count):
        window = boxes[count - _SMOOTHING :] if k + _SMOOTHING > count else boxes[k : k + _SMOOTHING]
        boxes[k] = np.mean(window, axis=0)
    return boxes


def boxes_of(
    rectangles: NDArray[np.int64],
    height: int,
    width: int,
    pads: tuple[int, int, int, int] = PADS,
    smooth: bool = True,
) -> NDArray[np.int64]:
    """What is cut out of each frame, from the detector's rectangles; both left, top, right, bottom."""
    top, bottom, left, right = pads
    boxes = rectangles + np.array([-left, -top, right, bottom])
    boxes = np.stack(
        [
            boxes[:, 0].clip(0),
            boxes[:, 1].clip(0),
            np.minimum(boxes[:, 2], width),
            np.minimum(boxes[:, 3], height),
        ],
        axis=1,
    )
    return smoothed(boxes) if smooth else boxes


def lipsync(
    net: Net,
    frames: Sequence[Image],
    rectangles: NDArray[np.int64],
    samples: Samples,
    fps: float,
    *,
    side: int = 96,
    batch: int = 16,
) -> Iterator[Image]:
    """Yield the reference's output frames for sound at 16 kHz of at least 3000 samples.

    rectangles: the detector's, one a frame (`core.engines.face.s3fd.rectangle`). Frames begin again when
    used up.
    """
    height, width = frames[0].shape[:2]
    boxes = boxes_of(rectangles, height, width)
    columns = mel(samples)
    starts = window_starts(columns.shape[1], fps)
    for first in range(0, len(starts), batch):
        numbers = [k % len(frames) for k in range(first, min(first + batch, len(starts)))]
        cut = [boxes[number] for number in numbers]
        faces = np.stack(
            [
                cv2.resize(frames[number][top:bottom, left:right], (side, side))
                for number, (left, top, right, bottom) in zip(numbers, cut, strict=True)
            ]
        ).astype(np.uint8)
        picture = generator_input(torch.from_numpy(faces).permute(0, 3, 1, 2).float())
        made = net(_windows(columns, starts[first : first + batch]), picture.numpy())
        # Truncated, not rounded: the reference's astype.
        drawn = (made.transpose(0, 2, 3, 1) * 255).astype(np.uint8)
        for number, (left, top, right, bottom), face in zip(numbers, cut, drawn, strict=True):
            frame = frames[number].copy()
            frame[top:bottom, left:right] = cv2.resize(face, (int(right - left), int(bottom - top)))
            yield frame


def _windows(columns: Mel, starts: Sequence[int]) -> NDArray[np.float32]:
    return np.stack([columns[None, :, start : start + COLUMNS] for start in starts])
