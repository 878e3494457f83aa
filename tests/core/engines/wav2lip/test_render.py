"""Whole renders with the Wav2Lip engine on templates and sound of every odd kind; its network is small."""

import asyncio
import struct
from fractions import Fraction

import av
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from core.config import Settings  # noqa: E402  # needs torch
from core.engines import ENGINES, EngineSpec  # noqa: E402
from core.engines.builtin import presenter  # noqa: E402
from core.engines.neural import NeuralSettings  # noqa: E402
from core.engines.wav2lip.engine import Wav2LipEngine  # noqa: E402
from core.progress import Progress  # noqa: E402
from core.render import Request, render  # noqa: E402
from core.serving.engine_pool import EnginePool  # noqa: E402
from core.templates.library import Templates  # noqa: E402
from core.types import Fragment  # noqa: E402
from tests.core.engines.wav2lip.test_engine import Echo  # noqa: E402
from tests.support.recordings import recording  # noqa: E402
from tests.support.samples import write_video  # noqa: E402

pytestmark = pytest.mark.slow  # torch alone takes seconds to import

SIDE = 192


def echo() -> Wav2LipEngine:
    return Wav2LipEngine(net=Echo(), settings=NeuralSettings(device="cpu", precision="float32"))


@pytest.fixture(autouse=True)
def _echo(monkeypatch):
    spec = EngineSpec("tests.core.engines.wav2lip.test_render:echo", "for a test")
    monkeypatch.setitem(ENGINES["lipsync"], "echo", spec)


@pytest.fixture(scope="module")
def person():
    """RGB pictures of a person, one second."""
    return [np.ascontiguousarray(image[..., ::-1]) for image in presenter.frames(25, 25, SIDE)]


@pytest.fixture
def drawn(monkeypatch):
    """A list of all that the network has drawn."""
    pictures = []
    draw = Wav2LipEngine._redraw_here

    def noted(self, share):
        pictures.extend(share)
        return draw(self, share)

    monkeypatch.setattr(Wav2LipEngine, "_redraw_here", noted)
    return pictures


def clip(path, pictures, **given):
    return write_video(
        path, frames=len(pictures), size=(SIDE, SIDE), draw=lambda w, h, k: pictures[k], **given
    )


def wav(path, samples, rate, channels=1):
    """A WAV file of 32-bit floats."""
    data = np.repeat(np.asarray(samples, "<f4"), channels).tobytes()
    shape = 3, channels, rate, 4 * channels * rate, 4 * channels, 32
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, *shape, b"data", len(data)
    )
    path.write_bytes(head + data)
    return path


def film(folder, **asked):
    """Render; returns what is shown, frame by frame, and how it went."""
    parts, progress = [], Progress()

    async def sink(item):
        if isinstance(item, Fragment):
            parts.append(item.data)

    async def main():
        async with EnginePool() as pool:
            templates = Templates(Settings(data_dir=folder / "data"), pool)
            await render(Request(lipsync="echo", enhance=False, **asked), pool, templates, sink, progress)

    asyncio.run(main())
    made = folder / "made.mp4"
    made.write_bytes(b"".join(parts))
    with av.open(str(made)) as file:
        return [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)], progress


def uneven(count):
    """Milliseconds at which frames are shown whose lengths are all different."""
    return [round(k * 40 + 30 * np.sin(k)) + 30 for k in range(count)]


@pytest.mark.parametrize(
    ("made", "fps"),
    [
        ({"fps": 10}, 30),  # lips want 25 frames at least
        ({"fps": Fraction(24_000, 1001)}, 24),
        ({"fps": 60}, 30),
        ({"times_ms": uneven(25)}, 26),
    ],
    ids=["10", "23.976", "60", "variable"],
)
def test_a_template_of_any_rate_speaks_to_the_end_of_the_sound(tmp_path, person, made, fps):
    samples, rate = recording(0.7)
    shown, progress = film(
        tmp_path,
        video=clip(tmp_path / "person.mp4", person, **made),
        audio=wav(tmp_path / "speech.wav", samples, rate),
    )
    assert progress.fps == fps
    assert len(shown) == progress.frames == -(-7 * fps // 10)
    assert progress.frames_without_face == 0


def test_a_template_of_one_picture_speaks(tmp_path, person, drawn):
    samples, rate = recording(0.4)
    shown, progress = film(
        tmp_path,
        video=clip(tmp_path / "person.mp4", person[:1]),
        audio=wav(tmp_path / "speech.wav", samples, rate),
    )
    assert len(shown) == 10
    assert progress.frames_without_face == 0
    assert len(drawn) == 10
    assert np.abs(shown[5].astype(int) - person[0])[: SIDE // 3].mean() < 4  # coding alone


def test_pictures_in_which_nobody_is_are_shown_as_they_are_and_counted(tmp_path, person):
    wall = np.full_like(person[0], 120)
    samples, rate = recording(1.8)
    shown, progress = film(
        tmp_path,
        video=clip(tmp_path / "person.mp4", [*person[:12], *[wall] * 22, *person[12:]]),
        audio=wav(tmp_path / "speech.wav", samples, rate),
    )
    assert len(shown) == 45
    assert progress.frames_without_face == 22
    for picture in shown[13:33]:
        assert np.abs(picture.astype(int) - 120).max() < 6
    assert shown[40].std() > 20


@pytest.mark.parametrize(
    ("sound", "frames", "speaks"),
    [
        (lambda path: wav(path, recording(0.05, 16_000)[0], 16_000), 2, True),
        (lambda path: wav(path, recording(0.5, 8000)[0], 8000), 13, True),
        (lambda path: wav(path, recording(0.5, 96_000)[0], 96_000, channels=2), 13, True),
        (lambda path: wav(path, np.zeros(8000), 16_000), 13, False),
        (lambda path: wav(path, np.full(8000, np.nan), 16_000), 13, False),
    ],
    ids=["50 ms", "8 kHz", "96 kHz stereo", "silence", "no numbers"],
)
def test_sound_of_any_kind_is_spoken_and_silence_is_not(tmp_path, person, drawn, sound, frames, speaks):
    shown, progress = film(
        tmp_path, video=clip(tmp_path / "person.mp4", person[:1]), audio=sound(tmp_path / "speech.wav")
    )
    assert len(shown) == progress.frames == frames
    assert bool(drawn) == speaks
