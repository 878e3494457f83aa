"""The work of a template job: take an uploaded video or picture into the library and prepare it; or prepare
one that is there for other engines, another rate or another size; or make one of twice the size of it.
"""

import asyncio
import time
from typing import Literal

from core.enlarged import enlarge
from core.errors import blaming
from core.studio import Studio
from core.templates import Templates
from server.folder import ServerFolder
from server.runner import Done, Report, alongside
from server.steps import Shares, Steps
from server.store_rows import JobRow
from server.wire import EnlargeRequest, Order, PrepareRequest, VideoOptions, size_of
from server.wire_answers import Metrics

SHARES: Shares = {
    "decode": ("prepare", 0.0, 0.4),
    "faces": ("prepare", 0.0, 0.8),
    "lipsync": ("prepare", 0.8, 0.2),
    "enhance": ("prepare", 0.8, 0.2),
}

ENLARGING: Shares = {
    "enlarge": ("enlarge", 0.0, 0.9),
    "decode": ("prepare", 0.9, 0.04),
    "faces": ("prepare", 0.9, 0.08),
    "lipsync": ("prepare", 0.98, 0.02),
    "enhance": ("prepare", 0.98, 0.02),
}


class TemplateWork:
    """Adds templates to one library, and prepares them."""

    def __init__(self, studio: Studio, templates: Templates, folder: ServerFolder) -> None:
        self._studio = studio
        self._templates = templates
        self._folder = folder

    def engines(self, job: JobRow) -> dict[str, str]:
        """What enlarges, or what a template is prepared for; a new one, for the server's choice."""
        order = Order.model_validate_json(job.request)
        wanted: dict[str, str] = {}
        if order.enlarge is not None:
            wanted["upscale"] = order.enlarge.engine
        elif order.prepare is not None:
            options = order.prepare.options
            wanted = {kind: getattr(options.engines, kind) for kind in prepared_for(options)}
        return self._studio.choose_all(wanted)

    async def run(self, job: JobRow, report: Report) -> Done:
        """Prepare. After a restart it is there already, whole, or not at all."""
        order = Order.model_validate_json(job.request)
        began = time.perf_counter()
        steps = Steps(report, SHARES if order.enlarge is None else ENLARGING)
        report.stage = "prepare" if order.enlarge is None else "enlarge"
        steps.note("decode" if order.enlarge is None else "enlarge", 0, None)
        await alongside(self._work(job, order, steps), steps.tell())
        await steps.look(over=True)
        if order.upload:  # the library has a copy
            await asyncio.to_thread((self._folder.job(job.id) / order.upload).unlink)
        return Done([], Metrics(total_ms=round((time.perf_counter() - began) * 1000)))

    async def _work(self, job: JobRow, order: Order, steps: Steps) -> None:
        if order.enlarge is not None:
            await self._enlarge(order, order.enlarge, steps)
        elif order.prepare is not None:
            await self._open(order, order.prepare, steps)
        else:
            await self._add(job, order, steps)

    async def _enlarge(self, order: Order, wanted: EnlargeRequest, steps: Steps) -> None:
        await enlarge(
            order.base or "",
            self._studio,
            self._templates,
            wanted=wanted.engine,
            name=wanted.name,
            report=steps.note,
        )

    async def _add(self, job: JobRow, order: Order, steps: Steps) -> None:
        source = self._folder.job(job.id) / (order.upload or "")
        with blaming("file"):
            await self._templates.add(source, order.title, steps.note, face=order.face)

    async def _open(self, order: Order, wanted: PrepareRequest, steps: Steps) -> None:
        options = wanted.options
        engines = {
            kind: await self._studio.engine(kind, getattr(options.engines, kind))
            for kind in prepared_for(options)
        }
        await self._templates.open(
            order.template or "", fps=options.fps, size=size_of(options.size), report=steps.note, **engines
        )


def prepared_for(options: VideoOptions) -> tuple[Literal["lipsync", "enhance"], ...]:
    """The kinds of engines that learn a template before videos with these options."""
    return ("lipsync", "enhance") if options.enhance else ("lipsync",)
