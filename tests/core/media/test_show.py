"""Who wants to see a clip's frames while they are written sees each, small, and leaves nothing behind."""

import asyncio
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from core.errors import BadInput
from core.media.clip import Frames
from core.media.foreign import Show, normalise
from core.media.planes import whole_bgr
from core.types import Image as Picture
from tests.support.children import decoders
from tests.support.samples import corners, write_video


def shown(source: Path, side: int, fps: int | None = None) -> tuple[list[Picture], Frames]:
    """What was shown of `source`, and the clip."""
    pictures: list[Picture] = []

    async def see(picture: Picture) -> None:
        pictures.append(picture)

    clip = source.parent / "clip.mp4"
    asyncio.run(normalise(source, clip, fps=fps, size=None, report=lambda *_: None, show=Show(side, see)))
    return pictures, Frames(clip, cache_bytes=1 << 20)


@pytest.mark.parametrize(("side", "fps"), [(96, None), (160, None), (640, None), (80, 30)])
def test_every_frame_of_the_clip_is_shown_as_it_is(tmp_path: Path, side: int, fps: int | None) -> None:
    """At 30 a second some of the source's frames are there twice."""
    pictures, frames = shown(write_video(tmp_path / "a.mp4", frames=20), side, fps)
    assert len(pictures) == frames.count
    wide = min(side, 160)
    for number, picture in enumerate(pictures):
        assert picture.shape == (wide * 3 // 4, wide, 3)
        whole = whole_bgr(frames.planes(number))
        small = cv2.resize(whole, (wide, wide * 3 // 4), interpolation=cv2.INTER_AREA)
        assert np.abs(picture.astype(int) - small).mean() < 3


def test_of_a_picture_every_frame_is_shown_too(tmp_path: Path) -> None:
    Image.fromarray(corners(160, 120, 0)).save(tmp_path / "a.png")
    pictures, frames = shown(tmp_path / "a.png", 80)
    assert (len(pictures), frames.count) == (25, 25)
    assert all((picture == pictures[0]).all() for picture in pictures)


@pytest.mark.slow
def test_where_the_viewer_fails_the_writing_ends_and_leaves_no_file(tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.mp4", frames=120, size=(640, 480))

    async def fail(_picture: Picture) -> None:
        raise LookupError("nobody there")

    async def scenario() -> None:
        before = set(decoders())  # of a server that runs beside this test
        with pytest.raises(LookupError, match="nobody there"):
            await normalise(
                source, tmp_path / "b.mp4", fps=None, size=None, report=lambda *_: None, show=Show(640, fail)
            )
        assert not set(decoders()) - before

    asyncio.run(scenario())
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.slow
def test_cancelling_while_the_viewer_looks_leaves_no_file(tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.mp4", frames=60, size=(640, 480))

    async def scenario() -> None:
        before = set(decoders())  # of a server that runs beside this test
        begun = asyncio.Event()

        async def stare(_picture: Picture) -> None:
            begun.set()
            await asyncio.Event().wait()

        work = asyncio.create_task(
            normalise(
                source, tmp_path / "b.mp4", fps=None, size=None, report=lambda *_: None, show=Show(640, stare)
            )
        )
        await begun.wait()
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert not set(decoders()) - before

    asyncio.run(scenario())
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_a_source_that_is_refused_is_refused_with_a_viewer_too(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"\0\0\0\x18ftypisom" + bytes(100))
    with pytest.raises(BadInput, match="damaged"):
        shown(tmp_path / "a.mp4", 640)
    assert len(list(tmp_path.iterdir())) == 1
