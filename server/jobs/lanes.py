"""Two lanes: jobs that somebody waits for, and patient ones, which get what the others leave.

A patient job starts only where there is room. One that runs already rests, between two pictures and two
parts of its work, while a request of somebody is read, while a job that somebody waits for has nothing to
show yet, and while more run than may: so others start as if it were not there, and nothing of it is made
twice.
"""

import asyncio
import time

from core.runtime.slots import Slots
from server.jobs.work import JobReport

LOOK_S = 0.05
"""Seconds between two looks of a job that rests whether it may go on."""

EXPECTED_S = 0.5
"""Seconds that a request has, to be read and put on record, or spoken, before patient jobs go on."""


class Lanes:
    """Who runs, and who rests. Belongs to the event loop."""

    def __init__(self, slots: Slots, *, rests: bool) -> None:
        """rests: patient jobs rest; else, as where each holds another machine, a place is left free."""
        self._slots = slots
        self._rests = rests
        self._awaited: dict[str, JobReport] = {}
        self._patient: dict[str, JobReport] = {}
        self._expected = 0.0

    def expect(self) -> None:
        """Somebody asks for something. To be called on the event loop."""
        self._expected = time.monotonic() + EXPECTED_S
        asyncio.get_running_loop().call_later(EXPECTED_S, self._slots.news.set)

    def add(self, job_id: str, report: JobReport, patient: bool) -> None:
        """The job runs."""
        (self._patient if patient else self._awaited)[job_id] = report

    def remove(self, job_id: str) -> None:
        """The job does not run any more."""
        self._awaited.pop(job_id, None)
        self._patient.pop(job_id, None)

    def room(self, *, patient: bool) -> bool:
        """Whether one more job may start; where none may, no patient one may."""
        limit, running = self._slots.limit, len(self._awaited) + len(self._patient)
        if patient and not self._rests:
            return running < max(min(1, limit), limit - 1)
        if patient and self._somebody_waits:
            return False
        return (running if patient or not self._rests else len(self._awaited)) < limit

    async def turn(self, job_id: str) -> None:
        """Wait until the job may go on; at once for one that somebody waits for."""
        while (report := self._patient.get(job_id)) is not None and self._gives_way(job_id):
            report.alive = time.monotonic()  # it is not stuck
            await asyncio.sleep(LOOK_S)

    @property
    def _somebody_waits(self) -> bool:
        """Whether somebody waits for a first picture, or is about to."""
        expected = time.monotonic() < self._expected
        return expected or any(not report.produced_s for report in self._awaited.values())

    def _gives_way(self, job_id: str) -> bool:
        if not self._rests:
            return False
        if self._somebody_waits:
            return True
        beyond = list(self._patient).index(job_id) >= self._slots.limit - len(self._awaited)
        return bool(self._awaited) and beyond
