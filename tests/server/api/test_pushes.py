"""The video of a live session, sent to an RTMP server."""

import logging

import pytest

from server.jobs.pushes import PUSHES
from tests.support.rtmp import free_port, receiver
from tests.support.serving import data_dir, library, run, served
from tests.support.sessions import begun, controlled

__all__ = ["data_dir", "library"]  # fixtures

SECRET = "sk-live-0123456789"  # noqa: S105


@pytest.mark.slow  # two processes
def test_a_session_is_sent_to_a_server_and_outlives_it(data_dir, caplog):
    caplog.set_level(logging.DEBUG)

    async def main():
        port = free_port()
        async with served(data_dir, fetch_allow=(f"127.0.0.1:{port}",)) as it:
            session = await begun(it)
            place = f"/v1/sessions/{session}/push"
            async with controlled(it, session) as control:
                async with receiver(port) as server:
                    wanted = {"url": f"rtmp://127.0.0.1:{port}/live", "key": SECRET}
                    push = await it.post(place, 201, wanted)
                    assert (push["url"], push["state"]) == (wanted["url"], "connecting")
                    while (told := (await control.hear("push.changed"))["data"]["push"])["state"] != "live":
                        assert told["state"] == "lost"  # the receiver may be slower to begin than we are
                    await control.say("say", text="Good evening.")
                    packets = await server.packets(60)
                    assert {packet["kind"] for packet in packets} == {"video", "audio"}
                    assert (await it.get(f"/v1/sessions/{session}"))["viewers"] == 1
                lost = (await control.hear("push.changed"))["data"]["push"]
                assert (lost["id"], lost["state"], lost["url"]) == (push["id"], "lost", wanted["url"])
                await control.say("say", text="And the session goes on.")
                await control.hear("speech.ended")
                control.events()
                assert SECRET not in str(control.seen)
            info = await it.get(f"/v1/sessions/{session}")
            assert [one["id"] for one in info["pushes"]] == [push["id"]]
            assert SECRET not in str(info)
            async with it.http.delete(f"{place}/{push['id']}") as answer:
                assert answer.status == 200
            assert (await it.get(place))["data"] == []

    run(main())
    assert SECRET not in caplog.text


REFUSED = [
    ({"url": "rtmp://127.0.0.1/live", "key": SECRET}, 422, "url_not_allowed"),
    ({"url": "rtmp://[::ffff:10.0.0.1]/live/key"}, 422, "url_not_allowed"),
    ({"url": "srt://127.0.0.1:9000?streamid=x"}, 422, "bad_url"),
    ({"url": "rtmp://127.0.0.1/live", "key": 5}, 422, "invalid_request"),
    ({}, 422, "invalid_request"),
    ({"url": "rtmp://127.0.0.1:1/live", "key": SECRET}, 429, "too_many_pushes"),
]


@pytest.mark.slow
async def test_what_cannot_be_sent_to_is_refused(data_dir):
    async with served(data_dir, fetch_allow=("127.0.0.1:1",)) as it:
        place = f"/v1/sessions/{await begun(it)}/push"
        for _ in range(PUSHES):
            await it.post(place, 201, REFUSED[-1][0])
        for wanted, status, code in REFUSED:
            refused = await it.post(place, status, wanted)
            assert refused["error"]["code"] == code
            assert SECRET not in str(refused)
        async with it.http.get("/metrics") as response:
            lines = [line for line in (await response.text()).splitlines() if "pushes{" in line]
        assert sum(float(line.split()[-1]) for line in lines) == PUSHES
        await it.post("/v1/sessions/nobody/push", 404, REFUSED[-1][0])
        async with it.http.delete(f"{place}/push_0123456789abcdef") as answer:
            assert answer.status == 404


@pytest.mark.slow
async def test_a_server_may_send_nothing(data_dir):
    async with served(data_dir, push=False) as it:
        refused = await it.post(f"/v1/sessions/{await begun(it)}/push", 403, REFUSED[0][0])
        assert refused["error"]["code"] == "pushing_off"


@pytest.mark.slow  # three processes
async def test_a_push_that_is_to_be_kept_goes_on_after_a_restart_and_no_other_does(data_dir):
    port = free_port()
    allowed = (f"127.0.0.1:{port}", "127.0.0.1:1")
    async with served(data_dir, fetch_allow=allowed) as it:
        session = await begun(it, idle_s=600)
        place = f"/v1/sessions/{session}/push"
        kept = await it.post(place, 201, {"url": f"rtmp://127.0.0.1:{port}/live/{SECRET}", "keep": True})
        other = await it.post(place, 201, {"url": "rtmp://127.0.0.1:1/live", "key": SECRET})
        gone = await it.post(place, 201, {"url": "rtmp://127.0.0.1:1/a", "key": SECRET, "keep": True})
        assert [one["keep"] for one in (kept, other, gone)] == [True, False, True]
        async with it.http.delete(f"{place}/{gone['id']}") as answer:
            assert answer.status == 200
    async with served(data_dir, fetch_allow=allowed) as it:
        (push,) = (await it.get(place))["data"]
        assert (push["id"], push["url"]) == (kept["id"], f"rtmp://127.0.0.1:{port}/live")
        async with receiver(port) as server:
            assert await server.packets(10)
        assert SECRET not in str(await it.get(f"/v1/sessions/{session}"))
    async with served(data_dir, push=False) as it:
        assert (await it.get(place))["data"] == []
    async with served(data_dir, fetch_allow=allowed) as it:
        assert (await it.get(place))["data"] == []  # not even for a while may it be forbidden
        async with it.http.delete(f"/v1/sessions/{session}") as answer:
            assert answer.status == 200
