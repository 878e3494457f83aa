import asyncio
import gc
import shutil
import threading
from dataclasses import replace

import numpy as np
import psutil
import pytest

from core.config import Settings
from core.engines import ENGINES, EngineSpec
from core.errors import BadInput
from core.faces.people import look
from core.media.clip import write_clip
from core.serving.engine_pool import EnginePool
from core.templates.library import Templates
from tests.support import couples
from tests.support.faces import drawn
from tests.support.fakes import LoudMouth

pytestmark = pytest.mark.slow  # nearly each makes a video or starts a process


class OtherMouth(LoudMouth):
    """Another lips engine, which notes what it was shown."""

    version = "7/b"


class Thorough(LoudMouth):
    """A lips engine that learns a template until somebody else has had the thread."""

    version = "thorough"

    def __init__(self):
        super().__init__()
        self.learning, self.drawn = threading.Event(), threading.Event()

    def prepare(self, track, crops, report):
        self.learning.set()
        for _ in range(2000):
            report(1)
            if self.drawn.wait(0.005):
                return super().prepare(track, crops, report)
        raise RuntimeError("nobody was let in")


def with_library(folder, work):
    async def main():
        async with EnginePool() as pool:
            return await work(Templates(Settings(data_dir=folder), pool), pool)

    return asyncio.run(main())


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_renamed_template_keeps_its_id_and_leaves_its_old_name_to_others(small_library, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(small_library, data)

    async def rename(library, pool):
        before = library.show("small")
        assert await library.rename("small", "  小王 ") == replace(before, name="小王")
        assert library.new_id("small") != "small"  # whoever is called so now is another person
        return library.all()

    (info,) = with_library(data, rename)
    assert (info.id, info.name) == ("small", "小王")


def test_a_template_is_prepared_once_and_then_only_opened(presenter_clip, tmp_path):
    steps = []

    def report(step, done, total):
        steps.append(step)

    async def add(library, pool):
        info = await library.add(presenter_clip, "Anna Müller", report)
        return info, library.all()

    info, listed = with_library(tmp_path, add)
    assert (info.id, info.name, info.kind, info.width) == ("anna-muller", "Anna Müller", "video", 256)
    assert listed == [info]
    assert {"decode", "faces", "lipsync"} <= set(steps)
    before = files(tmp_path)
    assert not [name for name in before if "/." in name]

    async def open_twice(library, pool):
        steps.clear()
        first = await library.open("anna-muller", report=report)
        return first is await library.open("anna-muller"), len(first), first.track.found.all()

    assert with_library(tmp_path, open_twice) == (True, 12, True)
    assert steps == []
    assert files(tmp_path) == before


def test_adding_the_same_file_again_changes_nothing_and_another_is_refused(
    small_library, presenter_clip, tmp_path
):
    async def again(library, pool):
        info = await library.add(presenter_clip, "small")
        other = tmp_path / "other.mp4"
        write_clip(other, [np.zeros((64, 64, 3), np.uint8)] * 25, 25)
        with pytest.raises(BadInput) as caught:
            await library.add(other, "small")
        return info.id, caught.value.code

    before = files(small_library)
    assert with_library(small_library, again) == ("small", "template_exists")
    assert files(small_library) == before


def test_another_rate_or_size_is_another_preparation(presenter_clip, tmp_path):
    async def work(library, pool):
        await library.add(presenter_clip, "p")
        slow = await library.open("p", fps=10, size=(128, 160))
        return slow.fps, slow.width, slow.height, len(slow), slow.crop(0).shape

    fps, width, height, count, crop = with_library(tmp_path, work)
    assert (fps, width, height) == (10, 128, 160)
    assert count in (4, 5)
    assert crop[0] == crop[1] <= 128


def test_another_engine_learns_the_same_preparation(small_library, tmp_path, monkeypatch):
    folder = tmp_path / "copy"
    shutil.copytree(small_library, folder)
    monkeypatch.setitem(
        ENGINES["lipsync"], "other", EngineSpec("tests.core.templates.test_library:OtherMouth", "for a test")
    )
    before = files(folder)

    async def work(library, pool):
        lips = await pool.engine("lipsync", "other")
        opened = await library.open("small", lipsync=lips)
        return opened.prepared[lips.key]["count"]

    assert with_library(folder, work) == 12
    (new,) = set(files(folder)) - set(before)
    assert new.endswith("lipsync-other-7-b.npz")


def test_running_jobs_and_other_preparations_need_not_wait_for_one(small_library, tmp_path, monkeypatch):
    folder = tmp_path / "copy"
    shutil.copytree(small_library, folder)
    monkeypatch.setitem(
        ENGINES["lipsync"], "other", EngineSpec("tests.core.templates.test_library:Thorough", "for a test")
    )

    async def work(library, pool):
        lips = await pool.engine("lipsync", "other")
        learning = asyncio.create_task(library.open("small", lipsync=lips))
        await asyncio.to_thread(lips.engine.learning.wait, 10)
        other = await library.open("small", size=(64, 64))
        removing = asyncio.create_task(library.remove("small"))
        await lips.call(lambda engine: engine.drawn.set())
        assert not learning.done()
        learnt = (await learning).prepared[lips.key]["count"]
        await removing
        return other.width, learnt, library.all()

    assert with_library(folder, work) == (64, 12, [])
    assert files(folder / "templates") == []


class Forgetful(LoudMouth):
    """A lips engine that learns nothing."""

    version = "forgetful"

    def prepare(self, track, crops, report):
        assert len(crops[0])  # the decoder is at work
        raise BadInput("unlearnable", "this is nothing to learn")


def test_a_template_that_cannot_be_learnt_leaves_no_decoder_open(small_library, tmp_path, monkeypatch):
    folder = tmp_path / "copy"
    shutil.copytree(small_library, folder)
    monkeypatch.setitem(
        ENGINES["lipsync"], "other", EngineSpec("tests.core.templates.test_library:Forgetful", "for a test")
    )

    async def work(library, pool):
        lips = await pool.engine("lipsync", "other")
        kept = []
        for size in (None, (64, 64)):
            with pytest.raises(BadInput, match="nothing to learn") as caught:
                await library.open("small", size=size, lipsync=lips)
            kept.append(caught.value)  # with its frames, so that nothing is collected yet
        return [file.path for file in psutil.Process().open_files() if file.path.startswith(str(folder))]

    assert with_library(folder, work) == []


def test_what_was_added_is_open_for_nobody_and_no_lock_is_left(presenter_clip, tmp_path):
    async def work(library, pool):
        await library.add(presenter_clip, "p")
        held = [file.path for file in psutil.Process().open_files() if file.path.startswith(str(tmp_path))]
        for fps in (8, 9):
            await library.open("p", fps=fps)
        gc.collect()
        assert not library._locks
        await asyncio.gather(*(library.remove("p") for _ in range(3)), return_exceptions=True)
        return held, library.all()

    assert with_library(tmp_path, work) == ([], [])


def test_a_template_is_removed_once_nobody_prepares_it_any_more(presenter_clip, tmp_path):
    async def work(library, pool):
        await library.add(presenter_clip, "p")
        opening = [asyncio.create_task(library.open("p", fps=fps)) for fps in (5, 6)]
        await asyncio.sleep(0)
        removing = [asyncio.create_task(library.remove("p")) for _ in range(2)]
        await asyncio.sleep(0)
        late = [asyncio.create_task(library.open("p", fps=fps)) for fps in (7, 5)]
        done = await asyncio.gather(*opening, *removing, *late, return_exceptions=True)
        codes = [getattr(one, "code", type(one).__name__) for one in done]
        return codes, files(library.settings.data_dir / "templates")

    codes, left = with_library(tmp_path, work)
    assert codes[:2] == ["Template", "Template"]
    assert sorted(codes[2:4]) == ["NoneType", "unknown_template"]
    assert set(codes[4:]) <= {"Template", "unknown_template"}
    assert left == []


def test_faces_are_sought_while_the_clip_is_written(presenter_clip, tmp_path):
    steps = []

    async def work(library, pool):
        await library.add(presenter_clip, "p", lambda step, *_: steps.append(step))

    with_library(tmp_path, work)
    assert steps.count("faces") == 12
    learning = min(steps.index("lipsync"), steps.index("enhance"))
    assert set(steps[:learning]) == {"decode", "faces"}
    assert "faces" not in steps[learning:]


def test_what_engines_learn_is_there_for_the_job_that_waited_and_for_the_next(presenter_clip, tmp_path):
    async def work(library, pool):
        await library.add(presenter_clip, "p")
        return (await library.open("p", fps=12)).prepared, (
            await Templates(library.settings, pool).open("p", fps=12)
        ).prepared

    first, later = with_library(tmp_path, work)
    assert len(first) == 2
    assert first.keys() == later.keys()
    for key, learnt in first.items():
        assert learnt.keys() == later[key].keys()
        assert all(np.array_equal(learnt[name], later[key][name]) for name in learnt)


def test_jobs_that_ask_at_once_wait_for_one_preparation(presenter_clip, tmp_path):
    decoded = []

    async def work(library, pool):
        await library.add(presenter_clip, "p")
        opened = await asyncio.gather(
            *(library.open("p", fps=12, report=lambda step, *_: decoded.append(step)) for _ in range(4))
        )
        return len({id(one) for one in opened})

    assert with_library(tmp_path, work) == 1
    assert len(list((tmp_path / "templates/p/prepared").iterdir())) == 2


def test_a_clip_without_a_face_is_refused_with_the_reason_and_leaves_nothing(tmp_path):
    clip = tmp_path / "wall.mp4"
    write_clip(clip, [np.full((128, 128, 3), 90, np.uint8)] * 25, 25)

    async def work(library, pool):
        with pytest.raises(BadInput) as caught:
            await library.add(clip)
        return caught.value.code, library.all()

    data = tmp_path / "data"
    assert with_library(data, work) == ("no_face", [])
    assert files(data) == []


@pytest.mark.parametrize("identity", ["../small", "a/b", "", ".", "small\0", "x" * 300, "-rf", "SMALL"])
def test_no_name_leads_out_of_the_library(small_library, identity):
    async def work(library, pool):
        for call in (library.open, library.remove):
            with pytest.raises(BadInput) as caught:
                await call(identity)
            assert caught.value.code == "unknown_template"

    with_library(small_library, work)


def test_a_removed_template_is_gone_while_running_jobs_keep_theirs(presenter_clip, tmp_path):
    async def work(library, pool):
        await library.add(presenter_clip, "p")
        opened = await library.open("p")
        await library.remove("p")
        return opened.crop(3).shape, library.all()

    shape, left = with_library(tmp_path, work)
    assert shape[2] == 3
    assert left == []
    assert files(tmp_path) == []


def test_only_so_many_templates_stay_open(presenter_clip, tmp_path):
    async def work(library, pool):
        await library.add(presenter_clip, "p")
        first = await library.open("p", fps=10)
        for fps in (11, 12, 13, 14):
            await library.open("p", fps=fps)
        return first is await library.open("p", fps=10), first.crop(0).shape[2]

    assert with_library(tmp_path, work) == (False, 3)


@pytest.fixture(scope="module")
def couple_clip(tmp_path_factory):
    """Two presenters side by side, then, after a cut, in each other's place."""
    path = tmp_path_factory.mktemp("couple") / "couple.mp4"
    write_clip(path, couples.clip(couples.CUT[10:30]), 25)
    return path


def test_the_chosen_one_of_two_is_followed_and_each_choice_is_a_preparation_of_its_own(couple_clip, tmp_path):
    async def work(library, pool):
        tracks = []
        for k, choice in enumerate(("1", "2")):
            info = await library.add(couple_clip, f"her or him {k}", face=choice)
            assert info.face == library.show(info.id).face == choice
            template = await library.open(info.id)
            tracks.append(template.track.corners[:, 0] + template.track.poses[:, 0, 2])
        prepared = {path.name for path in (tmp_path / "templates").glob("*/prepared/*")}
        assert len(prepared) == 2
        return tracks

    her, him = with_library(tmp_path, work)
    assert (her[:10] < 150).all()
    assert (her[10:] > 150).all()
    assert (him[:10] > 150).all()
    assert (him[10:] < 150).all()


def test_a_face_that_is_not_there_is_refused_before_anything_is_kept(couple_clip, tmp_path):
    async def work(library, pool):
        refused = []
        for choice in ("3", "hers"):
            with pytest.raises(BadInput) as caught:
                await library.add(couple_clip, face=choice)
            refused.append(caught.value.code)
        await library.add(couple_clip, "two", face="2")
        with pytest.raises(BadInput, match="there is another template 'two' already"):
            await library.add(couple_clip, "two", face="1")
        return refused, [info.id for info in library.all()]

    assert with_library(tmp_path, work) == (["no_such_face", "unknown_face_choice"], ["two"])
    assert not [name for name in files(tmp_path) if "/." in name]


def test_people_are_looked_for_in_the_picture_that_shows_most_of_them(couple_clip, presenter_clip, tmp_path):
    alone = couples.couple((couples.LEFT, couples.LEFT), his_first=True)
    later = tmp_path / "later.mp4"
    write_clip(later, [alone] * 30 + couples.clip(couples.SIDE_BY_SIDE[:10]) + [alone] * 30, 10)

    async def work(library, pool):
        finder = await pool.engine("face", "builtin")
        return [await look(clip, finder) for clip in (couple_clip, later, presenter_clip)]

    both, step_in, one = with_library(tmp_path / "data", work)
    assert [len(people.faces) for people in (both, step_in, one)] == [2, 2, 1]
    left, right = (float(face.box[0]) for face in both.faces)
    assert left < right
    assert both.picture.shape == (couples.HEIGHT, couples.WIDTH, 3)


def test_a_file_can_be_used_once_and_leaves_nothing(couple_clip, tmp_path):
    async def work(library, pool):
        async with library.once(couple_clip, face="2", fps=10, size=(512, 192)) as template:
            made = template.fps, template.width, len(template), template.track.found.all()
            assert list((tmp_path / "templates").iterdir())
        with pytest.raises(BadInput):
            async with library.once(couple_clip, face="3"):
                raise AssertionError
        return *made, library.all()

    assert with_library(tmp_path, work) == (10, 512, 8, True, [])
    assert files(tmp_path) == []


def test_what_speaks_against_a_template_is_kept_with_it(presenter_clip, tmp_path):
    """A block before the mouth in every frame: lips cannot be drawn, and whoever adds it is told."""
    clip = tmp_path / "masked.mp4"
    frames = [picture.copy() for picture in drawn(12, 384)]
    for frame in frames:
        frame[180:250, 140:245] = (190, 165, 130)
    write_clip(clip, frames, 25)

    async def add(library, pool):
        masked = await library.add(clip, "masked")
        plain = await library.add(presenter_clip, "plain")
        return masked, plain, library.show("masked")

    masked, plain, shown = with_library(tmp_path / "data", add)
    assert masked == shown
    assert "12 of 12 frames" in masked.warnings[0]
    assert plain.warnings == ()
