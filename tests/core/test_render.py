"""The whole of core, from text to fragments, on real engines; failures are put in by engines of our own."""

import asyncio
import math
import threading

import cv2
import pytest

from core.config import Settings
from core.engines import ENGINES, EngineSpec
from core.engines.builtin import presenter
from core.errors import BadInput, StageError
from core.progress import Progress
from core.render import Request, Segment, render
from core.serving.engine_pool import EnginePool
from core.templates.library import Templates
from core.types import Cue, Fragment
from tests.support import fakes

pytestmark = pytest.mark.slow  # nearly each makes a video or starts a process


class Hoarse(fakes.Beeps):
    """Fails at its second sentence."""

    def __init__(self):
        super().__init__(fail_at=1)


class Slow(fakes.Beeps):
    """Takes 5 ms a character."""

    def __init__(self):
        super().__init__(delay_s=0.005)


class Stumbling(fakes.LoudMouth):
    """Fails at frame 20."""

    def __init__(self):
        super().__init__(fail_at=20)


@pytest.fixture(autouse=True)
def _odd_engines(monkeypatch):
    for kind, name in (("speech", "Hoarse"), ("speech", "Slow"), ("lipsync", "Stumbling")):
        monkeypatch.setitem(
            ENGINES[kind], name.lower(), EngineSpec(f"tests.core.test_render:{name}", "for a test")
        )


def run(request, data_dir, sink=None, progress=None):
    """Render; returns the items in order."""
    items = []

    async def collect(item):
        items.append(item)
        if sink is not None:
            await sink(item)

    async def main():
        async with EnginePool() as pool:
            templates = Templates(Settings(data_dir=data_dir), pool)
            await render(request, pool, templates, collect, progress)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())
    return items


TEXT = "Good morning. It is 23.5 degrees outside, and the sun is up."


def test_text_becomes_a_video_with_captions(small_library):
    progress = Progress()
    items = run(Request(template="small", text=TEXT), small_library, progress=progress)
    fragments = [item for item in items if isinstance(item, Fragment)]
    assert fragments[0].kind == "init"
    assert [f.kind for f in fragments].count("init") == 1
    assert progress.frames == math.ceil(progress.audio_s * progress.fps - 1e-9) == progress.total_frames
    assert progress.frames_without_face == 0
    said = " ".join(item.text.replace("\n", " ") for item in items if isinstance(item, Cue))
    assert said.split() == TEXT.split()
    segments = [item for item in items if isinstance(item, Segment)]
    assert [s.start for s in segments[1:]] == [s.stop for s in segments[:-1]]
    assert {m.state for m in progress.meters.values()} == {"finished"}
    assert progress.remarks == ()


def test_what_will_not_look_right_of_a_video_used_once_is_told(small_library, tmp_path):
    small = tmp_path / "small.png"
    cv2.imwrite(str(small), next(iter(presenter.frames(1, 25, 112))))
    progress = Progress()
    run(Request(video=small, text="Hi \U0001faf6.", burn_subtitles=True), small_library, progress=progress)
    undrawn, narrow = progress.remarks
    assert "without \U0001faf6" in undrawn
    assert "pixels wide" in narrow


def test_the_same_request_gives_the_same_bytes(small_library):
    first, second = (
        b"".join(
            f.data
            for f in run(Request(template="small", text="Hello."), small_library)
            if isinstance(f, Fragment)
        )
        for _ in range(2)
    )
    assert first == second


def test_fragments_come_while_the_text_is_still_being_spoken(small_library):
    progress = Progress()
    spoken_at_first = []

    async def sink(item):
        if isinstance(item, Fragment) and item.frames and not spoken_at_first:
            spoken_at_first.append(progress.meters["tts"].state)

    run(Request(template="small", text=TEXT * 8), small_library, sink, progress)
    assert spoken_at_first == ["running"]


@pytest.mark.parametrize(
    ("engines", "stage", "message"),
    [({"speech": "hoarse"}, "tts", "hoarse"), ({"lipsync": "stumbling"}, "lipsync", "the mouth fell off")],
)
def test_a_failing_stage_is_named_and_nothing_is_left_running(small_library, engines, stage, message):
    before, progress = threading.active_count(), Progress()
    with pytest.raises(StageError, match=message) as caught:
        run(Request(template="small", text=TEXT, **engines), small_library, progress=progress)
    assert caught.value.stage == stage
    assert progress.total_s is not None, "it has ended"
    assert threading.active_count() == before


def test_an_error_of_the_sink_is_its_own(small_library):
    async def sink(item):
        raise OSError("nobody listens")

    with pytest.raises(OSError, match="nobody listens"):
        run(Request(template="small", text=TEXT), small_library, sink)


@pytest.mark.parametrize("after_frames", [0, 1, 30])
async def test_cancelling_frees_everything_soon(small_library, after_frames):
    async with EnginePool() as pool:
        templates = Templates(Settings(data_dir=small_library), pool)
        progress = Progress()
        enough = asyncio.Event()

        async def sink(item):
            if progress.frames >= after_frames:
                enough.set()

        job = asyncio.create_task(
            render(
                Request(template="small", text=TEXT * 50, speech="slow"),
                pool,
                templates,
                sink,
                progress,
            )
        )
        await asyncio.wait_for(enough.wait(), 20)
        job.cancel()
        started = asyncio.get_running_loop().time()
        with pytest.raises(asyncio.CancelledError):
            await job
        assert asyncio.get_running_loop().time() - started < 0.3
        assert not [t for t in threading.enumerate() if t.name.startswith("encode")]
        assert progress.meters["lipsync"].state == "cancelled"


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (Request(template="small"), "text_or_audio"),
        (Request(template="small", text=" \n"), "empty_text"),
        (Request(template="small", text="x" * 100_001), "text_too_long"),
        (Request(template="small", text="Hi.", voice="nobody"), "unknown_voice"),
        (Request(template="nobody", text="Hi."), "unknown_template"),
        (Request(template="../small", text="Hi."), "unknown_template"),
        (Request(template="small", text="Hi.", lipsync="nothing"), "unknown_engine"),
        (Request(template="small", text="Hi.", fps=0), "out_of_range"),
        (Request(template="small", text="Hi.", size=(1, 9000)), "out_of_range"),
        (Request(template="small", text="Hi.", fidelity=1.01), "out_of_range"),
        (Request(template="small", text="Hi.", fidelity=float("nan")), "out_of_range"),
    ],
)
def test_what_cannot_be_met_is_refused_before_any_work(small_library, request_, code):
    items = []

    async def sink(item):
        items.append(item)

    with pytest.raises((BadInput, StageError)) as caught:
        run(request_, small_library, sink)
    error = caught.value.cause if isinstance(caught.value, StageError) else caught.value
    assert error.code == code
    assert items == []
