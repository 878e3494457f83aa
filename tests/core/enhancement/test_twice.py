"""Twice as large: faces are laid into the large picture as the network draws them, not enlarged with it."""

import asyncio
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from core.enhancement.video import Enhancement, enhance_video
from core.serving.engine_pool import EnginePool
from core.types import Fragment
from tests.core.enhancement.test_video import decoded
from tests.support.crowds import write_group


def enhanced(path: Path, scale: int) -> np.ndarray:
    """The first frame, enhanced by the network: float32 (h, w), grey."""

    async def work() -> bytes:
        made: list[bytes] = []

        async def sink(fragment: Fragment) -> None:
            made.append(fragment.data)

        async with EnginePool() as pool:
            wanted = Enhancement(path, "codeformer", "builtin", upscale=scale, fidelity=0.0)
            await enhance_video(wanted, pool, sink)
        return b"".join(made)

    data = asyncio.run(asyncio.wait_for(work(), 60))
    frame = decoded(data, path.with_name(f"{scale}.mp4"))[0]
    return cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY).astype(np.float32)


def fine(picture: np.ndarray) -> float:
    """How much of it a picture of half the size could not hold."""
    half = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    back = cv2.resize(half, picture.shape[::-1], interpolation=cv2.INTER_CUBIC)
    return float((picture - back).std())


@pytest.mark.slow
def test_a_face_twice_as_large_has_detail_that_enlarging_could_not_give(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = pytest.importorskip("torch")
    from core.nets.codeformer import Layout
    from tests.support.codeformers import small_net

    # 128 pixels a face; in the picture it has 70, so that only twice the size can show all of them.
    layout = Layout(width=32, tokens=16, dim=64, layers=2, codes=48, code_width=32)
    torch.save({"params_ema": small_net(layout).state_dict()}, tmp_path / "small.pth")
    monkeypatch.setenv("LIPSTREAM_OWN_WEIGHTS", json.dumps({"codeformer": str(tmp_path / "small.pth")}))
    monkeypatch.setenv("LIPSTREAM_DEVICE", "cpu")
    path = write_group(
        tmp_path / "one.mp4",
        lambda k: [(70, 50)],
        size=(240, 180),
        head=90,
        frames=2,
        options={"crf": "4"},
    )
    once, large = enhanced(path, 1), enhanced(path, 2)
    enlarged = cv2.resize(once, large.shape[::-1], interpolation=cv2.INTER_CUBIC)
    face, wall = (slice(130, 200), slice(190, 270)), (slice(0, 80), slice(0, 120))
    assert fine(large[face]) > 3 * fine(enlarged[face])
    assert fine(large[wall]) < 1
