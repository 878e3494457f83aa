"""A job that is to begin at a time waits until then, and holds up nobody; nor does it when it runs."""

import asyncio
import time

import pytest

from server.access.keys import Keys
from server.api.accept import LONGEST_WAIT_S
from server.jobs import runner
from tests.support.serving import SLOW, data_dir, library, served

__all__ = ["data_dir", "library"]  # fixtures

FRAME = 20_000
"""Bytes of a frame of these videos, at most; a second of them has 25."""


@pytest.mark.slow
async def test_a_job_begins_no_earlier_than_it_may_and_others_pass_it(data_dir, monkeypatch):
    monkeypatch.setattr(runner, "LOOK_S", 0.05)
    keys = Keys(data_dir)
    ann = {"Authorization": "Bearer " + keys.add("ann", "make", None, 1, None)}
    bob = {"Authorization": "Bearer " + keys.add("bob", "make", None, None, None)}
    admin = {"Authorization": "Bearer " + keys.add("root", "admin", None, None, None)}

    async with served(data_dir, concurrent_jobs=1) as it:
        it.http.headers.update(admin)
        # The one for tomorrow is of its owner alone, and counts as one of the jobs its owner may have.
        later = {"text": "Good morning.", "not_before": time.time() + 86_400}
        asleep = await it.post("/v1/videos", 202, later, headers=ann)
        assert (asleep["status"], asleep["not_before"]) == ("queued", later["not_before"])
        await it.get(f"/v1/jobs/{asleep['id']}", 404, headers=bob)
        await it.post("/v1/videos", 429, {"text": "Another one."}, headers=ann)
        # Those behind it go first, and one whose time has come goes, too.
        soon = {"text": "Hello.", "not_before": time.time() + 1.5}
        waits = (await it.post("/v1/videos", 202, soon, headers=bob))["id"]
        passes = await it.ended((await it.post("/v1/videos", 202, {"text": "Hi."}, headers=bob))["id"])
        waited = await it.ended(waits)
        assert (passes["status"], waited["status"]) == ("completed", "completed")
        assert waited["started_at"] >= round(soon["not_before"], 3)
        assert passes["not_before"] is None
        queued = (await it.state.store.read(passes["id"], 0, 1))[0]
        assert queued.data == '{"ahead":0}'
        assert (await it.get(f"/v1/jobs/{asleep['id']}"))["status"] == "queued"
        cancelled = await it.post(f"/v1/jobs/{asleep['id']}/cancel", 200, headers=ann)
        assert cancelled["status"] == "cancelled"

        for path, wrong, code in (
            ("/v1/videos", later | {"stream": True}, "streamed_later"),
            ("/v1/videos?stream=true", later, "streamed_later"),
            ("/v1/videos", later | {"not_before": time.time() * 1000}, "too_far_ahead"),
            ("/v1/videos", later | {"not_before": time.time() + LONGEST_WAIT_S + 60}, "too_far_ahead"),
            ("/v1/videos", later | {"not_before": "tomorrow"}, "invalid_request"),
        ):
            refused = (await it.post(path, 422, wrong))["error"]
            assert (refused["code"], refused["param"]) == (code, "not_before"), wrong


@pytest.mark.slow
async def test_a_patient_job_that_runs_rests_for_others_and_goes_on_where_it_was(data_dir):
    async with served(data_dir, jobs=1, waiting=1, backlog=2) as it:
        soon = {"text": "This one can wait, and is long enough for that. " * 2} | SLOW
        resting = await it.video(**soon, not_before=time.time() + 0.1)
        await it.begun(resting)
        # As many as may wait hold up nobody, though the line itself has room for one alone.
        tomorrow = {"text": "Good morning.", "not_before": time.time() + 86_400}
        asleep = [await it.video(**tomorrow) for _ in range(2)]
        counts = await it.state.store.counts()
        assert (counts.get("queued", 0), counts["backlog"]) == (0, 2)
        refused = await it.post("/v1/videos", 429, tomorrow)
        assert refused["error"]["code"] == "too_many_jobs"
        awaited = await it.video("Somebody waits for this one.", **SLOW)
        await it.begun(awaited)
        await asyncio.sleep(0.05)
        made = it.state.clips.coming(resting).size
        assert (await it.ended(awaited))["status"] == "completed"
        assert it.state.clips.coming(resting).size <= made + FRAME
        rested = await it.get(f"/v1/jobs/{resting}")
        assert (rested["status"], rested["attempt"]) == ("in_progress", 1)
        last = await it.ended(resting)
        assert (last["status"], last["attempt"]) == ("completed", 1)
        assert last["metrics"]["frames"] == len(soon["text"].strip()) - 1  # a frame a character
        for job in asleep:
            await it.post(f"/v1/jobs/{job}/cancel", 200)
