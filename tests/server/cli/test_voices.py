"""`lipstream voices` where the cloning engine cannot run: what is listed, and what a test measures."""

import gc

import numpy as np
import pytest
from scipy.io import wavfile

from core.engines import ENGINES, EngineSpec
from core.engines.gpt_sovits.voices import add_voice
from server.cli import main
from server.cli.voices import level, peak, silence
from tests.support.recordings import recording


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIPSTREAM_DATA_DIR", str(tmp_path))
    monkeypatch.setitem(ENGINES["speech"], "gpt-sovits", EngineSpec("no:where", "", weights=("lacking",)))


def test_a_tone_between_silences_is_measured_right():
    rate = 16_000
    tone = np.sin(2 * np.pi * 440 * np.arange(rate) / rate).astype(np.float32)
    assert level(tone) == pytest.approx(-3.01, abs=0.01)
    assert peak(tone / 10) == pytest.approx(-20, abs=0.01)
    quiet = np.zeros(3 * rate, np.float32)
    assert silence(np.concatenate([tone, quiet]), rate) == pytest.approx(0.75)
    assert level(quiet) == peak(quiet) == -120
    assert silence(quiet[:10], rate) == 1


def test_a_built_in_voice_can_be_tested_and_its_line_kept(tmp_path, capsys):
    assert main(["voices", "test", "female", "--text", "Hello there.", "-o", "said.wav"]) == 0
    told = capsys.readouterr().out
    assert "first sound after" in told
    assert "RTF 0.0" in told
    rate, samples = wavfile.read(tmp_path / "said.wav")
    assert 0.3 < len(samples) / rate < 3
    assert f"{len(samples) / rate:.1f} s of speech" in told


@pytest.mark.slow
def test_a_cloned_voice_is_listed_though_its_engine_lacks_something_and_says_what(tmp_path, capsys):
    add_voice(tmp_path / "voices", "anna", recording(), text="", language="en")
    assert main(["voices", "list"]) == 0
    assert "anna" in capsys.readouterr().out
    for command in (["voices", "test", "anna"], ["say", "Hello.", "--voice", "anna"]):
        assert main(command) == 2
        assert "gpt-sovits cannot run here: lacking missing" in capsys.readouterr().err
    assert main(["voices", "test", "nobody"]) == 2
    assert "no voice 'nobody'" in capsys.readouterr().err


def test_a_model_that_is_nowhere_is_refused_by_its_name(capsys):
    for given in ("gpt-sovits-t2s-v2", "./none.ckpt"):
        arguments = ["voices", "add", "me", "--audio", "me.wav", "--gpt", given]
        wavfile.write("me.wav", *reversed(recording()))
        assert main(arguments) == 2
        assert given.removeprefix("./") in capsys.readouterr().err


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_a_recording_that_is_too_long_is_told_in_one_line(capsys):
    wavfile.write("long.wav", *reversed(recording(14)))
    assert main(["voices", "add", "me", "--audio", "long.wav"]) == 2
    gc.collect()
    told = capsys.readouterr().err
    assert "lasts more than 10 s" in told
    assert "Traceback" not in told
    assert "generator" not in told
