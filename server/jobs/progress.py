"""What a job's log hears of its progress: which stages begin and end, and how far they are.

Two kinds of work tell it in two ways: a pipeline has a meter for each stage, the making of a template reports
step by step. Both come down to a `Snapshot`, and `ProgressReporter` tells what is new in it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from core.progress import Progress
from server.jobs.work import JobReport
from server.schemas.events import JobProgress, StageFinished, StageStarted
from server.schemas.responses import StageProgress

TICK_S = 0.2
"""Seconds between two looks at how far the stages are."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """How far work is.

    progress: of all stages, in the order a job meets them. elapsed_s, items: seconds spent and units made by
    stage, of those that have begun. reached: grows as the job gets further. finer: changes with whatever else
    shows that the work goes on, although the stages stand still.
    """

    progress: JobProgress
    elapsed_s: Mapping[str, float]
    items: Mapping[str, int]
    reached: int
    finer: int = 0


class ProgressReporter:
    """Tells a job's log what has changed, every TICK_S and when asked."""

    def __init__(
        self,
        report: JobReport,
        look: Callable[[], Snapshot],
        besides: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """besides: called at every look, for what else there may be to tell."""
        self._report, self._look, self._besides = report, look, besides
        self._states: dict[str, str] = {}
        self._last: tuple[JobProgress, int] | None = None

    async def run(self) -> NoReturn:
        """Tell until this is cancelled."""
        while True:
            await self.tell()
            await asyncio.sleep(TICK_S)

    async def tell(self) -> None:
        """Tell what has changed since the last time."""
        snapshot = self._look()
        order = list(snapshot.progress.stages)
        for name, stage in snapshot.progress.stages.items():
            before, self._states[name] = self._states.get(name, "pending"), stage.state
            if name not in snapshot.elapsed_s:
                continue
            if before == "pending" != stage.state:
                furthest = self._report.stage
                if furthest not in order or order.index(furthest) < order.index(name):
                    self._report.stage = name
                await self._report.event("stage.started", StageStarted(stage=name))
            if before != "finished" == stage.state:
                elapsed = round(snapshot.elapsed_s[name] * 1000)
                done = StageFinished(stage=name, elapsed_ms=elapsed, items=snapshot.items[name])
                await self._report.event("stage.finished", done)
        if self._besides is not None:
            await self._besides()
        latest = snapshot.progress, snapshot.finer
        if latest != self._last:
            self._last = latest
            await self._report.progress(snapshot.progress, snapshot.reached)


def of_meters(progress: Progress, names: Sequence[str]) -> Snapshot:
    """How far a pipeline is: all stages counted in video frames, so that one can be held against another;
    `prepare` in its own. names: the stages that work of this kind may have.
    """
    stages = {name: _stage(progress, name) for name in names}
    total = progress.total_frames
    overall = min(1.0, progress.frames / total) if total else 0.0
    meters = progress.meters
    return Snapshot(
        JobProgress(overall=round(overall, 4), stages=stages),
        {name: meter.elapsed_s for name, meter in meters.items()},
        {name: meter.done for name, meter in meters.items()},
        progress.frames,
        progress.tiles_made,  # a frame may take minutes, which is no standstill
    )


def _stage(progress: Progress, name: str) -> StageProgress:
    meter = progress.meters.get(name)
    if meter is None:
        begun = "encode" in progress.meters  # the pipeline is laid: what is not part of it never will be
        return StageProgress(state="skipped" if begun else "pending")
    done, total = meter.done, progress.total_frames or None
    if name == "tts":
        done = round(progress.audio_s * progress.fps)
    elif name == "prepare":
        total = None
    elapsed = meter.elapsed_s
    return StageProgress(
        state=meter.state,
        done=done,
        total=total,
        rate=round(done / elapsed, 1) if elapsed else 0.0,
        queue_depth=meter.queued,
        busy=round(min(1.0, meter.busy_s / elapsed), 2) if elapsed else 0.0,
    )


Shares = Mapping[str, tuple[str, float, float]]
"""The stage of each step, where in the whole it begins, and how far it leads; about what they cost. Steps
of one stage may go on side by side, and count the same frames."""


class Steps:
    """Work that makes or prepares a template, by what its steps report."""

    def __init__(self, shares: Shares) -> None:
        self._shares = shares
        self._stages: dict[str, StageProgress] = {}
        self._spans: dict[str, tuple[float, float]] = {}  # when a stage began and, if it has, ended
        self._overall = 0.0

    def note(self, step: str, done: int, total: int | None) -> None:
        """Called by the work, on the loop; see `core.templates.template.StepReport`."""
        stage, begin, share = self._shares.get(step, ("prepare", self._overall, 0.0))
        for name in [name for name in self._stages if name != stage]:
            self._end(name)
        before = self._stages.get(stage)
        self._spans[stage] = self._spans.get(stage, (time.perf_counter(), 0.0))[0], 0.0
        done = max(done, before.done if before else 0)
        self._stages[stage] = StageProgress(state="running", done=done, total=total)
        self._overall = max(self._overall, begin + (share * min(1.0, done / total) if total else 0.0))

    def finish(self) -> None:
        """All is done."""
        for name in list(self._stages):
            self._end(name)
        self._overall = 1.0

    def look(self) -> Snapshot:
        """How far the work is."""
        now = time.perf_counter()
        overall = round(self._overall, 4)
        return Snapshot(
            JobProgress(overall=overall, stages=dict(self._stages)),
            {name: (ended or now) - began for name, (began, ended) in self._spans.items()},
            {name: stage.done for name, stage in self._stages.items()},
            round(overall * 1000),
        )

    def _end(self, name: str) -> None:
        if self._stages[name].state == "running":
            self._stages[name] = self._stages[name].model_copy(update={"state": "finished"})
            self._spans[name] = self._spans[name][0], time.perf_counter()
