"""The voice from the command line, with small checkpoint files on disk: what it makes, what it refuses."""

import json
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from scipy.io import wavfile

pytest.importorskip("torch")
pytest.importorskip("core.nets.gpt_sovits.hubert", exc_type=(ImportError, RuntimeError))

import torch

from core.engines.gpt_sovits.text.packages import need
from core.engines.gpt_sovits.voices import add_voice
from server.cli import main
from tests.support.gpt_sovits_models import (
    sovits_weights,
    t2s_weights,
    use_small_models,
    write_ckpt,
    write_models,
    write_pth,
)
from tests.support.recordings import recording
from tests.support.samples import write_sound
from tests.support.serving import library

__all__ = ["library"]  # fixtures

pytestmark = pytest.mark.slow  # transformers alone takes seconds to import

LINE = "The cat sat on the mat."


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return write_models(tmp_path_factory.mktemp("models"))


@pytest.fixture
def small(files, tmp_path, monkeypatch):
    """Small models for this process, a voice `anna`; the environment that says so."""
    environment = use_small_models(files, monkeypatch, tmp_path / "data")
    add_voice(tmp_path / "data" / "voices", "anna", recording(), text="The dog ran.", language="en")
    monkeypatch.chdir(tmp_path)
    return environment


def refusal(arguments, capsys):
    code = main(arguments)
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.startswith("lipstream: ")
    return code, told


def test_a_video_is_rendered_from_checkpoint_files_on_disk(small, library, tmp_path, capsys):
    (tmp_path / "data" / "templates").symlink_to(library / "templates")
    assert main(["render", LINE, "--speech", "gpt-sovits", "--voice", "anna", "-o", "out.mp4", "--srt"]) == 0
    assert "speech gpt-sovits" in capsys.readouterr().err
    with av.open(tmp_path / "out.mp4") as file:
        sound = np.concatenate([frame.to_ndarray()[0] for frame in file.decode(audio=0)])
        assert file.streams.audio[0].rate == 32_000
        assert file.streams.video[0].frames == pytest.approx(len(sound) / 32_000 * 25, abs=2)
    assert np.abs(sound).max() > 0.01
    assert LINE in (tmp_path / "out.srt").read_text()


def test_a_voice_can_be_tried(small, tmp_path, capsys):
    assert main(["voices", "test", "anna", "-o", "said.wav"]) == 0
    told = capsys.readouterr().out
    for part in ("first sound after", "RTF", "dB", "silence"):
        assert part in told
    rate, samples = wavfile.read(tmp_path / "said.wav")
    assert rate == 32_000
    assert len(samples) > rate
    assert refusal(["voices", "test", "nobody"], capsys)[0] == 2


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda sound, rate: sound[: 2 * rate], "lasts 2.00 s"),
        (lambda sound, rate: np.tile(sound, 4), "more than 10 s"),
        (lambda sound, rate: sound * 0.01, "silent"),
        (lambda sound, rate: (sound * 20).clip(-1, 1), "clipped"),
    ],
)
def test_an_unusable_recording_is_refused(small, tmp_path, capsys, change, named):
    samples, rate = recording()
    path = write_sound(tmp_path / "me.wav", change(samples, rate), rate)
    code, told = refusal(["voices", "add", "me", "--audio", str(path)], capsys)
    assert (code, named in told) == (2, True), told
    assert not (tmp_path / "data" / "voices" / "me").exists()


@pytest.mark.parametrize(
    ("text", "named"),
    [("…！？", "no words"), ("a" * 100_001, "100000")],
    ids=["marks", "too many characters"],
)
def test_an_unusable_text_is_refused(small, capsys, text, named):
    code, told = refusal(["say", text, "--speech", "gpt-sovits", "-o", "x.wav"], capsys)
    assert (code, named in told) == (2, True), told
    assert not Path("x.wav").exists()


@pytest.mark.parametrize(
    ("module", "text", "language", "extra"),
    [
        ("pyopenjtalk", "今日は。", "ja", "[ja]"),
        ("g2pk2", "오늘은 좋다.", "ko", "[ko]"),
        ("ToJyutping", "今日好。", "yue", "[yue]"),
        ("jieba", "今天好。", "zh", "[neural]"),
    ],
)
def test_a_language_without_its_packages_says_which_extra_brings_them(
    small, capsys, monkeypatch, module, text, language, extra
):
    monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
    need.cache_clear()
    try:
        code, told = refusal(["say", text, "--voice", "anna", "--language", language], capsys)
    finally:
        need.cache_clear()
    assert (code, extra in told) == (2, True), told


def torn(path, source):
    path.write_bytes(Path(source).read_bytes()[:20_000])
    return path


def nan(weights, part):
    return {key: value * torch.nan if part in key else value for key, value in weights.items()}


FAULTS = {
    # which file, what it is instead, exit code, what is said
    "swapped": ("gpt-sovits-t2s", lambda p, f: f["gpt-sovits-v2proplus"], 2, "is a SoVITS v2 .pth"),
    "torn": ("gpt-sovits-v2proplus", lambda p, f: torn(p, f["gpt-sovits-v2proplus"]), 2, "cut short"),
    "another version": (
        "gpt-sovits-v2proplus",
        lambda p, f: write_pth(p, sovits_weights("v1")),
        2,
        "T2S model of v2",
    ),
    "no checkpoint": ("gpt-sovits-t2s", lambda p, f: Path(__file__), 2, "not a checkpoint"),
    "another net": ("chinese-hubert", lambda p, f: f["chinese-roberta"], 2, "is not a HuBERT model"),
    "no vocabulary": ("chinese-roberta-tokens", lambda p, f: f["chinese-hubert"], 2, "no vocabulary"),
    "NaN in the T2S net": (
        "gpt-sovits-t2s",
        lambda p, f: write_ckpt(p, nan(t2s_weights(), "ar_predict_layer")),
        1,
        "tts failed: the T2S network gave numbers that are not finite",
    ),
    "NaN in the SoVITS net": (
        "gpt-sovits-v2proplus",
        lambda p, f: write_pth(p, nan(sovits_weights(), "dec.conv_post")),
        1,
        "tts failed: the SoVITS network gave",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_file_is_named_for_what_it_is_and_nonsense_fails_with_its_stage(
    small, files, library, tmp_path, monkeypatch, capsys, fault
):
    name, made, wanted, named = FAULTS[fault]
    monkeypatch.setenv(
        "LIPSTREAM_OWN_WEIGHTS", json.dumps(files | {name: str(made(tmp_path / "odd.bin", files))})
    )
    (tmp_path / "data" / "templates").symlink_to(library / "templates")
    text = "你好。" if name == "chinese-roberta-tokens" else LINE
    code, told = refusal(["render", text, "--voice", "anna", "-o", "x.mp4"], capsys)
    assert (code, named in told) == (wanted, True), told
    assert not Path("x.mp4").exists()


def test_damaged_nets_that_listen_fail_too(small, files, tmp_path, monkeypatch, capsys):
    for name, text in (("chinese-hubert", LINE), ("chinese-roberta", "你好，世界。")):
        path = tmp_path / f"{name}.bin"
        weights = torch.load(files[name], weights_only=True)
        torch.save({k: v * torch.nan if v.is_floating_point() else v for k, v in weights.items()}, path)
        monkeypatch.setenv("LIPSTREAM_OWN_WEIGHTS", json.dumps(files | {name: str(path)}))
        code, told = refusal(["say", text, "--voice", "anna"], capsys)
        assert (code, "not finite" in told) == (1, True), told
        monkeypatch.setenv("LIPSTREAM_OWN_WEIGHTS", json.dumps(files))
        assert main(["say", LINE, "--voice", "anna"]) == 0  # nothing wrong was kept


def test_unknown_symbols_do_no_harm(small):
    assert main(["say", "Good ☃ day � \x07 ok.", "--voice", "anna"]) == 0


def test_a_configured_g2pw_folder_is_used_and_must_hold_the_model(small, tmp_path, monkeypatch, capsys):
    assert main(["say", "你好，世界。", "--voice", "anna"]) == 0
    capsys.readouterr()
    (tmp_path / "g2pw").mkdir()
    monkeypatch.setenv("LIPSTREAM_G2PW", str(tmp_path / "g2pw"))
    code, told = refusal(["say", "你好，世界。", "--voice", "anna"], capsys)
    assert code == 2
    assert f"g2pW needs {tmp_path / 'g2pw' / 'g2pW.onnx'}" in told
