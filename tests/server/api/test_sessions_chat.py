"""A live session whose person answers: a language model's server, what is asked of it, and how it fails."""

import base64
import json
import wave
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from server.app import site_address
from tests.support.serving import data_dir, library, served
from tests.support.sessions import begun, controlled

pytestmark = pytest.mark.slow  # nearly each makes a video or starts a process

__all__ = ["data_dir", "library"]  # fixtures

KEY = "sk-very-secret"


class Model:
    """Answers each question as `replies` say: with words, or with a status and a body."""

    def __init__(self, *replies):
        self.replies = list(replies)
        self.asked, self.keys = [], []

    async def answer(self, request):
        body = await request.json()
        self.asked.append(body["messages"])
        self.keys.append(request.headers.get("Authorization"))
        assert body["stream"] is True
        assert body["model"] == "tiny"
        reply = self.replies.pop(0)
        if isinstance(reply, web.Response):
            return reply
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b": hello\n\n" + event({"role": "assistant", "content": ""}))
        for word in reply.split(" "):
            await response.write(event({"content": word + " "}))
        await response.write(event({}) + b'data: {"choices": []}\n\ndata: [DONE]\n\n')
        return response


def event(delta):
    return b"data: " + json.dumps({"choices": [{"index": 0, "delta": delta}]}).encode() + b"\n\n"


@asynccontextmanager
async def answering(model):
    app = web.Application()
    app.router.add_post("/v1/chat/completions", model.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield {"chat_url": f"{site_address(runner)}/v1", "chat_key": KEY, "chat_model": "tiny"}
    finally:
        await runner.cleanup()


async def test_what_is_asked_is_answered_aloud_and_remembered(data_dir):
    model = Model("I am well, thank you. And you?", "Good.")
    async with answering(model) as settings, served(data_dir, **settings, chat_prompt="Be brief.") as it:
        session_id = await begun(it)
        assert (await it.get(f"/v1/sessions/{session_id}"))["chat"] is True
        async with controlled(it, session_id) as control:
            await control.say("ask", text="How are you?", ref="q")
            answered = await control.hear("chat.answered")
            assert answered["data"] == {"text": "I am well, thank you. And you? ", "ref": "q"}
            ended = await control.hear("speech.ended")
            assert ended["data"]["text_spoken"].strip() == "I am well, thank you. And you?"
            await control.say("ask", text="Fine.")
            assert (await control.hear("speech.ended"))["data"]["text_spoken"].strip() == "Good."
            control.events()
        assert model.asked[0] == [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "How are you?"},
        ]
        assert [turn["content"].strip() for turn in model.asked[1][1:]] == [
            "How are you?",
            "I am well, thank you. And you?",
            "Fine.",
        ]
        assert model.keys == [f"Bearer {KEY}"] * 2


async def test_who_talks_over_the_answer_interrupts_it(data_dir):
    long = "This is a very long answer of many words. " * 30
    model = Model(long, "Yes.", "Again.")
    async with (
        answering(model) as settings,
        served(data_dir, **settings) as it,
        controlled(it, await begun(it)) as control,
    ):
        await control.say("ask", text="Tell me everything.")
        await control.hear("speech.started")
        await control.say("ask", text="Stop. Is it far?")
        first = await control.hear("speech.ended")
        assert first["data"]["interrupted"]
        second = await control.hear("speech.ended")
        assert second["data"]["text_spoken"].strip() == "Yes."
        said = first["data"]["text_spoken"]
        assert long.startswith(said)
        # The model is told what was heard of its answer, not what it wrote.
        told = [turn["content"] for turn in model.asked[1] if turn["role"] == "assistant"]
        assert told == ([said] if said else [])


@pytest.mark.parametrize(
    "reply",
    [
        web.Response(status=500, text=f"your key is {KEY}"),
        web.Response(status=307, headers={"Location": "http://127.0.0.1:1/"}),
        web.Response(text="<html>not a stream</html>"),
        web.Response(text="data: no json\n\n"),
        web.Response(text='data: {"error": {"message": "overloaded"}}\n\n'),
        web.Response(body=b"data: \xff\xfe\n\n"),
    ],
    ids=["status", "redirect", "html", "no json", "error", "bytes"],
)
async def test_a_server_that_does_not_answer_as_it_should(data_dir, caplog, reply):
    model = Model(reply, "Now it works.")
    async with (
        answering(model) as settings,
        served(data_dir, **settings) as it,
        controlled(it, await begun(it)) as control,
    ):
        await control.say("ask", text="Hello?", ref="7")
        told = await control.hear("error")
        assert (told["data"]["code"], told["data"]["ref"]) == ("chat_failed", "7")
        await control.say("ask", text="And now?")
        assert (await control.hear("speech.ended"))["data"]["text_spoken"].strip() == "Now it works."
        assert KEY not in json.dumps(control.seen)
    assert KEY not in caplog.text


async def test_without_the_setting_nothing_can_be_asked(data_dir):
    async with served(data_dir) as it:
        session_id = await begun(it)
        assert (await it.get(f"/v1/sessions/{session_id}"))["chat"] is False
        async with controlled(it, session_id) as control:
            await control.say("ask", text="Hello?")
            assert (await control.hear("error"))["data"]["code"] == "no_chat"
    async with (
        served(data_dir, chat_url="http://127.0.0.1:9/v1") as it,
        controlled(it, await begun(it)) as control,
    ):
        await control.say("ask", text="Hello?")
        assert (await control.hear("error"))["data"]["code"] == "chat_failed"
        await control.say("say", text="Still here.")
        await control.hear("speech.ended")


class Ears:
    """Hears in each sound what `replies` say."""

    def __init__(self, *replies):
        self.replies = list(replies)
        self.heard = []

    async def answer(self, request):
        form = await request.post()
        with wave.open(form["file"].file, "rb") as sound:
            shape = sound.getframerate(), sound.getnchannels(), sound.getnframes()
        self.heard.append((form["model"], request.headers.get("Authorization"), shape))
        reply = self.replies.pop(0)
        return reply if isinstance(reply, web.Response) else web.json_response({"text": reply})


@asynccontextmanager
async def listening(ears):
    app = web.Application(client_max_size=4 << 20)
    app.router.add_post("/v1/audio/transcriptions", ears.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield {"transcribe_url": f"{site_address(runner)}/v1", "transcribe_key": KEY}
    finally:
        await runner.cleanup()


async def test_what_is_asked_aloud_is_understood_and_answered(data_dir, caplog):
    sound = base64.b64encode(b"\1\0" * 4001 + b"\1").decode()
    odd = [
        web.json_response({"text": " \n"}),
        web.json_response(["How are you?"]),
        web.json_response({"text": None}),
        web.Response(text="[" * 100_000),
        web.Response(text="x" * (2 << 20)),
        web.Response(status=401, text=f"your key is {KEY}"),
        web.Response(status=307, headers={"Location": "http://127.0.0.1:1/"}),
    ]
    ears = Ears(" How are you?\n", *odd, "And now?")
    model = Model("I am well.", "Still well.")
    async with (
        answering(model) as settings,
        listening(ears) as more,
        served(data_dir, **settings, **more) as it,
        controlled(it, await begun(it)) as control,
    ):
        assert (await it.get("/v1/sessions"))["data"][0]["listens"] is True
        await control.say("ask", pcm=sound)
        assert (await control.hear("error"))["data"]["code"] == "audio_format"
        await control.say("audio.format", rate=16_000, channels=2)
        for bad in ({}, {"pcm": sound, "text": "Hello?"}, {"pcm": ""}, {"pcm": "?"}, {"pcm": None}):
            await control.say("ask", **bad)
            assert (await control.hear("error"))["data"]["code"] == "bad_message"
        await control.say("say", text="This is a line that is talked over. " * 5)
        await control.hear("speech.started")
        await control.say("ask", pcm=sound, ref="q")
        assert (await control.hear("speech.ended"))["data"]["interrupted"]
        assert (await control.hear("speech.ended"))["data"]["text_spoken"].strip() == "I am well."
        heard = [event["data"] for event in control.seen if event["type"] == "chat.heard"]
        assert heard == [{"text": "How are you?", "ref": "q"}]
        for k in range(len(odd)):
            await control.say("ask", pcm=sound, ref=str(k))
            told = (await control.hear("error"))["data"]
            assert (told["code"], told["ref"]) == ("nothing_heard" if not k else "chat_failed", str(k))
        await control.say("ask", pcm=sound)
        assert (await control.hear("speech.ended"))["data"]["text_spoken"].strip() == "Still well."
        control.events()
        assert KEY not in json.dumps(control.seen)
    assert ears.heard == [("whisper-1", f"Bearer {KEY}", (16_000, 2, 2000))] * 9
    assert [turn["content"] for turn in model.asked[1] if turn["role"] == "user"] == [
        "How are you?",
        "And now?",
    ]
    assert KEY not in caplog.text


async def test_sound_that_nobody_understands_is_refused(data_dir):
    async with (
        served(data_dir, chat_url="http://127.0.0.1:9/v1") as it,
        controlled(it, await begun(it)) as control,
    ):
        await control.say("audio.format", rate=16_000)
        await control.say("ask", pcm="AAAA")
        assert (await control.hear("error"))["data"]["code"] == "no_transcription"
