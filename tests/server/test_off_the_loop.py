"""Voices lie on a disk: whoever asks for them, nobody else's sound or picture waits for it."""

import asyncio

import pytest

from core.engines.gpt_sovits import voices as module
from core.engines.gpt_sovits.voices import add_voice
from tests.support.choir import Choir
from tests.support.recordings import recording
from tests.support.serving import data_dir, library, run, served

__all__ = ["data_dir", "library"]  # fixtures


@pytest.fixture
def asked(monkeypatch):
    """Where voices were asked for: True on a thread that runs a loop."""
    found = []

    def noting(function):
        def noted(*args):
            found.append(asyncio._get_running_loop() is not None)
            return function(*args)

        return noted

    monkeypatch.setattr(Choir, "voices", noting(Choir.voices))
    monkeypatch.setattr(module, "find_voice", noting(module.find_voice))
    return found


@pytest.mark.slow
def test_nobody_looks_for_voices_on_the_loop(data_dir, asked, monkeypatch):
    monkeypatch.setenv("LIPSTREAM_DATA_DIR", str(data_dir))
    add_voice(data_dir / "voices", "anna", recording(), text="", language="en")
    asked.clear()

    async def main():
        async with served(data_dir) as it:
            listed = (await it.get("/v1/voices"))["data"]
            assert {"anna", "f440"} <= {voice["name"] for voice in listed}
            await it.get("/v1/voices/anna")
            await it.get("/v1/voices?engine=choir")
            for voice in ("f440", None):
                job = await it.video(voice=voice)
                assert (await it.ended(job))["status"] == "completed"
            for voice in ("f620", "alloy", {"id": "f850"}):
                said = {"model": "tts-1", "input": "Hello.", "voice": voice}
                async with it.http.post("/v1/audio/speech", json=said) as response:
                    assert response.status == 200, await response.text()
                    await response.read()
            for wanted in ("nobody", "anna"):
                refused = await it.post("/v1/videos", 422, {"text": "Hello.", "voice": wanted})
                assert refused["error"]["code"] in ("unknown_voice", "engine_unavailable")
            async with it.http.get("/tts", params={"text": "Hello.", "text_lang": "en"}) as response:
                assert response.status == 200, await response.text()
                await response.read()

    run(main())
    assert len(asked) > 10
    assert not any(asked)
