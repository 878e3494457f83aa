"""The work of a template job: take an uploaded video or picture into the library and prepare it; or prepare
one that is there for other engines, another rate or another size; or make one of twice the size of it, or one
with actions.
"""

import asyncio
import time
from typing import Literal

from core.errors import blaming, calling
from core.runtime.tasks import first_of
from core.serving.engine_pool import EnginePool
from core.templates.actions import with_actions
from core.templates.enlarge import enlarge
from core.templates.library import Templates
from server.folder import ServerFolder
from server.jobs.progress import ProgressReporter, Shares, Steps
from server.jobs.work import Done, JobReport
from server.schemas.requests import VideoOptions, size_of
from server.schemas.responses import Metrics
from server.schemas.specs import TemplateSpec
from server.schemas.templates import EnlargeRequest, PrepareRequest

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

JOINING: Shares = {
    "compose": ("compose", 0.0, 0.3),
    "decode": ("prepare", 0.3, 0.3),
    "faces": ("prepare", 0.3, 0.5),
    "lipsync": ("prepare", 0.8, 0.2),
    "enhance": ("prepare", 0.8, 0.2),
}


class TemplateWork:
    """Adds templates to one library, and prepares them."""

    def __init__(self, pool: EnginePool, templates: Templates, folder: ServerFolder) -> None:
        self._pool = pool
        self._templates = templates
        self._folder = folder

    def engines(self, spec: TemplateSpec) -> dict[str, str]:
        """What enlarges, or what a template is prepared for; a new one, for the server's choice."""
        wanted: dict[str, str] = {}
        if spec.enlarge is not None:
            wanted["upscale"] = spec.enlarge.engine
        elif spec.prepare is not None:
            options = spec.prepare.options
            wanted = {kind: getattr(options.engines, kind) for kind in prepared_for(options)}
        return self._pool.choose_all(wanted)

    async def run(self, job_id: str, spec: TemplateSpec, report: JobReport) -> Done:
        """Prepare. After a restart it is there already, whole, or not at all."""
        began = time.perf_counter()
        first, shares = ("decode", SHARES)
        if spec.enlarge is not None:
            first, shares = ("enlarge", ENLARGING)
        elif spec.actions is not None:
            first, shares = ("compose", JOINING)
        steps = Steps(shares)
        reporter = ProgressReporter(report, steps.look)
        report.stage = shares[first][0]
        steps.note(first, 0, None)
        await first_of(self._work(job_id, spec, steps), reporter.run())
        steps.finish()
        await reporter.tell()
        if spec.upload:  # the library has a copy
            await asyncio.to_thread((self._folder.job(job_id) / spec.upload).unlink)
        return Done([], Metrics(total_ms=round((time.perf_counter() - began) * 1000)))

    async def _work(self, job_id: str, spec: TemplateSpec, steps: Steps) -> None:
        if spec.enlarge is not None:
            await self._enlarge(spec, spec.enlarge, steps)
        elif spec.actions is not None:
            await with_actions(
                spec.base or "",
                spec.actions.actions,
                self._templates,
                name=spec.actions.name,
                made=spec.template,
                report=steps.note,
            )
        elif spec.prepare is not None:
            await self._open(spec, spec.prepare, steps)
        else:
            await self._add(job_id, spec, steps)

    async def _enlarge(self, spec: TemplateSpec, wanted: EnlargeRequest, steps: Steps) -> None:
        await enlarge(
            spec.base or "",
            self._pool,
            self._templates,
            wanted=wanted.engine,
            name=wanted.name,
            made=spec.template,
            report=steps.note,
        )

    async def _add(self, job_id: str, spec: TemplateSpec, steps: Steps) -> None:
        source = self._folder.job(job_id) / (spec.upload or "")
        with blaming("file"), calling(source.name, spec.file_name):
            await self._templates.add(source, spec.title, steps.note, face=spec.face, identity=spec.template)

    async def _open(self, spec: TemplateSpec, wanted: PrepareRequest, steps: Steps) -> None:
        options = wanted.options
        engines = options.engines
        await self._templates.open(
            spec.template,
            fps=options.fps,
            size=size_of(options.size),
            lipsync=await self._pool.lipsync(engines.lipsync),
            enhance=await self._pool.enhancer(engines.enhance) if options.enhance else None,
            report=steps.note,
        )


def prepared_for(options: VideoOptions) -> tuple[Literal["lipsync", "enhance"], ...]:
    """The kinds of engines that learn a template before videos with these options."""
    return ("lipsync", "enhance") if options.enhance else ("lipsync",)
