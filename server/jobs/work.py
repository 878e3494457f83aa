"""What a kind of job is to the runner: work that reports, and that has something to show when it is done."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from server.schemas.events import JobProgress
from server.schemas.requests import Model
from server.schemas.responses import Metrics
from server.store.rows import OutputRow
from server.store.store import Store

Spec = TypeVar("Spec", contravariant=True)


@dataclass(frozen=True, slots=True)
class Done:
    """What finished work has to show: files in the job's folder, and figures.

    engines: by kind, those that could not be told when it began.
    """

    outputs: Sequence[OutputRow]
    metrics: Metrics | None = None
    engines: Mapping[str, str] = field(default_factory=dict)


class JobReport:
    """How work tells what it does: events to the job's log. Raises JobOver if the job has ended meanwhile.

    stage: the furthest that has begun; produced_s: seconds of video made. Both are told of a job cut short.
    """

    def __init__(
        self, store: Store, job_id: str, turn: Callable[[str], Awaitable[None]] | None = None
    ) -> None:
        self.stage: str | None = None
        self.produced_s = 0.0
        self.alive = time.monotonic()
        self._store = store
        self._job_id = job_id
        self._turn = turn

    async def turn(self) -> None:
        """Wait until the job may go on."""
        if self._turn is not None:
            await self._turn(self._job_id)

    async def event(self, type: str, data: Model) -> None:
        """Add an event to the log; it is committed, and on its way to watchers, on return."""
        self.alive = time.monotonic()
        await self._store.append(self._job_id, type, data.model_dump_json(exclude_none=True))

    async def progress(self, data: JobProgress, reached: int) -> None:
        """Tell how far everything is. reached: frames made, or whatever else grows."""
        self.alive = time.monotonic()
        await self._store.progress(self._job_id, data.model_dump_json(), reached)


class Work(Protocol[Spec]):
    """A kind of job, and the shape of what its record keeps of the request."""

    def engines(self, spec: Spec) -> dict[str, str]:
        """Which engines will do the work; empty if that cannot be said."""
        ...

    async def run(self, job_id: str, spec: Spec, report: JobReport) -> Done:
        """Do all of it. May be cancelled at any time; after a restart it is called again for the same job."""
        ...
