"""Templates, voices, engines, speech, figures and the description of it all."""

import base64
import io
import json
import re
from dataclasses import replace

import aiohttp
import av
import cv2
import numpy as np
import pytest

import core
from core.engines import ENGINES, EngineSpec
from core.media.speech_encoder import RATE, TYPES
from server.routes import ROUTES
from server.schemas import responses as wire
from tests.support.choir import Choir
from tests.support.samples import tone, write_sound
from tests.support.serving import SLOW, data_dir, library, served
from tests.support.sessions import begun, controlled

__all__ = ["data_dir", "library"]  # fixtures


def form(**parts):
    data = aiohttp.FormData(quote_fields=False)  # as browsers do
    for name, value in parts.items():
        if isinstance(value, tuple):
            data.add_field(name, value[1], filename=value[0])
        else:
            data.add_field(name, value)
    return data


@pytest.mark.slow
async def test_a_template_is_uploaded_prepared_used_shown_and_deleted(data_dir, presenter_clip):
    clip = presenter_clip.read_bytes()

    async with served(data_dir) as it:
        job = await it.post("/v1/templates", 202, data=form(file=("Mary Ann.mp4", clip)))
        assert (job["object"], job["template"], job["title"]) == ("template", "mary-ann", "Mary Ann")
        async with it.http.ws_connect(f"/v1/jobs/{job['id']}/events") as socket:
            seen = [json.loads(message.data) async for message in socket]
        types = [m["type"] for m in seen]
        assert types[-1] == "job.completed", seen[-1]
        assert types.count("stage.started") == types.count("stage.finished") == 1
        assert "job.progress" in types
        ids = [template["id"] for template in (await it.get("/v1/templates"))["data"]]
        assert ids == ["sample", "mary-ann"]
        info = await it.get("/v1/templates/mary-ann")
        assert (info["name"], info["width"], info["height"]) == ("Mary Ann", 256, 256)
        async with it.http.get(info["thumbnail"]) as response:
            assert (response.status, response.content_type) == (200, "image/jpeg")
            assert (await response.read())[:2] == b"\xff\xd8"
        made = await it.ended(await it.video("By Mary.", template="mary-ann"))
        assert made["status"] == "completed"
        # The same again changes nothing; another file under the name is refused before it is a job.
        again = await it.post("/v1/templates", 202, data=form(file=("Mary Ann.mp4", clip)))
        assert (await it.ended(again["id"]))["status"] == "completed"
        other = form(file=("x.mp4", clip + b"x"), name="Mary Ann")
        refused = await it.post("/v1/templates", 422, data=other)
        assert refused["error"]["code"] == "template_exists"
        async with it.http.get(f"/v1/jobs/{job['id']}/stream") as response:
            assert (response.status, (await response.json())["error"]["code"]) == (404, "no_video")
        async with it.http.delete("/v1/templates/mary-ann") as response:
            assert await response.json() == {"id": "mary-ann", "deleted": True}
        await it.get("/v1/templates/mary-ann", 404)


@pytest.mark.slow
async def test_a_template_is_prepared_ahead_once_and_the_first_video_does_not_wait(data_dir):
    def preparations():
        return sorted(path.name for path in (data_dir / "templates/sample/prepared").iterdir())

    async with served(data_dir) as it:
        before = preparations()
        options = {"fps": 10, "size": "128x128", "engines": {"lipsync": "builtin"}}
        jobs = []
        for _ in range(2):
            job = await it.post("/v1/templates/sample/prepare", 202, {"options": options})
            jobs.append(await it.ended(job["id"]))
        first, again = jobs
        assert (first["status"], first["object"], first["template"]) == (
            "completed",
            "template",
            "sample",
        )
        assert first["engines"] == {"lipsync": "builtin", "enhance": "builtin"}
        (new,) = set(preparations()) - set(before)
        assert again["metrics"]["total_ms"] < first["metrics"]["total_ms"] / 3
        made = await it.ended(await it.video("Hi.", options=options))
        assert made["status"] == "completed"
        assert {new, *before} == set(preparations())
        lacking = {"options": {"engines": {"lipsync": "wav2lip"}}}
        refused = (await it.post("/v1/templates/sample/prepare", 422, lacking))["error"]
        assert refused["code"] == "engine_unavailable"
        assert "lipstream models download wav2lip" in refused["message"]
        await it.post("/v1/templates/nobody/prepare", 404, {})
        await it.post("/v1/templates/sample/prepare", 422, {"options": {"fps": 999}})


@pytest.mark.slow
async def test_a_file_that_is_no_template_is_refused_with_the_reason_and_leaves_nothing(data_dir, tmp_path):
    sound = write_sound(tmp_path / "a.wav", tone(0.2, 16_000), 16_000).read_bytes()
    tiny = cv2.imencode(".png", np.zeros((2, 2, 3), np.uint8))[1].tobytes()

    async with served(data_dir) as it:
        for name, data, code in (
            ("a.mp4", b"nonsense" * 100, "not_media"),
            ("b.wav", sound, "audio_only"),
            ("c.png", tiny, "unsupported"),
        ):
            error = (await it.post("/v1/templates", 422, data=form(file=(name, data))))["error"]
            assert (error["code"], error["param"]) == (code, "file")
            assert str(data_dir) not in error["message"]
            assert error["message"].startswith(f"{name} ")
        empty = await it.post("/v1/templates", 422, data=form(file=("a.mp4", b"")))
        assert empty["error"]["code"] == "empty_file"
        odd = await it.post("/v1/templates", 422, data=form(file=("a.mp4", b"x"), name="a\x01b"))
        assert odd["error"]["param"] == "name"
        assert [t["id"] for t in (await it.get("/v1/templates"))["data"]] == ["sample"]
        assert list((data_dir / "server" / "jobs").iterdir()) == []


@pytest.mark.parametrize("format", TYPES)
async def test_speech_in_openais_shape(data_dir, format):
    async with served(data_dir) as it:
        body = {"model": "tts-1", "input": "Hello there.", "voice": "f850", "response_format": format}
        async with it.http.post("/v1/audio/speech", json=body) as response:
            data = await response.read()
            assert (response.status, response.content_type) == (200, TYPES[format])
        if format == "pcm":
            heard = np.frombuffer(data, "<i2")
        else:
            with av.open(io.BytesIO(data)) as file:
                resampler = av.AudioResampler("s16", "mono", RATE)
                frames = [f for frame in file.decode(audio=0) for f in resampler.resample(frame)]
            heard = np.concatenate([frame.to_ndarray()[0] for frame in frames])
        assert len(heard) / RATE == pytest.approx(12 * 0.04, abs=0.12)
        peak = np.argmax(np.abs(np.fft.rfft(heard))) * RATE / len(heard)
        assert peak == pytest.approx(850, abs=6)


async def test_speech_leaves_while_it_is_made_and_says_no_before_it_begins(data_dir):
    async with served(data_dir) as it:
        body = {
            "model": "slow",
            "input": "A rather long sentence, said slowly.",
            "response_format": "pcm",
        }
        async with it.http.post("/v1/audio/speech", json=body) as response:
            first = await response.content.readany()
            assert 0 < len(first) < RATE
            whole = first + await response.content.read()
        assert len(whole) / 2 / RATE == pytest.approx(36 * 0.04, abs=0.05)
        for change, code in (
            ({"voice": "nobody"}, "unknown_voice"),
            ({"model": "nothing"}, "unknown_engine"),
            ({"response_format": "ogg"}, "invalid_request"),
            ({"input": "..."}, "empty_text"),
            ({"speed": 9}, "invalid_request"),
        ):
            refused = await it.post("/v1/audio/speech", 422, body | change)
            assert refused["error"]["code"] == code, change


class Hoarse(Choir):
    """Loses its voice at the second sentence."""

    def speak(self, sentence, voice, style):
        if sentence.index:
            raise RuntimeError("the voice is gone")
        return super().speak(sentence, voice, style)


async def test_speech_that_breaks_off_is_not_passed_off_as_whole(data_dir, monkeypatch):
    monkeypatch.setitem(
        ENGINES["speech"], "hoarse", EngineSpec("tests.server.api.test_more:Hoarse", "for a test")
    )

    async with served(data_dir) as it:
        body = {"model": "hoarse", "input": "This is said. This is not.", "response_format": "wav"}
        async with it.http.post("/v1/audio/speech", json=body) as response:
            assert response.status == 200
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()
        video = {"options": {"engines": {"speech": "hoarse"}}}
        job = await it.ended(await it.video("This is said. This is not.", **video))
        assert (job["status"], job["error"]["stage"]) == ("failed", "tts")
        assert "the voice is gone" not in json.dumps(job)  # nothing that was not meant for people
        assert job["stages"]["tts"]["state"] in ("running", "error")


async def test_what_there_is_to_choose_from(data_dir):
    async with served(data_dir) as it:
        voices = (await it.get("/v1/voices"))["data"]
        assert [voice["name"] for voice in voices][:2] == ["f440", "f620"]
        builtin = (await it.get("/v1/voices?engine=builtin"))["data"]
        assert {"zh", "en"} <= {language for voice in builtin for language in voice["languages"]}
        engines = (await it.get("/v1/engines"))["data"]
        assert {engine["kind"] for engine in engines} == set(ENGINES)
        for engine in engines:
            assert engine["available"] == (not engine["missing"]), engine
            assert engine["available"] or engine["remedy"]


class Stutterer(Choir):
    """Tries its second piece again, twice."""

    def speak(self, sentence, voice, style):
        for k, piece in enumerate(super().speak(sentence, voice, style)):
            yield replace(piece, retried=("silent", "too_short") if k == 1 else ())


@pytest.mark.slow
async def test_what_a_voice_tries_again_is_counted_in_the_job_and_by_why_in_the_figures(
    data_dir, monkeypatch
):
    monkeypatch.setitem(ENGINES["speech"], "stutterer", EngineSpec(f"{__name__}:Stutterer", "for tests"))

    async with served(data_dir) as it:
        said = {"text": "One thing. Another thing.", "options": {"engines": {"speech": "stutterer"}}}
        job = await it.ended((await it.post("/v1/videos", 202, said))["id"])
        assert job["metrics"]["retries"] == 4
        assert (await it.ended(await it.video()))["metrics"]["retries"] == 0
        async with it.http.get("/metrics") as response:
            text = await response.text()
        for why in ("silent", "too_short"):
            assert f'lipstream_speech_retries_total{{why="{why}"}} 2.0' in text


async def test_figures_add_up(data_dir):
    def figure(text, name):
        found = re.search(rf"^{re.escape(name)} ([\d.e+]+)$", text, re.M)
        return float(found[1]) if found else None

    async with served(data_dir) as it:
        job = await it.ended(await it.video())
        slow = await it.video("A long sentence. " * 20, **SLOW)
        await it.begun(slow)
        async with it.http.get("/metrics") as response:
            assert response.content_type == "text/plain"
            text = await response.text()
        assert figure(text, 'lipstream_jobs{status="completed"}') == 1
        assert figure(text, 'lipstream_jobs{status="in_progress"}') == 1
        assert figure(text, 'lipstream_jobs{status="failed"}') == 0
        assert figure(text, "lipstream_frames_total") >= job["metrics"]["frames"]
        assert figure(text, "lipstream_first_frame_seconds_count") == 1
        assert figure(text, 'lipstream_stage_busy_seconds_total{stage="encode"}') > 0
        assert figure(text, 'lipstream_queue_depth{stage="tts"}') is not None
        assert figure(text, "lipstream_viewers") == 0
        assert figure(text, "lipstream_queue_wait_seconds_count") == 2
        assert figure(text, 'lipstream_jobs_ended_total{status="completed"}') == 1
        assert figure(text, "lipstream_connections") >= 1
        assert figure(text, "process_resident_memory_bytes") > 1e7
        assert f'version="{core.__version__}"' in text
        counted = 'lipstream_http_requests_total{{method="{}",route="{}",status="{}"}}'
        assert figure(text, counted.format("POST", "/v1/videos", 202)) == 2
        assert figure(text, counted.format("GET", "/v1/jobs/{job_id}", 200)) == 1
        for method in ("GET", "PROPFIND"):
            async with it.http.request(method, "/made/up") as response:
                assert response.status in (404, 405)
        async with it.http.get("/metrics") as response:
            text = await response.text()
        assert figure(text, counted.format("other", "none", 404)) == 1
        assert figure(text, counted.format("GET", "none", 404)) == 1
        await it.post(f"/v1/jobs/{slow}/cancel", 200)
        for path in ("/healthz", "/readyz"):
            async with it.http.get(path) as response:
                assert response.status == 200
        it.state.stopping, it.state.ready = True, False
        async with it.http.get("/readyz") as response:
            assert response.status == 503
        refused = await it.post("/v1/videos", 503, {"text": "Too late."})
        assert refused["error"]["code"] == "stopping"
        it.state.stopping = False


async def test_the_description_covers_every_route_and_needs_nothing_from_outside(data_dir):
    async with served(data_dir) as it:
        api = await it.get("/openapi.json")
        assert api["openapi"] == "3.1.0"
        described = {(m.upper(), path) for path, ops in api["paths"].items() for m in ops}
        assert len(described) == len(ROUTES)
        assert ("POST", "/v1/videos") in described
        assert ("GET", "/v1/jobs/{job_id}/subtitles.{format}") in described
        schemas = api["components"]["schemas"]
        assert {"VideoRequest", "Job", "ErrorBody", "SpeechRequest", "AudioSegment"} <= set(schemas)
        for reference in re.findall(r'"#/components/schemas/(\w+)"', json.dumps(api)):
            assert reference in schemas
        assert schemas["VideoRequest"]["additionalProperties"] is False
        operation = api["paths"]["/v1/videos"]["post"]
        assert set(operation["requestBody"]["content"]) == {"application/json", "multipart/form-data"}
        assert {"202", "400", "413", "415", "422", "429"} <= set(operation["responses"])
        for path in ("/docs", "/"):
            async with it.http.get(path) as response:
                page = await response.text()
                assert response.content_type == "text/html"
            assert not re.findall(r"""(?:src|href)=["']?(?:https?:)?//""", page)
        names = {operation["operationId"] for ops in api["paths"].values() for operation in ops.values()}
        assert len(names) == len(ROUTES)


async def test_a_job_as_described_is_the_job_that_is_sent(data_dir):
    async with served(data_dir) as it:
        job = await it.ended(await it.video())
        assert wire.Job.model_validate_json(json.dumps(job)).model_dump(mode="json") == job
        assert set(job) == set(wire.Job.model_fields)


@pytest.mark.slow
async def test_a_template_is_made_twice_as_large_by_a_job(data_dir):
    path = "/v1/templates/sample/enlarge"

    async with served(data_dir) as it:
        job = await it.post(path, 202, {"engine": "builtin", "name": "Large"})
        assert (job["object"], job["title"], job["template"]) == ("template", "Large", "large")
        events = [
            json.loads(e.data) | {"type": e.type} async for e in it.state.hub.watch(it.state.store, job["id"])
        ]
        done = await it.get(f"/v1/jobs/{job['id']}")
        assert done["status"] == "completed", done["error"]
        assert done["engines"] == {"upscale": "builtin"}
        assert [e["stage"] for e in events if e["type"] == "stage.finished"] == ["enlarge", "prepare"]
        told = [e["overall"] for e in events if e["type"] == "job.progress"]
        assert told == sorted(told)
        info = await it.get("/v1/templates/large")
        assert (info["width"], info["height"]) == (512, 512)
        # Without a name of its own, and the same again: the template that is there.
        ids = [(await it.post(path, 202, {"engine": "builtin"}))["template"] for _ in range(2)]
        assert ids[0] == ids[1]
        refused = (await it.post(path, 422, {"name": "sample"}))["error"]
        assert (refused["code"], refused["param"]) == ("template_exists", "name")


async def test_enlarging_that_cannot_be_is_refused_and_a_cancelled_one_leaves_nothing(data_dir):
    async with served(data_dir) as it:
        for body, code in (
            ({"engine": "waifu2x"}, "unknown_engine"),
            ({"engine": "realesrgan-x2"}, "engine_unavailable"),
            ({"scale": 4}, "invalid_request"),
        ):
            refused = (await it.post("/v1/templates/sample/enlarge", 422, body))["error"]
            assert refused["code"] == code
            if code == "engine_unavailable":
                assert "lipstream models download realesrgan-x2" in refused["message"]
        await it.post("/v1/templates/nobody/enlarge", 404, {})
        await it.post("/v1/templates/nobody/enlarge", 404)  # nothing must be said
        assert (await it.get("/v1/jobs"))["data"] == []
        job = await it.post("/v1/templates/sample/enlarge", 202, {"engine": "builtin"})
        async for event in it.state.hub.watch(it.state.store, job["id"]):
            if event.type == "stage.started":
                break
        ended = await it.post(f"/v1/jobs/{job['id']}/cancel", 200)
        assert ended["status"] == "cancelled"
        assert [t["id"] for t in (await it.get("/v1/templates"))["data"]] == ["sample"]
        assert not list(data_dir.glob(".*.mp4"))


@pytest.mark.slow
async def test_a_template_is_given_an_action_that_a_text_and_a_session_ask_for(data_dir):
    path = "/v1/templates/sample/actions"
    async with served(data_dir) as it:
        for actions, code in (
            ({}, "bad_actions"),
            ({"Wave": "sample"}, "bad_actions"),
            ({"wave": "nobody"}, "unknown_template"),
            ({"wave": "../etc"}, "invalid_request"),
        ):
            assert (await it.post(path, 422, {"actions": actions}))["error"]["code"] == code
        wanted = {"actions": {"wave": "sample"}, "name": "Waving"}
        job = await it.post(path, 202, wanted)
        assert (job["object"], job["title"], job["template"]) == ("template", "Waving", "waving")
        async for event in it.state.hub.watch(it.state.store, job["id"]):
            assert event.type != "job.failed", event.data
        assert (await it.get("/v1/templates/waving"))["actions"] == ["wave"]
        assert (await it.get("/v1/templates/sample"))["actions"] == []
        for template, code in (("sample", 422), ("waving", 202)):
            answer = await it.post("/v1/videos", code, {"text": "[[Wave]] Hi.", "template": template})
            assert answer["title"] == "Hi." if code == 202 else answer["error"]["code"] == "unknown_action"
        (read,) = (await it.post("/v1/speech/preview", 200, {"text": "[[Wave]] Hi."}))["data"]
        assert (read["spoken"], read["actions"]) == ("Hi.", ["wave"])
        session_id = await begun(it, template="waving")
        async with controlled(it, session_id, "?after=0") as control:
            await control.hear("session.ready")
            await control.say("action", name="nod")
            refused = (await control.hear("error"))["data"]
            assert (refused["code"], "it has: wave" in refused["message"]) == ("unknown_action", True)
            await control.say("action", name="wave", ref="1")
            await control.say("say", text="[[nod]] Hello.")
            said = (await control.hear("error"))["data"]
            assert (said["code"], said["utterance"]) == ("unknown_action", 1)
            await control.hear("speech.ended")


@pytest.mark.parametrize("voice", ["alloy", "nova", "onyx", {"id": "shimmer"}, "f620", {"id": "f620"}, None])
async def test_voices_of_openai_s_stand_for_voices_that_are_here(data_dir, voice):
    async with served(data_dir) as it:
        body = {"model": "tts-1", "voice": voice, "input": "Hello.", "response_format": "pcm"}
        async with it.http.post("/v1/audio/speech", json=body) as response:
            assert response.status == 200
            pcm = np.frombuffer(await response.read(), "<i2")
        told = response.headers.get("Warning", "")
        name = voice["id"] if isinstance(voice, dict) else voice
        assert told.startswith(f'299 lipstream "voice {name} is f') is (name not in ("f620", None))
        assert abs(len(pcm) / RATE - 0.24) < 0.05
        heard = "f620" if name == "f620" else told.partition(" is ")[2].partition(" ")[0] or "f440"
        pitch = np.abs(np.fft.rfft(pcm)).argmax() * RATE / len(pcm)
        assert abs(pitch - int(heard[1:])) < 10


async def test_what_openai_s_clients_send_besides_is_taken_and_told(data_dir):
    async with served(data_dir) as it:
        body = {"model": "tts-1", "input": "Hello there.", "response_format": "pcm"}

        async def heard(**more):
            async with it.http.post("/v1/audio/speech", json=body | more) as response:
                assert response.status == 200, more
                return response, await response.read()

        plain = (await heard())[1]
        response, same = await heard(instructions="Cheerfully.", stream_format="audio")
        assert same == plain
        assert "instructions" in response.headers["Warning"]
        for speed, spoken in ((0.25, 0.5), (4, 2)):
            response, fast = await heard(speed=speed)
            assert len(fast) / len(plain) == pytest.approx(1 / spoken, rel=0.1)
            assert "speed" in response.headers["Warning"]
        response, told = await heard(stream_format="sse")
        assert response.content_type == "text/event-stream"
        events = [json.loads(e.removeprefix("data: ")) for e in told.decode().split("\n\n")[:-1]]
        assert [e["type"] for e in events[-2:]] == ["speech.audio.delta", "speech.audio.done"]
        assert b"".join(base64.b64decode(e["audio"]) for e in events[:-1]) == plain
        listed = {model["id"] for model in (await it.get("/v1/models"))["data"]}
        assert {"tts-1", "auto", "choir", "slow"} <= listed
        for name in listed:
            assert (await it.get(f"/v1/models/{name}"))["id"] == name
        unknown = await it.get("/v1/models/gpt-9.1_x", 404)
        assert (unknown["error"]["code"], unknown["error"]["param"]) == ("unknown_model", "model")
        for wrong, field in (({"model": "no"}, "model"), ({"input": "。"}, "input")):
            refused = await it.post("/v1/audio/speech", 422, body | wrong)
            assert refused["error"]["param"] == field, refused
        assert (await it.get("/v1/voices?engine=no", 422))["error"]["param"] == "engine"
        refused = await it.post("/v1/audio/speech", 422, body | {"speed": 5})
        assert refused["error"]["type"] == "invalid_request_error"
        bom = b"\xef\xbb\xbf" + json.dumps(body).encode()
        kind = {"Content-Type": "application/json"}
        async with it.http.post("/v1/audio/speech", data=bom, headers=kind) as response:
            assert await response.read() == plain


async def test_binary_answers_are_described_as_files(data_dir):
    async with served(data_dir) as it:
        paths = (await it.get("/openapi.json"))["paths"]
        assert "application/json" in paths["/v1/lipsync"]["post"]["requestBody"]["content"]
        kinds = set()
        for operations in paths.values():
            for operation in operations.values():
                for response in operation["responses"].values():
                    for kind, content in response.get("content", {}).items():
                        if not kind.startswith(("text/", "application/json")):
                            kinds.add(kind)
                            assert content["schema"] == {"type": "string", "format": "binary"}, kind
        assert {"video/mp4", "audio/mpeg"} <= kinds
