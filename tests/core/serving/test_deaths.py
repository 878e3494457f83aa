"""What becomes of calls when a process of an engine dies, and of what it had been sent."""

import asyncio
import os
import pickle
import signal
import time
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from core.errors import Error
from core.serving import processes
from core.serving.processes import Processes, ProcessSpec


class Idle:
    """An engine that does what it is asked."""


SPEC = ProcessSpec("tests.core.serving.test_deaths:Idle", "cpu", 1)


class Learnt(dict[str, str]):
    """What lasts for many calls."""


def die(_engine: Idle) -> None:
    """End the process it runs in."""
    time.sleep(0.05)
    os._exit(1)


def fine(_engine: Idle) -> str:
    """Answer."""
    return "fine"


def heard(_engine: Idle, report: Callable[[int], object]) -> str:
    """Answer, after a report, as when a template is prepared."""
    report(1)
    return "fine"


def worked(scenario: Callable[[Processes[Idle]], Any]) -> Any:
    async def work() -> Any:
        team = Processes[Idle]([SPEC])
        try:
            await team.start()
            return await scenario(team)
        finally:
            await team.close()

    return asyncio.run(asyncio.wait_for(work(), 60))


@pytest.mark.slow
def test_what_is_asked_after_a_process_was_killed_is_answered_by_a_new_one() -> None:
    async def scenario(team: Processes[Idle]) -> list[str]:
        for child in psutil.Process().children(recursive=True):
            if child.status() != psutil.STATUS_ZOMBIE and "spawn_main" in " ".join(child.cmdline()):
                child.send_signal(signal.SIGKILL)
                await asyncio.to_thread(child.wait, 10)
        return [await team.call(fine), await team.patiently(heard, print)]

    assert worked(scenario) == ["fine", "fine"]


@pytest.mark.slow
def test_a_call_that_ends_its_processes_takes_none_of_those_behind_it_with_it() -> None:
    async def scenario(team: Processes[Idle]) -> list[object]:
        calls = [asyncio.create_task(team.call(work)) for work in (die, fine, fine)]
        return list(await asyncio.gather(*calls, return_exceptions=True))

    bad, *innocent = worked(scenario)
    assert isinstance(bad, Error)
    assert innocent == ["fine", "fine"]


async def test_no_process_takes_an_object_for_another_that_had_its_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here: dict[int, object] = {}
    monkeypatch.setattr(processes, "_kept", lambda: here_kept)
    here_kept: Any = processes.OrderedDict(here)

    seat = processes._EngineProcess(SPEC)

    def send(arg: object, *, whole: bool = False, delivered: bool = True) -> object:
        packed = pickle.loads(pickle.dumps(seat._packed(arg, whole)))  # noqa: S301  # our own
        return processes._unpacked(packed) if delivered else None

    old = Learnt(name="old")
    send(old)
    number, others = id(old), [Learnt(k=str(k)) for k in range(processes._KEPT)]
    for other in others:
        send(other, delivered=False)  # calls that were cancelled while they waited
    del old
    waste, new = [], None
    for _ in range(100_000):
        candidate = Learnt(name="new")
        if id(candidate) == number:
            new = candidate
            break
        waste.append(candidate)
    if new is None:
        pytest.skip("this Python gave the id to nobody else")
    send(new, delivered=False)
    with pytest.raises(processes._Unknown):  # on which all of it is sent
        send(new)
    assert send(new, whole=True) == {"name": "new"}
    assert send(new) == {"name": "new"}
    seat.close()
