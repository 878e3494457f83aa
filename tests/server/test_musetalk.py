"""Whole videos with MuseTalk, by command line and by API: its networks are small, all else is real."""

import io
import shutil

import av
import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")

from server.cli import main  # needs torch
from tests.support import musetalks
from tests.support.samples import write_sound
from tests.support.serving import data_dir, library, served

pytestmark = pytest.mark.slow  # torch alone takes seconds to import

__all__ = ["data_dir", "library"]  # fixtures


@pytest.fixture(scope="module", autouse=True)
def _installed(tmp_path_factory):
    with musetalks.installed(tmp_path_factory.mktemp("musetalk")):
        yield


def words(path):
    """Half a second of noise, and as long nothing."""
    noise = 0.3 * np.random.default_rng(0).standard_normal(8000)
    return write_sound(path, np.append(noise, np.zeros(8000)).clip(-1, 1).astype(np.float32), 16_000)


def frames(source):
    with av.open(source) as file:
        return np.stack([frame.to_ndarray(format="gray") for frame in file.decode(video=0)]).astype(int)


def differs(made, other):
    """By how much each frame does, of its lower middle, where a mouth is."""
    return np.abs(made - other)[:, 96:180, 64:192].mean(axis=(1, 2))


def test_the_command_line_renders_with_it_what_is_spoken_and_nothing_else(
    small_library, tmp_path, monkeypatch, capsys
):
    shutil.copytree(small_library / "templates", tmp_path / "data" / "templates")
    monkeypatch.setenv("LIPSTREAM_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("LIPSTREAM_DEVICE", "cpu")
    said = str(words(tmp_path / "said.wav"))
    made = {}
    for name in ("musetalk", "builtin"):
        path = tmp_path / f"{name}.mp4"
        asked = ["--template", "small", "--lipsync", name, "--no-enhance", "-o", str(path)]
        assert main(["render", "--audio", said, *asked]) == 0
        assert f"lipsync {name}" in capsys.readouterr().err
        made[name] = frames(str(path))
    assert len(made["musetalk"]) == 25
    off = differs(made["musetalk"], made["builtin"])
    assert off[2:10].min() > 5  # a network that knows nothing draws no mouth
    assert off[18:].max() < 2


def test_auto_takes_it_first_where_there_is_a_gpu_and_never_without(monkeypatch):
    from core.engines import ENGINES, choose
    from core.engines.neural import NeuralSettings

    there = NeuralSettings().weights() | {"wav2lip", "wav2lip-gan"}
    monkeypatch.setattr("core.engines.has_gpu", lambda: True)
    assert choose("lipsync", "auto", there) == "musetalk"
    assert choose("lipsync", "auto", there - {"whisper-tiny"}) == "wav2lip-gan"
    assert choose("lipsync", "auto", there, "cpu") == "wav2lip-gan"
    monkeypatch.setattr("core.engines.has_gpu", lambda: False)
    assert choose("lipsync", "auto", there) == "wav2lip-gan"
    assert "commercial use allowed" in ENGINES["lipsync"]["musetalk"].about


async def test_the_api_offers_it_and_makes_a_video_with_it(data_dir, tmp_path):
    async with served(data_dir, device="cpu") as it:
        offered = {(one["kind"], one["name"]): one for one in (await it.get("/v1/engines"))["data"]}
        assert offered["lipsync", "musetalk"]["available"]
        options = {"fps": 25, "enhance": False, "engines": {"lipsync": "musetalk"}}
        done = await it.ended(await it.video("Hello there.", options=options))
        assert done["status"] == "completed", done["error"]
        assert done["engines"]["lipsync"] == "musetalk"
        (url,) = (one["url"] for one in done["outputs"] if one["url"].endswith(".mp4"))
        async with it.http.get(url) as response:
            assert len(frames(io.BytesIO(await response.read()))) == done["metrics"]["frames"]
