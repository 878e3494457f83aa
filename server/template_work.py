"""The work of a template job: take an uploaded video or picture into the library and prepare it."""

import asyncio
import time

from core.templates import Templates
from server.folder import ServerFolder
from server.runner import Done, Report, alongside
from server.store_rows import JobRow
from server.wire import Metrics, Order, StageProgress
from server.wire_events import Progress, StageFinished, StageStarted

TICK_S = 0.2

SHARES = {"decode": (0.0, 0.4), "faces": (0.4, 0.4), "lipsync": (0.8, 0.1), "enhance": (0.9, 0.1)}
"""Where in the whole each step begins, and how much of it it is; roughly what they cost."""


class TemplateWork:
    """Adds templates to one library."""

    def __init__(self, templates: Templates, folder: ServerFolder) -> None:
        self._templates = templates
        self._folder = folder

    def engines(self, job: JobRow) -> dict[str, str]:
        """Preparation uses the server's own choice of engines."""
        return {}

    async def run(self, job: JobRow, report: Report) -> Done:
        """Prepare the upload. After a restart it is there already, whole, or not at all."""
        order = Order.model_validate_json(job.request)
        source = self._folder.job(job.id) / (order.upload or "")
        report.stage, began = "prepare", time.perf_counter()
        await report.event("stage.started", StageStarted(stage="prepare"))
        news = _News()
        adding = self._templates.add(source, order.title, news.note, face=order.face)
        await alongside(adding, news.tell(report))
        elapsed = time.perf_counter() - began
        done = StageFinished(stage="prepare", elapsed_ms=round(elapsed * 1000), items=news.done)
        await report.event("stage.finished", done)
        await asyncio.to_thread(source.unlink)  # the library has a copy
        return Done([], Metrics(total_ms=round(elapsed * 1000)))


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
