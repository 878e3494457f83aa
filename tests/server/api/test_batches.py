"""Batches: every row once, each with its own end, for those alone whose they are."""

import io
import json
import time

import numpy as np
import pytest
from scipy.io import wavfile

from server.access.keys import Keys
from tests.support.serving import SLOW, data_dir, files_at, library, served

__all__ = ["data_dir", "library"]  # fixtures

JSONL = {"Content-Type": "application/jsonl"}


def lines(*rows):
    return "\n".join(row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows)


async def results(it, batch, **options):
    async with it.http.get(batch["results"], **options) as answer:
        assert (answer.status, answer.content_type) == (200, "application/jsonl")
        return [json.loads(line) for line in (await answer.text()).splitlines()]


BAD = {
    2: ('{"text": "broken', "malformed_json", None),
    5: ({"text": "Hi.", "templte": "sample"}, "invalid_request", "templte"),
    6: ({"text": "Hi.", "template": "nobody"}, "unknown_template", "template"),
    7: ({"text": "   "}, "invalid_request", "text"),
    8: ({"id": "first", "text": "Another."}, "duplicate_id", "id"),
    9: ({"text": "Hi.", "stream": True}, "invalid_request", None),
    10: ({"text": "Hi.", "audio_url": "https://example.org/a.wav"}, "invalid_request", None),
    3: ({"audio_url": "https://user:word@example.org/a.wav"}, "bad_url", "audio_url"),
    11: ({"id": "../etc", "text": "Hi."}, "invalid_request", "id"),
    12: (
        {"text": "Hi.", "options": {"engines": {"speech": "nobody"}}},
        "unknown_engine",
        "options.engines.speech",
    ),
    13: ("[]", "invalid_request", None),
    14: ({"text": "Hi.", "webhook_url": "http://127.0.0.1/"}, "url_not_allowed", "webhook_url"),
}


@pytest.mark.slow
async def test_each_row_has_its_own_end_and_a_batch_its_owner(data_dir):
    keys = Keys(data_dir)
    ann = {"Authorization": "Bearer " + keys.add("ann", "make", None, 3, None)}
    bob = {"Authorization": "Bearer " + keys.add("bob", "make", None, None, None)}
    rows = {1: {"id": "first", "text": "Hello."}, 4: {"text": "Good evening.", "voice": "f850"}}
    body = lines(*(rows.get(n) or BAD[n][0] for n in range(1, 15)), "", " ")

    async with served(data_dir, backlog=20) as it:
        post = {"data": "\ufeff" + body, "headers": ann | JSONL | {"Idempotency-Key": "k"}}
        batch = await it.post("/v1/batches", 202, **post)
        assert (await it.post("/v1/batches", 200, **post))["id"] == batch["id"]
        assert (batch["total"], batch["counts"]["failed"], batch["object"]) == (14, 12, "batch")
        told = await results(it, batch, headers=ann)
        assert [row["row"] for row in told] == list(range(1, 15))
        for row in told:
            if row["row"] in BAD:
                _, code, param = BAD[row["row"]]
                assert (row["status"], row["job"]) == ("failed", None)
                assert (row["error"]["code"], row["error"]["param"]) == (code, param), row
        good = [row for row in told if row["job"]]
        assert [row["id"] for row in good] == ["first", "00004"]
        for row in good:
            assert (await it.state.store.read(row["job"]["id"], 0, 1))[0].type == "job.queued"
            async for _ in it.state.hub.watch(it.state.store, row["job"]["id"]):
                pass
        after = await results(it, batch, headers=ann)
        assert [row["status"] for row in after if row["job"]] == ["completed"] * 2
        assert after[0]["job"]["outputs"][0]["name"] == "subtitles.ass"
        path = f"/v1/batches/{batch['id']}"
        ended = await it.get(path, headers=ann)
        assert (ended["status"], ended["counts"]["completed"]) == ("ended", 2)
        assert [b["id"] for b in (await it.get("/v1/batches", headers=ann))["data"]] == [batch["id"]]

        # Bob has no such batch, and his list is empty; his key of the same name is another.
        for way in ("", "/results"):
            assert (await it.get(path + way, 404, headers=bob))["error"]["code"] == "unknown_batch"
        await it.post(path + "/cancel", 404, headers=bob)
        assert (await it.get("/v1/batches", headers=bob))["data"] == []
        other = await it.post(
            "/v1/batches", 202, data=lines(rows[1]), headers=bob | JSONL | {"Idempotency-Key": "k"}
        )
        assert other["id"] != batch["id"]

        # Ann may have three jobs that have not ended; the batch counts as a whole, or not at all.
        many = lines(*({"text": f"Number {n}.", "not_before": time.time() + 3600} for n in range(4)))
        refused = await it.post("/v1/batches", 429, data=many, headers=ann | JSONL)
        assert refused["error"]["code"] == "over_quota"
        three = lines(*({"text": f"Number {n}. " * 9} | SLOW for n in range(3)))
        batch = await it.post("/v1/batches", 202, data=three, headers=ann | JSONL)
        await it.begun((await results(it, batch, headers=ann))[0]["job"]["id"])
        cancelled = await it.post(f"/v1/batches/{batch['id']}/cancel", 200, headers=ann)
        assert (cancelled["status"], cancelled["counts"]["cancelled"]) == ("ended", 3)

        # What is not kept any more is told so; in the end the batch itself is not, either.
        for row in await results(it, batch, headers=ann):
            async with it.http.delete(f"/v1/jobs/{row['job']['id']}", headers=ann) as answer:
                assert answer.status == 200
        assert {row["status"] for row in await results(it, batch, headers=ann)} == {"forgotten"}
        await it.state.store.expire(0, 1 << 30)
        await it.get(f"/v1/batches/{batch['id']}", 404, headers=ann)


@pytest.fixture(scope="module")
def refusals():
    """What is sent, and the status and code it gets."""
    row = lines({"text": "Hello."})
    return [
        ("", JSONL, 422, "bad_batch"),
        ("\n \n", JSONL, 422, "bad_batch"),
        ("id,text\n1,Hello.\n", JSONL, 422, "bad_batch"),
        ("你好".encode("gbk"), JSONL, 400, "malformed_body"),
        (row, {"Content-Type": "text/csv"}, 415, "unsupported_media_type"),
        ("\n".join([row] * 4), JSONL, 422, "batch_too_large"),
        ('{"text": "' + "\\ud800" + '"}', JSONL, 422, "bad_batch"),
        ("[" * 100_000, JSONL, 422, "bad_batch"),
        (io.BytesIO(b"a" * (17 << 20)), JSONL, 413, "body_too_large"),
        (row, JSONL | {"Idempotency-Key": "é"}, 422, "invalid_request"),
    ]


@pytest.mark.slow
async def test_what_is_no_batch_is_refused_whole(data_dir, refusals):
    async with served(data_dir, backlog=3) as it:
        for body, headers, status, code in refusals:
            answer = await it.post("/v1/batches", status, data=body, headers=headers)
            assert answer["error"]["code"] == code, code
        later = lines(*({"text": "Hi.", "not_before": time.time() + 3600} for _ in range(2)))
        key = JSONL | {"Idempotency-Key": "k"}
        await it.post("/v1/batches", 202, data=later, headers=key)
        again = await it.post("/v1/batches", 422, data=lines({"text": "Else."}), headers=key)
        assert again["error"]["code"] == "idempotency_conflict"
        for query, status in (("limt=2", 422), ("_=17", 200), ("limit=1&x[]=", 200)):
            await it.get(f"/v1/batches?{query}", status)
        assert "did you mean limit?" in (await it.get("/v1/jobs?limt=2", 422))["error"]["message"]
        full = await it.post("/v1/batches", 429, data=later, headers=JSONL)
        assert full["error"]["code"] == "too_many_jobs"
        assert len((await it.get("/v1/jobs"))["data"]) == 2


@pytest.mark.slow
async def test_what_a_row_names_by_url_is_fetched_once_its_job_begins(data_dir, presenter_clip, tmp_path):
    keys = Keys(data_dir)
    ann = {"Authorization": "Bearer " + keys.add("ann", "make", None, None, None)}
    bob = {"Authorization": "Bearer " + keys.add("bob", "make", None, None, None)}
    sound = tmp_path / "a.wav"
    wavfile.write(sound, 16_000, np.zeros(8000, np.int16))
    async with (
        files_at({"/a.wav": sound, "/b.mp4": presenter_clip}) as place,
        served(data_dir, fetch_allow=[place]) as it,
    ):
        his = (await it.post("/v1/videos", 202, {"text": "Mine alone."}, headers=bob))["id"]
        async for _ in it.state.hub.watch(it.state.store, his):
            pass
        body = lines(
            {"audio_url": f"http://{place}/a.wav?signature=secret"},
            {"text": "Hello.", "template_url": f"http://{place}/b.mp4", "voice": "f850"},
            {"audio_url": f"http://{place}/not-there.wav"},
            {"text": "Hello.", "template_url": f"{it.url}/v1/jobs/{his}/outputs/video.mp4"},
        )
        batch = await it.post("/v1/batches", 202, data=body, headers=ann | JSONL)
        for row in await results(it, batch, headers=ann):
            async for _ in it.state.hub.watch(it.state.store, row["job"]["id"]):
                pass
        told = await results(it, batch, headers=ann)
        assert [row["status"] for row in told] == ["completed", "completed", "failed", "failed"], told
        assert [row["job"]["error"]["code"] for row in told[2:]] == ["url_refused", "url_not_allowed"]
        assert told[0]["job"]["title"] == "a.wav"
        assert "secret" not in json.dumps(told)
        seen = [await it.get("/v1/templates", headers=who) for who in (ann, bob)]
        assert [sum(one["id"].startswith("url_") for one in who["data"]) for who in seen] == [1, 0]


@pytest.mark.slow
async def test_each_row_counts_for_the_minutes_of_its_key(data_dir):
    keys = Keys(data_dir)
    ann = {"Authorization": "Bearer " + keys.add("ann", "make", None, None, 0.005)}
    async with served(data_dir, jobs=1) as it:
        body = lines(*({"text": f"Number {n}."} for n in range(3)))
        batch = await it.post("/v1/batches", 202, data=body, headers=ann | JSONL)
        for row in await results(it, batch, headers=ann):
            async for _ in it.state.hub.watch(it.state.store, row["job"]["id"]):
                pass
        told = [row["job"] for row in await results(it, batch, headers=ann)]
        assert [job["status"] for job in told] == ["completed", "failed", "failed"]
        for job in told[1:]:
            assert (job["error"]["code"], job["error"]["retryable"]) == ("over_quota", True)
