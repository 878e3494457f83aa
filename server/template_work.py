"""The work of a template job: take an uploaded video or picture into the library and prepare it; or prepare
one that is there for other engines, another rate or another size.
"""

import asyncio
import time
from contextlib import suppress
from typing import Literal

from core.errors import BadInput, blaming
from core.studio import Studio
from core.templates import Templates
from server.folder import ServerFolder
from server.runner import Done, Report, alongside
from server.store_rows import JobRow
from server.wire import Order, PrepareRequest, VideoOptions, size_of
from server.wire_answers import Metrics, StageProgress
from server.wire_events import Progress, StageFinished, StageStarted

TICK_S = 0.2

SHARES = {"decode": (0.0, 0.4), "faces": (0.4, 0.4), "lipsync": (0.8, 0.1), "enhance": (0.9, 0.1)}
"""Where in the whole each step begins, and how much of it it is; roughly what they cost."""


class TemplateWork:
    """Adds templates to one library, and prepares them."""

    def __init__(self, studio: Studio, templates: Templates, folder: ServerFolder) -> None:
        self._studio = studio
        self._templates = templates
        self._folder = folder

    def engines(self, job: JobRow) -> dict[str, str]:
        """The engines a template is prepared for; a new one, for the server's own choice of them."""
        prepare = Order.model_validate_json(job.request).prepare
        if prepare is None:
            return {}
        chosen: dict[str, str] = {}
        for kind in prepared_for(prepare.options):
            with suppress(BadInput):  # which the job then says
                chosen[kind] = self._studio.choose(kind, getattr(prepare.options.engines, kind))
        return chosen

    async def run(self, job: JobRow, report: Report) -> Done:
        """Prepare. After a restart it is there already, whole, or not at all."""
        order = Order.model_validate_json(job.request)
        report.stage, began = "prepare", time.perf_counter()
        await report.event("stage.started", StageStarted(stage="prepare"))
        news = _News()
        work = self._open(order, news) if order.prepare else self._add(job, order, news)
        await alongside(work, news.tell(report))
        elapsed = time.perf_counter() - began
        done = StageFinished(stage="prepare", elapsed_ms=round(elapsed * 1000), items=news.done)
        await report.event("stage.finished", done)
        if order.upload:  # the library has a copy
            await asyncio.to_thread((self._folder.job(job.id) / order.upload).unlink)
        return Done([], Metrics(total_ms=round(elapsed * 1000)))

    async def _add(self, job: JobRow, order: Order, news: "_News") -> None:
        source = self._folder.job(job.id) / (order.upload or "")
        with blaming("file"):
            await self._templates.add(source, order.title, news.note, face=order.face)

    async def _open(self, order: Order, news: "_News") -> None:
        options = (order.prepare or PrepareRequest()).options
        engines = {
            kind: await self._studio.engine(kind, getattr(options.engines, kind))
            for kind in prepared_for(options)
        }
        await self._templates.open(
            order.template or "", fps=options.fps, size=size_of(options.size), report=news.note, **engines
        )


def prepared_for(options: VideoOptions) -> tuple[Literal["lipsync", "enhance"], ...]:
    """The kinds of engines that learn a template before videos with these options."""
    return ("lipsync", "enhance") if options.enhance else ("lipsync",)


class _News:
    """The newest report of a preparation."""

    def __init__(self) -> None:
        self.done = 0
        self._total: int | None = None
        self._overall = 0.0

    def note(self, step: str, done: int, total: int | None) -> None:
        """Called by the preparation."""
        self.done, self._total = done, total
        begin, share = SHARES.get(step, (0.0, 0.0))
        self._overall = begin + (share * min(1.0, done / total) if total else 0.0)

    async def tell(self, report: Report) -> None:
        """Tell what has changed, every TICK_S, for ever."""
        last = None
        while True:
            stage = StageProgress(state="running", done=self.done, total=self._total)
            told = Progress(overall=round(self._overall, 4), stages={"prepare": stage})
            if told != last:
                last = told
                await report.progress(told, round(self._overall * 1000))
            await asyncio.sleep(TICK_S)
