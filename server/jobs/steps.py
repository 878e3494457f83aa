"""Tell how far work in steps is, which makes or prepares a template: what each reports, as a job's events."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

from server.jobs.runner import Report
from server.schemas.events import Progress, StageFinished, StageStarted
from server.schemas.responses import StageProgress

TICK_S = 0.2

Shares = Mapping[str, tuple[str, float, float]]
"""The stage of each step, where in the whole it begins, and how far it leads; about what they cost. Steps
of one stage may go on side by side, and count the same frames."""


class Steps:
    """The newest of a job, told every TICK_S."""

    def __init__(
        self, report: Report, shares: Shares, besides: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """besides: called at every look, for what else there may be to tell."""
        self._report, self._shares, self._besides = report, shares, besides
        self._stages: dict[str, StageProgress] = {}
        self._started: dict[str, float] = {}
        self._told: dict[str, str] = {}
        self._overall = 0.0
        self._last: Progress | None = None

    def note(self, step: str, done: int, total: int | None) -> None:
        """Called by the work, on the loop; see `core.templates.template.Report`."""
        stage, begin, share = self._shares.get(step, ("prepare", self._overall, 0.0))
        for name, known in self._stages.items():
            if name != stage and known.state == "running":
                self._stages[name] = known.model_copy(update={"state": "finished"})
        self._started.setdefault(stage, time.perf_counter())
        before = self._stages.get(stage)
        done = max(done, before.done if before else 0)
        self._stages[stage] = StageProgress(state="running", done=done, total=total)
        self._overall = max(self._overall, begin + (share * min(1.0, done / total) if total else 0.0))

    async def tell(self) -> None:
        """Tell for ever."""
        while True:
            await self.look()
            await asyncio.sleep(TICK_S)

    async def look(self, *, over: bool = False) -> None:
        """Tell what has changed. over: the work is done."""
        for name, stage in list(self._stages.items()):
            if over and stage.state == "running":
                self._stages[name] = stage.model_copy(update={"state": "finished"})
            await self._tell_stage(name, self._stages[name])
        if self._besides is not None:
            await self._besides()
        progress = Progress(overall=1.0 if over else round(self._overall, 4), stages=dict(self._stages))
        if progress != self._last:
            self._last = progress
            await self._report.progress(progress, round(progress.overall * 1000))

    async def _tell_stage(self, name: str, stage: StageProgress) -> None:
        before = self._told.get(name)
        if before is None:
            self._report.stage = name
            await self._report.event("stage.started", StageStarted(stage=name))
        if stage.state == "finished" != before:
            elapsed = round((time.perf_counter() - self._started[name]) * 1000)
            done = StageFinished(stage=name, elapsed_ms=elapsed, items=stage.done)
            await self._report.event("stage.finished", done)
        self._told[name] = stage.state
