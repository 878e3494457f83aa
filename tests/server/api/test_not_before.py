"""A job that is to begin at a time waits until then, and holds up nobody."""

import time

from server.access.keys import Keys
from server.api.accept import LONGEST_WAIT_S
from server.jobs import runner
from tests.support.serving import data_dir, library, run, served

__all__ = ["data_dir", "library"]  # fixtures


def test_a_job_begins_no_earlier_than_it_may_and_others_pass_it(data_dir, monkeypatch):
    monkeypatch.setattr(runner, "LOOK_S", 0.05)
    keys = Keys(data_dir)
    ann = {"Authorization": "Bearer " + keys.add("ann", "make", None, 1, None)}
    bob = {"Authorization": "Bearer " + keys.add("bob", "make", None, None, None)}
    admin = {"Authorization": "Bearer " + keys.add("root", "admin", None, None, None)}

    async def main():
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

    run(main())
