"""Templates with new backgrounds, made for real on a small library."""

import asyncio
import os
import shutil

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from core.config import Settings
from core.engines import ENGINES, EngineSpec
from core.errors import BadInput, EngineUnavailable
from core.media.clip import write_clip
from core.media.planes import whole_bgr
from core.serving.engine_pool import EnginePool
from core.templates.background import Background, Backgrounds
from core.templates.library import Templates
from server.cli import main
from tests.server.cli.test_render import lipstream
from tests.support.mattes import GREEN, WALLS, before, known


@pytest.fixture
def data(small_library, tmp_path):
    folder = tmp_path / "data"
    shutil.copytree(small_library, folder)
    return folder


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "blue.png"
    Image.new("RGB", (320, 200), (20, 60, 200)).save(path)
    return path


def with_backgrounds(folder, work):
    async def main():
        async with EnginePool() as pool:
            library = Templates(Settings(data_dir=folder), pool)
            return await work(Backgrounds(pool, library), library)

    return asyncio.run(main())


def make(folder, wanted, identity="small", name=None):
    async def work(makes, library):
        return await makes.make(identity, wanted, name, report=lambda *_: None)

    return with_backgrounds(folder, work)


def refused(folder, wanted, identity="small", name=None):
    with pytest.raises(BadInput) as caught:
        make(folder, wanted, identity, name)
    return caught.value


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.slow
def test_a_prompt_makes_a_template_like_any_other_once(data):
    steps, stills = [], []

    async def work(makes, library):
        wanted = Background(prompt="晚霞下的海边")
        made = await makes.make(
            "small", wanted, report=lambda step, *_: steps.append(step), preview=stills.append
        )
        opened = await library.open(made.info.id)
        return made, [whole_bgr(opened.planes(k)) for k in range(len(opened))], opened.track.found.all()

    made, frames, found = with_backgrounds(data, work)
    assert made.engines == {"paint": "builtin", "matte": "flat"}
    assert made.about == "the sea at dusk"
    assert (made.info.width, made.info.height, len(frames)) == (256, 256, 12)
    assert found
    assert frames[0][8, 8].argmax() != 0 or frames[0][100, 8, 2] > 120  # a red sky, no grey wall
    assert np.abs(stills[0].astype(int) - frames[0]).mean() < 4  # the preview was true
    first = {step: steps.index(step) for step in steps}
    assert first["paint"] < first["matte"] < first["compose"] < first["decode"] < first["faces"]
    before_ = files(data)
    again = make(data, Background(prompt="晚霞下的海边"))
    assert again.info == made.info
    assert files(data) == before_


@pytest.mark.slow
def test_a_picture_is_behind_and_the_person_as_she_was(data, picture):
    async def work(makes, library):
        made = await makes.make(
            "small", Background(picture=picture, tone=False), "Blue room", report=lambda *_: None
        )
        old, new = await library.open("small"), await library.open(made.info.id)
        return made, [(whole_bgr(old.planes(k)), whole_bgr(new.planes(k))) for k in (0, 7)]

    made, pairs = with_backgrounds(data, work)
    assert made.info.id == "blue-room"
    assert made.engines == {"matte": "flat"}
    alpha = known(12, 256)[1]
    for (old, new), true in zip(pairs, alpha[[0, 7], ..., 0], strict=True):
        inside = cv2.erode((true == 1).astype(np.uint8), np.ones((25, 25))) > 0
        outside = cv2.dilate((true > 0).astype(np.uint8), np.ones((9, 9))) == 0
        assert np.abs(old[inside].astype(int) - new[inside]).mean() < 2
        assert np.abs(new[outside] - np.float32([200, 60, 20])).mean() < 3


@pytest.mark.slow
def test_mattes_are_made_once_for_all_backgrounds_of_a_template(data, picture):
    async def work(makes, library):
        steps = []
        both = await asyncio.gather(
            makes.make("small", Background(prompt="paper"), report=lambda step, *_: steps.append(step)),
            makes.make("small", Background(picture=picture), report=lambda step, *_: steps.append(step)),
        )
        return [made.info.id for made in both], steps.count("matte"), len(library.all())

    ids, mattes, count = with_backgrounds(data, work)
    assert len(set(ids)) == 2
    assert mattes == 12
    assert count == 3
    assert len(list(data.glob("templates/small/prepared/*/matte-flat-*.mp4"))) == 1


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["paint", "matte", "compose", "faces"])
def test_cancelling_at_any_moment_leaves_no_half_of_anything(data, moment):
    async def work(makes, library):
        here = asyncio.Event()

        def report(step, done, total):
            if step == moment:
                here.set()

        job = asyncio.ensure_future(makes.make("small", Background(prompt="paper"), report=report))
        await here.wait()
        job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await job
        return [info.id for info in library.all()]

    assert with_backgrounds(data, work) == ["small"]
    left = [name for name in files(data) if "/." in name or "matte" not in name]
    assert [name for name in left if "/." in name] == []


@pytest.mark.slow
def test_a_template_before_a_key_wall_is_keyed_and_no_green_is_left(tmp_path, picture):
    clip = tmp_path / "green.mp4"
    write_clip(clip, before(WALLS["key"]["green"](256), 8, 256), 25)

    async def work(makes, library):
        await library.add(clip, "green")
        made = await makes.make("green", Background(picture=picture, tone=False), report=lambda *_: None)
        return made.engines, whole_bgr((await library.open(made.info.id)).planes(3))

    engines, frame = with_backgrounds(tmp_path / "data", work)
    assert engines["matte"] == "key"
    greener = frame[..., 1].astype(int) - frame[..., [0, 2]].max(axis=2)
    assert (greener > 25).mean() < 0.001
    assert GREEN[1] - max(GREEN[0], GREEN[2]) > 100  # as it was everywhere on the wall


@pytest.mark.slow
def test_somebody_who_fills_the_frame_is_refused_with_the_reason(tmp_path):
    clip = tmp_path / "close.mp4"
    person = before(WALLS["flat"]["grey"](256), 6, 256)
    close = [np.ascontiguousarray(p[66:186, 68:188]) for p in person]
    write_clip(clip, [cv2.resize(p, (256, 256)) for p in close], 25)

    async def work(makes, library):
        await library.add(clip, "close")
        with pytest.raises(BadInput) as caught:
            await makes.make("close", Background(prompt="sea", matte="flat"), report=lambda *_: None)
        return caught.value.code

    assert with_backgrounds(tmp_path / "data", work) == "person_fills_frame"


class Nobody:
    """A matting that sees nobody, or nothing but somebody."""

    version = "1"
    level = 0

    def mattes(self, pictures, faces):
        """The same everywhere."""
        return (np.full(picture.shape[:2], self.level, np.uint8) for picture in pictures)


class Everybody(Nobody):
    """Sees no background."""

    level = 255


@pytest.mark.parametrize(("engine", "code"), [("Nobody", "no_person"), ("Everybody", "person_fills_frame")])
def test_a_matte_that_makes_no_sense_ends_it_before_the_work(data, monkeypatch, engine, code):
    spec = EngineSpec(f"tests.core.templates.test_background:{engine}", "for a test")
    monkeypatch.setitem(ENGINES["matte"], "test", spec)
    before_ = files(data)
    assert refused(data, Background(prompt="sea", matte="test")).code == code
    assert files(data) == before_


@pytest.mark.parametrize(
    ("wanted", "code", "param"),
    [
        (Background(), "prompt_or_image", "prompt"),
        (Background(prompt=""), "empty_prompt", "prompt"),
        (Background(prompt=" \n"), "empty_prompt", "prompt"),
        (Background(prompt="海" * 1001), "prompt_too_long", "prompt"),
        (Background(prompt="sea", negative="x" * 1001), "prompt_too_long", "negative"),
        (Background(prompt="sea", focus=(0.5, 1.2)), "out_of_range", "focus"),
        (Background(prompt="sea", focus=(float("nan"), 0.5)), "out_of_range", "focus"),
        (Background(prompt="sea", blur=-0.1), "out_of_range", "blur"),
        (Background(prompt="sea", steps=0), "out_of_range", "steps"),
        (Background(prompt="sea", guidance=float("inf")), "out_of_range", "guidance"),
        (Background(prompt="sea", seed=-1), "out_of_range", "seed"),
        (Background(prompt="sea", fit="fill"), "unknown_fit", "fit"),
        (Background(prompt="sea", paint="oil"), "unknown_engine", "paint"),
        (Background(prompt="sea", matte="scissors"), "unknown_engine", "matte"),
        (Background(prompt="sea", matte="key"), "no_key_colour", "matte"),
    ],
)
def test_a_wish_that_cannot_be_met_is_refused_by_name(data, wanted, code, param):
    error = refused(data, wanted)
    assert (error.code, error.param) == (code, param)


@pytest.mark.parametrize("kind", ["matte", "paint"])
def test_an_engine_without_its_weights_says_how_to_get_them(data, kind):
    name = {"matte": "rvm", "paint": "stable-diffusion"}[kind]
    with pytest.raises(EngineUnavailable, match="get it with") as caught:
        make(data, Background(prompt="sea", **{kind: name}))
    assert name == caught.value.name
    assert "LIPSTREAM_" in caught.value.remedy


def test_unknown_templates_and_taken_names_are_refused(data):
    assert refused(data, Background(prompt="sea"), "nobody").code == "unknown_template"
    assert refused(data, Background(prompt="sea"), "../small").code == "unknown_template"
    assert refused(data, Background(prompt="sea"), name="small").code == "template_exists"


def odd(folder, name):
    """Pictures that are none, or strange ones."""
    path = folder / f"{name}.png"
    if name == "text":
        path.write_text("this is no picture")
    elif name == "empty":
        path.write_bytes(b"")
    elif name == "a pipe":
        os.mkfifo(path)
    elif name == "cut off":
        Image.effect_noise((300, 300), 50).save(path)
        path.write_bytes(path.read_bytes()[:2000])
    elif name == "a video":
        write_clip(path, [np.zeros((64, 64, 3), np.uint8)] * 5, 25)
    elif name == "1x1":
        Image.new("RGB", (1, 1)).save(path)
    elif name == "20000x20000":
        Image.new("1", (20_000, 20_000)).save(path)
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("missing", "missing_file"),
        pytest.param(
            "a pipe", "missing_file", marks=pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
        ),
        ("empty", "empty_file"),
        ("text", "not_a_picture"),
        ("a video", "not_a_picture"),
        ("cut off", "malformed_media"),
        ("1x1", "image_too_small"),
        ("20000x20000", "image_too_large"),
    ],
)
def test_what_is_no_usable_picture_is_refused_and_leaves_nothing(data, tmp_path, name, code):
    path = odd(tmp_path, name)
    before_ = files(data)
    assert refused(data, Background(picture=path)).code == code
    assert files(data) == before_


@pytest.mark.slow
def test_of_an_animation_the_first_picture_is_taken(data, tmp_path):
    path = tmp_path / "moving.gif"
    first, *rest = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue", "green")]
    first.save(path, save_all=True, append_images=rest)

    async def work(makes, library):
        made = await makes.make("small", Background(picture=path, tone=False), report=lambda *_: None)
        return whole_bgr((await library.open(made.info.id)).planes(11))

    corner = with_backgrounds(data, work)[:20, :20]
    assert corner[..., 2].min() > 200
    assert corner[..., :2].max() < 60


@pytest.mark.slow
def test_transparent_parts_of_a_picture_show_the_old_background(data, tmp_path):
    path = tmp_path / "half.png"
    half = Image.new("RGBA", (256, 256), (0, 0, 0, 0))
    half.paste((255, 255, 0, 255), (0, 0, 128, 256))
    half.save(path)

    async def work(makes, library):
        made = await makes.make("small", Background(picture=path, tone=False), report=lambda *_: None)
        return [whole_bgr((await library.open(i)).planes(0)) for i in ("small", made.info.id)]

    old, new = with_backgrounds(data, work)
    assert new[:20, :100, 0].max() < 60
    assert np.abs(old[:20, 140:].astype(int) - new[:20, 140:]).mean() < 3


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".webm", ".mov"])
def test_the_person_alone_can_be_taken_elsewhere(data, tmp_path, suffix):
    path = tmp_path / f"alone{suffix}"

    async def work(makes, library):
        return await makes.cut_out("small", path, "auto", lambda *_: None)

    assert with_backgrounds(data, work) == {"matte": "flat"}
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        if suffix == ".webm":  # FFmpeg's own VP9 decoder leaves alpha out
            stream_context = av.CodecContext.create("libvpx-vp9", "r")
            frames = [f for packet in file.demux(stream) for f in stream_context.decode(packet)]
        else:
            frames = list(file.decode(stream))
        pictures = [frame.to_ndarray(format="bgra") for frame in frames]
    assert len(pictures) == 12
    alpha = known(12, 256)[1][..., 0]
    for picture, true in zip(pictures, alpha, strict=True):
        assert np.abs(picture[..., 3] / 255 - true).mean() < 0.02
    assert sorted(p.name for p in tmp_path.iterdir()) == [path.name, "data"]


def test_alpha_in_a_file_that_cannot_keep_it_is_refused(data, tmp_path):
    async def work(makes, library):
        with pytest.raises(BadInput) as caught:
            await makes.cut_out("small", tmp_path / "x.mp4", "auto", lambda *_: None)
        return caught.value.code

    assert with_backgrounds(data, work) == "unknown_alpha_format"


@pytest.mark.slow
def test_the_command_makes_a_template_that_renders(data, tmp_path):
    background = ("templates", "background", "small")
    done = lipstream(
        *background, "--prompt", "晚霞下的海边", "--name", "Sea", "--preview", "still.jpg", "--blur",
        data_dir=data, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().split() == ["sea"]
    assert "the sea at dusk [paint builtin, matte flat]" in done.stderr.decode()
    with Image.open(tmp_path / "still.jpg") as still:
        assert still.size == (256, 256)
    done = lipstream("render", "Hi.", "--template", "sea", "-o", "sea.mp4", data_dir=data, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "--prompt or --image"),
        (("--prompt", ""), "the prompt is empty"),
        (("--prompt", "x", "--image", "y.png"), "either a prompt or a picture"),
        (("--image", "nowhere.png"), "nowhere.png cannot be read"),
        (("--prompt", "x", "--focus", "left"), "--focus is two numbers"),
        (("--prompt", "x", "--matte", "rvm"), "get it with"),
    ],
)
def test_the_command_says_in_a_line_what_was_wrong(data, tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.setenv("LIPSTREAM_DATA_DIR", str(data))
    monkeypatch.chdir(tmp_path)
    assert main(["templates", "background", "small", *arguments]) == 2
    told = capsys.readouterr().err
    assert words in told
    assert len(told.strip().splitlines()) == 1
