"""Draw docs/enhanced.png: drawn people before and after `enhance`, through the whole path.

    python -m bench._strip docs/enhanced.png [PICTURE]

Three pictures side by side, each pixel as it comes out: as given, resampled; by the built-in engine; by
CodeFormer and Real-ESRGAN with made-up weights; the last two twice as large. Made-up weights restore nothing:
they show where faces are cut out and laid back, how their borders blend, and that tiles meet without a seam.
"""

import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image as Pictures
from torch import nn

from core.enhancement.video import Enhancement, enhance_video
from core.media.clip import write_clip
from core.media.foreign import open_video
from core.media.planes import whole_bgr
from core.nets.codeformer import Layout as FaceLayout
from core.serving.engine_pool import EnginePool
from core.types import Fragment, Image
from tests.support.codeformers import small_net
from tests.support.crowds import group
from tests.support.upscalers import passing_on

_SIZE = (480, 270)
_WINDOW = slice(24, 344), slice(220, 620)
"""Rows and columns of the pictures, once they are twice as large, that the strip shows of them."""
_COLOURS = 160


def main(out: Path, given: Path | None) -> None:
    """Write the strip."""
    picture = _people() if given is None else _read(given)
    with tempfile.TemporaryDirectory(prefix="lipstream-strip-") as folder:
        clip = Path(folder) / "clip.mp4"
        write_clip(clip, [picture] * 2, 25)
        pictures = [cv2.resize(picture, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)]
        pictures.append(asyncio.run(_enhanced(clip, "builtin", background=False)))
        with _made_up(Path(folder)):
            pictures.append(asyncio.run(_enhanced(clip, "codeformer", background=True)))
    if given is None:
        pictures = [one[_WINDOW] for one in pictures]
    gap = np.full((len(pictures[0]), 6, 3), 255, np.uint8)
    strip = np.hstack([pictures[0], gap, pictures[1], gap, pictures[2]])
    Pictures.fromarray(strip[:, :, ::-1]).quantize(_COLOURS).save(out, optimize=True)


def _people() -> Image:
    """Five drawn heads of three sizes, as an old camera saw them: soft, with some noise."""
    width, height = _SIZE
    picture = group(width, height, 120, [(10, 30), (345, 40)], 96)
    for size, places in ((150, [(165, 70)]), (84, [(118, 12), (288, 14)])):
        whole = group(width, height, size, places, 96)
        for x, y in places:
            rows, columns = slice(y, y + size * 184 // 256), slice(x, x + size)
            picture[rows, columns] = whole[rows, columns]
    soft = cv2.GaussianBlur(picture, (0, 0), 0.8)
    noise = np.random.default_rng(0).normal(0, 3, picture.shape)
    return np.asarray((soft + noise).clip(0, 255), np.uint8)


def _read(path: Path) -> Image:
    picture = cv2.imread(str(path))
    assert picture is not None
    scale = min(1.0, 960 / picture.shape[1])
    size = (round(picture.shape[1] * scale) // 2 * 2, round(picture.shape[0] * scale) // 2 * 2)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


async def _enhanced(clip: Path, engine: str, *, background: bool) -> Image:
    """The last frame of the clip, made clearer at twice the size."""
    made = clip.with_name(f"{engine}.mp4")
    with made.open("wb") as file:

        async def sink(fragment: Fragment) -> None:
            file.write(fragment.data)

        async with EnginePool() as pool:
            wanted = Enhancement(clip, engine, upscale=2, background=background)
            progress = await enhance_video(wanted, pool, sink)
    print(f"{engine}: {progress.frames_without_face} frames without a face, {progress.tiles_made} tiles made")
    source = await open_video(made)
    try:
        *_, last = [frame async for frame in source.frames()]
    finally:
        await source.close()
    return whole_bgr(last.planes)


@contextmanager
def _made_up(folder: Path) -> Iterator[None]:
    """Both networks as files, with made-up weights, in the place of the published ones."""
    faces = FaceLayout(width=32, tokens=256, dim=64, layers=2, codes=48, code_width=32)
    restoring = small_net(faces)
    with torch.no_grad():
        [*_, last] = (part for part in restoring.generator.modules() if isinstance(part, nn.Conv2d))
        last.weight.mul_(0.06)  # greys rather than glaring colours
    nets: dict[str, nn.Module] = {"codeformer": restoring, "realesrgan-x2": passing_on()}
    before: dict[str, Any] = dict(os.environ)
    paths = {}
    for name, net in nets.items():
        paths[name] = folder / f"{name}.pth"
        torch.save({"params_ema": net.state_dict()}, paths[name])
    own = ", ".join(f'"{name}": "{path}"' for name, path in paths.items())
    os.environ["LIPSTREAM_OWN_WEIGHTS"] = f"{{{own}}}"
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
