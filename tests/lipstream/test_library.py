"""`import lipstream`, used as docs/library.md says."""

import ast
import asyncio
import os
import re
import shutil
import subprocess
import sys
from contextlib import aclosing
from dataclasses import fields
from importlib import import_module

import av
import pytest

import lipstream
from core.render import Request
from tests.support import ROOT
from tests.support.samples import tone, write_sound
from tests.support.serving import library

__all__ = ["library"]  # a fixture

PAGE = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")
SEEN = (ROOT / "lipstream" / "__init__.py").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture
def settings(small_library, monkeypatch):
    monkeypatch.setenv("LIPSTREAM_DATA_DIR", str(small_library))
    return lipstream.Settings()


def run(program, *arguments, cwd, data_dir):
    """A program in a folder and process of its own; the voice is the one that is loaded in no time."""
    places = {"LIPSTREAM_DATA_DIR": str(data_dir), "PYTHONPATH": str(ROOT)}
    environment = os.environ | places | {"LIPSTREAM_SPEECH": "builtin"}
    command = [sys.executable, "-W", "error", "-c", program, *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=110)


def pictures(path):
    with av.open(str(path)) as file:
        return sum(1 for _ in file.decode(video=0))


@pytest.mark.slow
def test_the_first_program_of_the_page(library, tmp_path):
    shutil.copytree(library / "templates", tmp_path / "data/templates")
    done = run(PROGRAMS[0], cwd=tmp_path, data_dir=tmp_path / "data")
    assert done.returncode == 0, done.stderr
    told = r"hello\.mp4: \d+\.\d\d s, 2 captions, \{'speech': 'builtin', 'lipsync': 'builtin'"
    assert re.match(told, done.stdout), done.stdout
    assert pictures(tmp_path / "hello.mp4") > 15
    assert "你好" in (tmp_path / "hello.srt").read_text("utf-8")
    assert (tmp_path / "hello.vtt").is_file()


@pytest.mark.slow
def test_the_second_program_of_the_page(tmp_path, presenter_clip):
    done = run(PROGRAMS[1], presenter_clip, "Hello there. Goodbye.", cwd=tmp_path, data_dir=tmp_path / "data")
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert [line[9:] for line in said[:-1]] == ["Hello there.", "Goodbye."]
    assert said[-1].startswith("first picture after ")
    assert pictures(tmp_path / "live.mp4") > 20


def test_the_page_has_those_two_programs_and_names_all_that_is_public():
    assert len(PROGRAMS) == 2
    named = set(re.findall(r"[A-Za-z_]+", PAGE))
    assert not set(lipstream.__all__) - named - {"Item", "Options", "TemplateInfo", "__version__"}
    assert not set(lipstream.Options.__annotations__) - named


@pytest.mark.slow
def test_a_refusal_names_what_was_wrong(tmp_path):
    done = run(PROGRAMS[0].replace('"sample"', '"nobody"'), cwd=tmp_path, data_dir=tmp_path / "data")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("unknown_template: there is no template 'nobody'")  # no engine was loaded
    assert [path.name for path in tmp_path.iterdir() if path.name != "data"] == []


def test_importing_it_imports_nothing():
    code = "import sys, lipstream; assert not {'numpy', 'asyncio', 'cv2', 'pydantic'} & set(sys.modules)"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, cwd=ROOT)


def test_what_is_public_is_there_and_is_what_a_type_checker_sees():
    for name in lipstream.__all__:
        assert getattr(lipstream, name) is not None
    (seen,) = (node for node in ast.parse(SEEN).body if ast.unparse(node).startswith("if TYPE_CHECKING:"))
    homes = {alias.name: told.module for told in seen.body for alias in told.names}
    assert sorted([*homes, "__version__"]) == lipstream.__all__ == dir(lipstream)
    for name, home in homes.items():
        assert getattr(lipstream, name) is getattr(import_module(home), name)
    with pytest.raises(AttributeError, match="has no attribute 'rendre'"):
        _ = lipstream.rendre


@pytest.mark.slow
def test_a_session_speaks_and_is_stopped(settings):
    async def main():
        seen = []

        async def sink(item):
            seen.append(item)

        async with lipstream.EnginePool() as pool:
            templates = lipstream.Templates(settings, pool)
            wanted = lipstream.SessionRequest(template="small")
            session = await lipstream.open_session(wanted, pool, templates)
            running = asyncio.create_task(session.run(sink))
            session.say("Yes.")
            await session.idle()
            session.say("One two three four five.")
            session.interrupt()
            await session.idle()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        ended = [item for item in seen if isinstance(item, lipstream.SpeechEnded)]
        assert [(one.interrupted, one.text) for one in ended] == [(False, "Yes."), (True, "")]
        assert sum(item.frames for item in seen if isinstance(item, lipstream.Fragment)) > 5
        assert [item.text for item in seen if isinstance(item, lipstream.SpeechWord)] == ["Yes"]

    asyncio.run(asyncio.wait_for(main(), 100))


def test_the_options_are_those_of_a_request():
    assert set(lipstream.Options.__annotations__) == {field.name for field in fields(Request)} - {
        "text",
        "video",
    }


@pytest.mark.slow
async def test_videos_share_a_pool_at_once(settings, tmp_path):
    async with lipstream.EnginePool() as pool:
        one, two = await asyncio.gather(
            lipstream.render("Hello there.", out=tmp_path / "one.mp4", template="small", pool=pool),
            lipstream.render("Goodbye.", out=str(tmp_path / "two.mp4"), template="small", pool=pool),
        )
    assert (one.path, two.path) == (tmp_path / "one.mp4", tmp_path / "two.mp4")
    for video in (one, two):
        assert pictures(video.path) == round(video.duration_s * video.progress.fps)
    assert [cue.text for cue in two.cues] == ["Goodbye."]
    assert two.subtitles == ()


@pytest.mark.slow
def test_a_recording_and_a_file_used_once(settings, tmp_path, presenter_clip):
    write_sound(tmp_path / "said.wav", tone(0.5, 22_050), 22_050)
    video = lipstream.render_sync(
        audio=tmp_path / "said.wav", template=presenter_clip, out=tmp_path / "out.mp4", enhance=False
    )
    assert video.duration_s == pytest.approx(0.5, abs=0.05)
    assert list(video.progress.engines) == ["lipsync"]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({}, "text_or_audio"),
        ({"text": "Hi.", "audio": "x.wav"}, "text_or_audio"),
        ({"text": ""}, "empty_text"),
        ({"text": "Hi.", "template": "nobody"}, "unknown_template"),
        ({"text": "Hi.", "template": "gone.mp4"}, "missing_file"),
        ({"audio": "gone.wav"}, "missing_file"),
        ({"text": "Hi.", "voice": "nobody"}, "unknown_voice"),
        ({"text": "Hi.", "speech": "none"}, "unknown_engine"),
        ({"text": "Hi.", "style": lipstream.Style(speed=9)}, "out_of_range"),
        ({"text": "Hi.", "style": lipstream.Style(pitch=float("nan"))}, "out_of_range"),
        ({"text": "Hi.", "fidelity": 2}, "out_of_range"),
    ],
)
def test_what_cannot_be_used_is_refused_alike_by_all(settings, tmp_path, options, code):
    options = {"template": "small", **options}
    with pytest.raises(lipstream.BadInput) as refused:
        lipstream.render_sync(out=tmp_path / "out.mp4", **options)
    assert refused.value.code == code
    assert list(tmp_path.iterdir()) == []

    async def read():
        async with aclosing(lipstream.stream(**options)) as pieces:
            return [piece async for piece in pieces]

    with pytest.raises(lipstream.BadInput) as refused:
        asyncio.run(read())
    assert refused.value.code == code


@pytest.mark.parametrize("out", ["", ".", "gone/out.mp4", "out.avi"])
def test_a_place_that_cannot_be_written_is_refused(settings, tmp_path, monkeypatch, out):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(lipstream.BadInput) as refused:
        lipstream.render_sync("Hi.", template="small", out=out)
    assert refused.value.code == "unwritable_output"


def test_slips_of_the_programmer_are_type_errors(settings, tmp_path):
    with pytest.raises(TypeError, match="there is no option voise; there are: audio, "):
        lipstream.render_sync("Hi.", out=tmp_path / "out.mp4", voise="en")
    with pytest.raises(TypeError, match="text is a string, not PosixPath"):
        lipstream.render_sync(tmp_path / "speech.txt", out=tmp_path / "out.mp4")

    async def main():
        async with lipstream.EnginePool() as one, lipstream.EnginePool() as two:
            templates = lipstream.Templates(settings, one)
            with pytest.raises(ValueError, match="another pool"):
                await lipstream.render("Hi.", out=tmp_path / "out.mp4", pool=two, templates=templates)
        with pytest.raises(RuntimeError, match="an event loop runs here already"):
            lipstream.render_sync("Hi.", out=tmp_path / "out.mp4")

    asyncio.run(main())


@pytest.mark.slow
async def test_a_stream_that_is_left_stops_and_the_pool_serves_the_next(settings):
    async with lipstream.EnginePool() as pool:
        templates = lipstream.Templates(settings, pool)
        before = asyncio.all_tasks()
        progress = lipstream.Progress()
        pieces = lipstream.stream(
            "A long text. " * 200, template="small", templates=templates, progress=progress
        )
        async with aclosing(pieces):
            async for piece in pieces:
                assert isinstance(piece, lipstream.Fragment)
                assert piece.kind == "init"
                break
        assert asyncio.all_tasks() == before
        assert progress.frames < 1000
        again = lipstream.stream("Hi.", template="small", templates=templates)
        kinds = {type(piece) async for piece in again}
        assert kinds == {lipstream.Fragment, lipstream.Cue, lipstream.Segment}
