"""Live sessions and what clients, texts, sounds and engines do to them: each is told, and none ends them."""

import asyncio
import base64
import time
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from core.engines import ENGINES, EngineSpec
from core.engines.builtin.mouth import WarpedMouth
from core.protocols import Drawing, Style
from core.types import Image, Sentence, Spoken
from server.stream import sockets
from tests.support.choir import Choir
from tests.support.serving import data_dir, library, served
from tests.support.sessions import Control, begun, controlled

pytestmark = pytest.mark.slow  # nearly each makes a video or starts a process

__all__ = ["data_dir", "library"]  # fixtures


async def works(control: Control, text: str = "And this works.") -> None:
    """What is said next is said."""
    await control.say("say", text=text)
    while True:
        told = await control.hear("speech.ended")
        if told["data"]["text_spoken"] == text:
            return


async def refused(control: Control, code: str) -> dict[str, object]:
    """The answer to what was sent last."""
    told = await control.hear("error")
    assert (told["seq"], told["data"]["code"]) == (0, code), told
    return told["data"]


async def failed(control: Control, code: str) -> None:
    """What the log says of something that was taken."""
    told = await control.hear("error")
    assert told["seq"] > 0
    assert told["data"]["code"] == code, told["data"]
    assert told["data"]["utterance"]


async def test_a_text_that_no_voice_can_read(data_dir):
    async with served(data_dir) as it, controlled(it, await begun(it)) as control:
        await control.say("say", text="Good morning. すべての人間は自由である。 Good night.")
        await failed(control, "unreadable_text")
        assert (await control.hear("speech.ended"))["data"]["text_spoken"].endswith("Good night.")
        await control.say("text.delta", text="... !")
        await control.say("text.done")
        await failed(control, "empty_text")
        await works(control)


async def test_a_text_may_have_a_voice_and_a_style_of_its_own(data_dir):
    async with served(data_dir) as it, controlled(it, await begun(it)) as control:
        lasted = []
        for own in ({}, {"voice": "f850", "speed": 2}, {}):
            await control.say("say", text="One two.", **own)
            lasted.append((await control.hear("speech.ended"))["data"]["position_s"])
        assert lasted[0] == lasted[2] == pytest.approx(2 * lasted[1], abs=0.05)
        await control.say("say", text="One two.", voice="nobody")
        await failed(control, "unknown_voice")
        await control.say("say", text="One two.", speed=9)
        assert (await refused(control, "bad_message"))["param"] == "say.speed"
        await works(control)


async def test_a_text_that_comes_letter_by_letter(data_dir):
    async with served(data_dir) as it, controlled(it, await begun(it)) as control:
        for _ in range(10_000):
            await control.say("text.delta", text="a")
        await control.say("text.delta", text="")
        await control.hear("speech.started")
        await control.say("interrupt")
        ended = await control.hear("speech.ended")
        assert ended["data"]["interrupted"]
        assert [e["type"] for e in control.events()].count("speech.queued") == 1
        await works(control)


async def test_two_clients_of_one_session(data_dir):
    async with served(data_dir) as it:
        session_id = await begun(it)
        async with controlled(it, session_id) as first:
            async with controlled(it, session_id) as second:
                await second.say("text.delta", text="One two ")
                await first.hear("speech.queued")
                for message in (
                    {"type": "say", "text": "Me."},
                    {"type": "text.delta", "text": "Me."},
                    {"type": "audio.format", "rate": 16_000},
                ):
                    await first.socket.send_json(message)
                    await refused(first, "being_written")
                await first.say("text.done")  # of nothing of its own
                await second.say("text.delta", text="three.")
                await second.say("ping")
                await second.hear("pong")
            # It has left in the middle of its text, which so is whole.
            assert (await first.hear("speech.ended"))["data"]["text_spoken"] == "One two three."
            async with controlled(it, session_id) as second:
                await second.say("text.delta", text="A long text begins here, and it")
                await first.hear("speech.queued")
                await first.say("interrupt")
                await works(first)
                await second.hear("speech.ended")
                await works(second)


def tone(seconds, rate=16_000):
    samples = 8000 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)
    return samples.astype("<i2").tobytes()


async def test_sound_is_heard_however_it_was_cut_and_packed(data_dir):
    async with served(data_dir) as it, controlled(it, await begun(it)) as control:
        data = tone(0.6)
        await control.say("audio.format", rate=16_000)
        for at in range(0, len(data), 999):
            piece = data[at : at + 999]
            if at % 2:
                await control.socket.send_bytes(piece)
            else:
                await control.say("audio.delta", pcm=base64.b64encode(piece).decode())
        await control.say("audio.done")
        ended = (await control.hear("speech.ended"))["data"]
        assert ended == {
            "utterance": 1,
            "interrupted": False,
            "position_s": pytest.approx(0.6, abs=0.05),
            "text_spoken": "",
        }
        await control.socket.send_bytes(data)  # the next, in the same format
        await works(control)  # a text ends it
        ended = [e["data"]["position_s"] for e in control.events() if e["type"] == "speech.ended"]
        assert ended[1] == pytest.approx(0.6, abs=0.05)


async def test_sound_that_is_none(data_dir):
    async with served(data_dir) as it, controlled(it, await begun(it)) as control:
        await control.socket.send_bytes(b"\0" * 100)
        await refused(control, "audio_format")
        for wrong in ({"rate": 5}, {"rate": 16_000, "channels": 0}, {"rate": 16_000, "encoding": "mp3"}):
            await control.say("audio.format", **wrong)
            await refused(control, "audio_format")
        await control.say("audio.format", rate="fast")
        await refused(control, "bad_message")
        await control.say("audio.format", rate=8_000, channels=2)
        await control.say("audio.delta", pcm="no base64")
        await refused(control, "bad_message")
        await control.socket.send_bytes(b"")
        await control.say("audio.done")
        await control.socket.send_bytes(b"\0" * 4001)
        await control.say("audio.done")
        await failed(control, "audio_cut")
        for _ in range(3):
            await control.socket.send_bytes(bytes(1 << 20))
        for _ in range(2):
            await control.socket.send_bytes(bytes(1 << 20))
        await refused(control, "audio_waiting")
        await control.say("interrupt")
        await works(control)


async def test_a_client_that_does_not_read(data_dir, monkeypatch):
    monkeypatch.setattr(sockets, "SEND_S", 0.5)

    async with served(data_dir) as it:
        session_id = await begun(it)
        async with controlled(it, session_id) as control:
            stuck = await it.http.ws_connect(f"/v1/sessions/{session_id}")
            stuck._response.connection.transport.pause_reading()

            async def flood():
                while True:
                    await stuck.send_json({"type": "ping", "ref": "x" * 100})

            flooding = asyncio.create_task(flood())
            await works(control)
            with pytest.raises(ConnectionError):
                await flooding
            assert len(it.state.connections) == 1
            await works(control)


class Mortal(Choir):
    """Dies in the middle of a sentence that tells it to."""

    def speak(self, sentence: Sentence, voice: str, style: Style) -> Iterator[Spoken]:
        """The tone, perhaps not all of it."""
        for k, piece in enumerate(super().speak(sentence, voice, style)):
            if k == 3 and "die" in sentence.text:
                raise RuntimeError("the voice is dead")
            yield piece


class Faint(WarpedMouth):
    """Fails at a picture while `failures` is not 0."""

    failures = 0

    def draw(self, drawing: Drawing) -> Image:
        """As it can."""
        if Faint.failures and drawing.frames.start > 10:
            Faint.failures -= 1
            raise RuntimeError("no picture today")
        return super().draw(drawing)


def _engines(monkeypatch: pytest.MonkeyPatch, kinds: Sequence[tuple[str, type]]) -> None:
    for kind, engine in kinds:
        spec = EngineSpec(f"{__name__}:{engine.__name__}", "for tests")
        monkeypatch.setitem(ENGINES, kind, {engine.__name__: spec} | ENGINES[kind])


async def test_a_voice_that_dies_in_the_middle_of_a_sentence(data_dir, monkeypatch):
    _engines(monkeypatch, [("speech", Mortal)])

    async with served(data_dir) as it, controlled(it, await begun(it)) as control:
        await control.say("say", text="Now I must die. But not all of me.")
        await failed(control, "speech_failed")
        assert (await control.hear("speech.ended"))["data"]["interrupted"] is False
        await works(control)


async def test_lips_that_fail_begin_anew_and_end_the_session_if_they_always_fail(data_dir, monkeypatch):
    _engines(monkeypatch, [("lipsync", Faint)])

    async with served(data_dir) as it:
        session_id = await begun(it)
        async with controlled(it, session_id) as control:
            Faint.failures = 1
            async with it.http.ws_connect(f"/v1/sessions/{session_id}/stream") as stream:
                await control.say("say", text="These pictures are lost. " * 3)
                error = await control.hear("error")
                assert error["seq"]
                assert "internal" in error["data"]["code"]
                ended = await control.hear("speech.ended")
                assert ended["data"] == {
                    "utterance": 1,
                    "interrupted": True,
                    "position_s": 0,
                    "text_spoken": "",
                }
                await control.hear("session.ready")
                async for _ in stream:
                    pass
                assert stream.close_code == 1012
            await works(control)
            Faint.failures = 99
            for _ in range(2):
                await control.say("say", text="These pictures are lost. " * 3)
                told = await control.hear("session.ready", "session.ended")
            assert told["type"] == "session.ended"
            assert told["data"]["reason"] == "failed"
            assert told["data"]["error"]["code"] == "internal"
        Faint.failures = 0
        await begun(it)


async def test_a_client_that_is_gone_is_not_waited_for_longer_than_asked(data_dir):
    async with served(data_dir) as it:
        session_id = await begun(it, idle_s=1)
        control = await it.http.ws_connect(f"/v1/sessions/{session_id}")
        await control.send_json({"type": "say", "text": "One two three. " * 30})
        control._response.connection.transport.abort()
        session = it.state.sessions.get(session_id)
        while session.status != "ended":  # noqa: ASYNC110  # bounded by the test's own limit
            await asyncio.sleep(0.02)


async def test_metrics_tell_of_sessions(data_dir):
    async with served(data_dir) as it, controlled(it, await begun(it)) as control:
        await works(control)
        await control.say("say", text="This is stopped. " * 9)
        await control.hear("speech.started")
        await control.say("interrupt")
        await control.hear("session.idle")
        async with it.http.get("/metrics") as response:
            lines = (await response.text()).splitlines()
        assert 'lipstream_sessions{status="idle"} 1.0' in lines
        assert "lipstream_session_first_frame_seconds_count 2.0" in lines
        assert "lipstream_session_interrupt_seconds_count 1.0" in lines


class Slow(WarpedMouth):
    """Takes twice as long for a picture as it is shown."""

    def draw(self, drawing: Drawing) -> Image:
        """After a while."""
        time.sleep(0.08 * len(drawing.frames))
        return super().draw(drawing)


async def test_a_machine_that_is_too_slow_says_so(data_dir, monkeypatch):
    _engines(monkeypatch, [("lipsync", Slow)])

    async with served(data_dir) as it:
        session_id = await begun(it)
        async with controlled(it, session_id) as control:
            await control.say("say", text="Hello there, this takes a while. " * 4)
            told = await control.hear("session.behind")
            assert told["data"]["behind_s"] > 0
            shown = await it.get(f"/v1/sessions/{session_id}")
            assert shown["behind_s"] >= told["data"]["behind_s"]
            async with it.http.get("/metrics") as response:
                assert "lipstream_session_behind_seconds 0.0" not in (await response.text()).splitlines()
            await control.say("interrupt")
            control.events()
