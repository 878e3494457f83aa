"""Several clips a person: made into one template, and shown by one video."""

import asyncio
import io
import shutil

import av
import numpy as np
import pytest

from core.config import Settings
from core.errors import BadInput
from core.media.clip import write_clip
from core.media.planes import whole_bgr
from core.progress import Progress
from core.render import Request, render
from core.serving.engine_pool import EnginePool
from core.templates.actions import check_names, with_actions
from core.templates.library import Templates
from core.types import Fragment

COUNT = 26


def report(_step, _done, _total):
    """Nobody listens."""


def run(data, work):
    async def go():
        async with EnginePool(weights=()) as pool:
            return await work(pool, Templates(Settings(data_dir=data), pool))

    return asyncio.run(go())


@pytest.fixture(scope="module")
def library(small_library, tmp_path_factory):
    """`small`, `dark`, the same person in the evening, and `both`."""
    data = tmp_path_factory.mktemp("actions") / "data"
    shutil.copytree(small_library, data)

    async def make(_pool, templates):
        small = await templates.open("small")
        evening = (whole_bgr(small.planes(k % len(small))) // 2 for k in range(COUNT))
        write_clip(data / "dark.mp4", evening, small.fps)
        await templates.add(data / "dark.mp4", "dark")
        await with_actions("small", {"wave": "dark"}, templates, name="both", report=report)

    run(data, make)
    return data


def light(template):
    """How light each frame is, 0 as dark as the evening, 1 as the day."""
    grey = np.array([template.planes(k)[: template.height].mean() for k in range(len(template))], float)
    return (grey - grey.min()) / (grey.max() - grey.min())


@pytest.mark.slow
@pytest.mark.parametrize("fps", [None, 10])
def test_a_cross_fade_leads_to_the_action_and_another_back(library, fps):
    async def look(_pool, templates):
        template = await templates.open("both", fps=fps)
        walk, shown = template.walk(), []
        for step in range(4 * template.fps):
            if step == 3:
                walk.want("wave")
            shown.append(walk.step())
        assert template.actions.names == ("wave",)
        assert template.track.found.all()
        return template, np.array(shown)

    template, shown = run(library, look)
    seen = light(template)[shown]
    dark = np.flatnonzero(seen < 0.1)
    assert len(dark) / template.fps == pytest.approx((COUNT - 12) / 25, abs=0.15)
    assert (np.diff(dark) == 1).all()  # it is shown once, whole
    assert seen[:3].min() > 0.9
    assert seen[dark[-1] + 8 :].min() > 0.9
    assert np.abs(np.diff(seen)).max() < 0.24 * 25 / template.fps  # nowhere at once
    centres = (template.track.poses @ (0.5, 0.5, 1) + template.track.corners)[shown]
    assert np.linalg.norm(np.diff(centres, axis=0), axis=1).max() < 4


@pytest.mark.slow
def test_an_action_in_a_text_is_seen_where_it_stands_and_said_by_nobody(library):
    text = "Here we are at last, and very glad. [[Wave]] Hello to all of you, my dear friends. [[wave]]"
    progress = Progress()

    async def make(pool, templates):
        data, said = io.BytesIO(), []

        async def keep(item):
            data.write(item.data) if isinstance(item, Fragment) else said.append(item)

        await render(Request("both", text, enhance=False), pool, templates, keep, progress)
        data.seek(0)
        with av.open(data) as file:
            grey = [frame.to_ndarray(format="gray").mean() for frame in file.decode(video=0)]
        return np.array(grey), [item.text for item in said if hasattr(item, "text")]

    grey, captions = run(library, make)
    day, evening = grey.max(), grey.min()
    assert evening < 0.6 * day
    first = np.flatnonzero(grey < (day + evening) / 2)[0]
    assert 30 < first < len(grey) - 10
    assert not any("wave" in caption.lower() for caption in captions)
    assert "'wave' is not seen to its end" in progress.remarks[-1]


@pytest.mark.slow
def test_a_video_that_begins_with_speech_begins_in_the_talking_clip(library):
    async def make(pool, templates):
        await with_actions("small", {"talk": "dark"}, templates, name="talker", report=report)
        data = io.BytesIO()

        async def keep(item):
            data.write(item.data) if isinstance(item, Fragment) else None

        await render(Request("talker", "Hello to all of you.", enhance=False), pool, templates, keep)
        talker = await templates.open("talker")
        data.seek(0)
        with av.open(data) as file:
            grey = [frame.to_ndarray(format="gray").mean() for frame in file.decode(video=0)]
        return np.array(grey), talker.planes(0)[: talker.height].mean()

    grey, day = run(library, make)
    assert grey.max() < 0.7 * day


async def _refused(library, text="Hello.", **wanted):
    async with EnginePool(weights=()) as pool:
        templates = Templates(Settings(data_dir=library), pool)

        async def sink(_item):
            pytest.fail("something was made")

        with pytest.raises(BadInput) as told:
            await render(Request(text=text, enhance=False, **wanted), pool, templates, sink)
        return told.value


@pytest.mark.slow
async def test_what_cannot_be_done_is_refused_before_anything_is_made(library):
    error = await _refused(library, "[[nod]] Hello.", template="both")
    assert (error.code, "it has: wave" in error.message) == ("unknown_action", True)
    error = await _refused(library, "[[wave]] Hello.", template="small")
    assert (error.code, "it has none" in error.message) == ("unknown_action", True)


@pytest.mark.slow
def test_asking_again_gives_the_same_and_a_template_with_actions_is_no_action(library):
    async def ask(_pool, templates):
        again = await with_actions("small", {"wave": "dark"}, templates, name="both", report=report)
        assert again == templates.show("both")
        for base, action in (("both", "dark"), ("small", "both")):
            with pytest.raises(BadInput, match="has actions itself"):
                await with_actions(base, {"nod": action}, templates, report=report)
        with pytest.raises(BadInput, match="another template 'both'"):
            await with_actions("small", {"nod": "dark"}, templates, name="both", report=report)
        with pytest.raises(BadInput, match="no template 'nobody'"):
            await with_actions("small", {"nod": "nobody"}, templates, report=report)

    run(library, ask)
    assert not list(library.glob(".*"))


@pytest.mark.parametrize("name", ["", "Wave", "idle", "pause", "break_2", "a b", "1st", "挥手", "a" * 33])
def test_an_action_has_a_name_that_can_be_written_in_a_text(name):
    with pytest.raises(BadInput) as told:
        check_names({name: "sample"})
    assert (told.value.code, told.value.param) == ("bad_actions", "actions")


def test_there_is_an_action_and_not_too_many():
    for actions in ({}, {f"a{k}": "sample" for k in range(17)}):
        with pytest.raises(BadInput, match="1 to 16 actions"):
            check_names(actions)
