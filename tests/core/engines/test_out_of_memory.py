"""Devices whose memory runs out while faces are restored, in processes of their own."""

import asyncio
import dataclasses
from contextlib import contextmanager

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from core.engines import ENGINES  # noqa: E402  # needs torch
from core.enhancement.video import Enhancement, enhance_video  # noqa: E402
from core.errors import Error, StageError  # noqa: E402
from core.serving.engine_pool import EnginePool  # noqa: E402
from core.serving.loaded import enhance, prepare_unheard  # noqa: E402
from core.serving.processes import Processes, ProcessSpec  # noqa: E402
from tests.support.crowded import Roomy  # noqa: E402
from tests.support.crowds import write_group  # noqa: E402
from tests.support.faces import tracked  # noqa: E402

pytestmark = pytest.mark.slow  # torch alone takes seconds to import


@contextmanager
def on_one_thread():
    """As in the process: how sums are split among threads changes their last digits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def in_a_process(kind, scenario):
    async def work():
        calls = Processes([ProcessSpec(f"tests.support.crowded:{kind}", "cpu", 1)])
        try:
            await calls.start()
            return await scenario(calls)
        finally:
            await calls.close()

    return asyncio.run(asyncio.wait_for(work(), 120))


def test_in_a_process_batches_halve_and_pictures_stay_the_same():
    track, crops = tracked(12)
    crops = np.stack(crops)
    with on_one_thread():
        alone = Roomy()
        learnt = alone.prepare(track, list(crops), lambda _: None)
        wanted = alone.enhance(crops, range(12), track, learnt, 0.5)

    async def scenario(calls):
        there = await calls.call(prepare_unheard, track, list(crops))
        parts = [
            calls.call(enhance, crops[k : k + 6], range(k, k + 6), track, there, 0.5) for k in (0, 6, 0, 6)
        ]
        return await asyncio.gather(*parts)

    made = in_a_process("Narrow", scenario)
    assert np.array_equal(np.concatenate(made[:2]), wanted)
    assert np.array_equal(np.concatenate(made[2:]), wanted)


def test_where_not_even_one_face_fits_the_job_fails_and_says_at_which_step_and_why(tmp_path, monkeypatch):
    full = dataclasses.replace(ENGINES["enhance"]["builtin"], target="tests.support.crowded:Full")
    monkeypatch.setitem(ENGINES["enhance"], "builtin", full)
    path = write_group(tmp_path / "one.mp4", lambda _: [(60, 40)], size=(256, 240), head=130, frames=12)

    async def sink(_fragment):
        pass

    async def work():
        async with EnginePool([], enhance_devices=["cpu", "cpu"]) as pool:
            await enhance_video(Enhancement(path, enhancer="builtin"), pool, sink)

    with pytest.raises(StageError, match=r"enhance failed: cpu has not enough free memory") as failed:
        asyncio.run(asyncio.wait_for(work(), 120))
    assert failed.value.stage == "enhance"
    assert type(failed.value.cause) is Error
