"""Patient jobs leave room for what somebody waits for, and rest for it."""

import time

import pytest

from core.runtime.slots import Slots
from server.jobs import lanes as lanes_module
from server.jobs.lanes import Lanes
from server.jobs.work import JobReport


@pytest.mark.parametrize(
    ("rests", "limit", "running", "awaited", "patient"),
    [
        (True, 2, "", True, True),
        (True, 2, "pp", True, False),  # a patient one rests for it
        (True, 2, "ap", True, False),
        (True, 2, "app", True, False),
        (True, 2, "aa", False, False),
        (True, 4, "a", True, True),
        (True, 4, "an", True, False),  # one has nothing to show yet
        (True, 0, "", False, False),
        (False, 4, "pp", True, True),
        (False, 4, "ppp", True, False),  # nothing rests, so one place is kept
        (False, 4, "aaa", True, False),
        (False, 4, "aaap", False, False),
        (False, 1, "", True, True),
        (False, 0, "", False, False),
    ],
)
def test_there_is_room_for_what_somebody_waits_for(rests, limit, running, awaited, patient):
    lanes = Lanes(Slots(limit), rests=rests)
    for number, kind in enumerate(running):
        report = JobReport(None, str(number))
        report.produced_s = float(kind != "n")
        lanes.add(str(number), report, kind == "p")
    assert (lanes.room(patient=False), lanes.room(patient=True)) == (awaited, patient)


@pytest.mark.parametrize("rests", [True, False])
async def test_while_a_request_is_read_patient_jobs_rest_and_none_begins(monkeypatch, rests):
    monkeypatch.setattr(lanes_module, "EXPECTED_S", 0.1)
    slots = Slots(3)
    lanes = Lanes(slots, rests=rests)
    lanes.add("0", JobReport(None, "0"), patient=True)
    began = time.monotonic()
    await lanes.turn("0")
    assert time.monotonic() - began < 0.05
    lanes.expect()
    assert lanes.room(patient=False)
    assert lanes.room(patient=True) != rests
    await lanes.turn("0")
    assert (time.monotonic() - began >= 0.1) == rests
    await slots.news.wait()  # so that whoever starts jobs looks again
    assert lanes.room(patient=True)
