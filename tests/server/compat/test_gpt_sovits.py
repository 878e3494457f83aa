"""The voice over HTTP, with small checkpoint files on disk: what cannot be spoken is told, never made up."""

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("core.nets.gpt_sovits.hubert", exc_type=(ImportError, RuntimeError))

import torch

from core.engines.gpt_sovits.voices import add_voice
from tests.support.gpt_sovits_models import (
    sovits_weights,
    t2s_weights,
    use_small_models,
    write_ckpt,
    write_models,
    write_pth,
)
from tests.support.recordings import recording
from tests.support.serving import data_dir, library, served

__all__ = ["data_dir", "library"]  # fixtures

pytestmark = pytest.mark.slow  # transformers alone takes seconds to import

LINE = "The cat sat on the mat."


def nan(weights, part):
    return {key: value * torch.nan if part in key else value for key, value in weights.items()}


def torn(path):
    path.write_bytes(path.read_bytes()[:20_000])
    return path


def unusable(folder):
    """Voices by name: their models, and what is said of them (code, words)."""
    good = write_pth(folder / "good.pth", sovits_weights())
    return {
        "swapped": ({"t2s": good}, "weights_wrong", "is a SoVITS v2 .pth"),
        "torn": (
            {"sovits": torn(write_pth(folder / "t.pth", sovits_weights()))},
            "weights_damaged",
            "cut short",
        ),
        "of-v1": (
            {"sovits": write_pth(folder / "1.pth", sovits_weights("v1"))},
            "weights_wrong",
            "T2S model of v2",
        ),
        "no-checkpoint": ({"t2s": folder / "note.ckpt"}, "weights_wrong", "not a checkpoint"),
        "nan-tokens": (
            {"t2s": write_ckpt(folder / "n.ckpt", nan(t2s_weights(), "ar_predict_layer"))},
            None,
            "the T2S network gave numbers that are not finite",
        ),
        "nan-sound": (
            {"sovits": write_pth(folder / "n.pth", nan(sovits_weights(), "dec.conv_post"))},
            None,
            "the SoVITS network gave numbers that are not finite",
        ),
    }


async def test_models_that_cannot_be_used_fail_the_job_and_the_request_with_what_they_are(
    data_dir, tmp_path, monkeypatch
):
    use_small_models(write_models(tmp_path), monkeypatch, data_dir)
    (tmp_path / "note.ckpt").write_text("not a checkpoint")
    cases = unusable(tmp_path)
    for name, (models, _, _) in cases.items():
        add_voice(data_dir / "voices", name, recording(), text="The dog ran.", language="en", **models)
    gone = write_pth(tmp_path / "gone.pth", sovits_weights())
    add_voice(data_dir / "voices", "gone", recording(), text="", language="en", sovits=gone)
    gone.unlink()
    cases["gone"] = ({}, "weights_missing", "gone.pth")

    async with served(data_dir) as it:
        for name, (_, code, words) in cases.items():
            said = {"text": LINE, "voice": name, "options": {"enhance": False}}
            job = await it.ended((await it.post("/v1/videos", 202, said))["id"])
            assert job["status"] == "failed", name
            assert words in job["error"]["message"], job["error"]
            assert code in (job["error"]["code"], None), job["error"]
            assert job["error"]["stage"] == "tts"
            body = {"input": LINE, "voice": name, "response_format": "pcm"}
            async with it.http.post("/v1/audio/speech", json=body) as response:
                told = await response.json()
                assert response.status == (422 if code else 500), (name, told)
                assert words in told["error"]["message"], told


async def test_texts_that_cannot_be_spoken_are_refused_and_odd_ones_are_spoken(
    data_dir, tmp_path, monkeypatch
):
    use_small_models(write_models(tmp_path), monkeypatch, data_dir)
    add_voice(data_dir / "voices", "anna", recording(), text="The dog ran.", language="en")

    async with served(data_dir) as it:
        for text, status, words in (
            ("…！？", 422, "no words"),
            ("", 422, ""),
            ("a" * 100_001, 422, "100000"),
        ):
            told = await it.post("/v1/audio/speech", status, {"input": text, "voice": "anna"})
            assert words in told["error"]["message"]
            assert told["error"]["param"] in ("input", "text")
        body = {"input": "Good ☃ day � ok.", "voice": "anna", "response_format": "pcm"}
        async with it.http.post("/v1/audio/speech", json=body) as response:
            assert response.status == 200
            assert np.abs(np.frombuffer(await response.read(), "<i2")).max() > 100
