"""The work of a background job: make a template out of another one, showing its first frame early."""

import asyncio
import hashlib
import time
from pathlib import Path

from core.runtime.tasks import first_of
from core.serving.engine_pool import EnginePool
from core.templates.background import Background, Backgrounds
from core.templates.scene import to_jpeg
from core.types import Image
from server.folder import ServerFolder
from server.jobs.progress import ProgressReporter, Shares, Steps
from server.jobs.work import Done, JobReport
from server.schemas.events import PreviewFrame
from server.schemas.responses import Metrics
from server.schemas.specs import BackgroundSpec
from server.store.rows import OutputRow

PREVIEW = "preview.jpg"

SHARES: Shares = {
    "paint": ("paint", 0.0, 0.1),
    "matte": ("matte", 0.1, 0.45),
    "compose": ("compose", 0.55, 0.15),
    "decode": ("prepare", 0.7, 0.1),
    "faces": ("prepare", 0.7, 0.2),
    "lipsync": ("prepare", 0.9, 0.1),
    "enhance": ("prepare", 0.9, 0.1),
}


class BackgroundWork:
    """Makes templates with new backgrounds in one library. prefix: what goes before addresses."""

    def __init__(
        self, pool: EnginePool, backgrounds: Backgrounds, folder: ServerFolder, prefix: str = ""
    ) -> None:
        self._pool = pool
        self._backgrounds = backgrounds
        self._folder = folder
        self._prefix = prefix

    def engines(self, spec: BackgroundSpec) -> dict[str, str]:
        """What paints, and what cuts out where that does not depend on the template."""
        wanted = spec.background
        kinds = {"paint": wanted.engine} if wanted.prompt is not None else {}
        if wanted.matte != "auto":
            kinds["matte"] = wanted.matte
        return self._pool.choose_all(kinds)

    async def run(self, job_id: str, spec: BackgroundSpec, report: JobReport) -> Done:
        """Make it. After a restart it is there already, whole, or not at all."""
        began, place = time.perf_counter(), self._folder.job(job_id)
        await asyncio.to_thread(place.mkdir, parents=True, exist_ok=True)
        first = _FirstFrame(f"{self._prefix}/v1/jobs/{job_id}/{PREVIEW}", place / PREVIEW, report)
        steps = Steps(SHARES)
        reporter = ProgressReporter(report, steps.look, first.tell)
        making = self._backgrounds.make(
            spec.base,
            _background(spec, place),
            spec.title,
            identity_new=spec.template,
            report=steps.note,
            preview=first.show,
        )
        made = await first_of(making, reporter.run())
        steps.finish()
        await reporter.tell()
        if spec.upload:
            await asyncio.to_thread((place / spec.upload).unlink, missing_ok=True)
        outputs = await asyncio.to_thread(_outputs, place / PREVIEW, self._folder.root)
        figures = Metrics(total_ms=round((time.perf_counter() - began) * 1000))
        return Done(outputs, figures, made.engines)


def _background(spec: BackgroundSpec, place: Path) -> Background:
    wanted = spec.background
    return Background(
        prompt=wanted.prompt,
        picture=place / spec.upload if spec.upload else None,
        paint=wanted.engine,
        matte=wanted.matte,
        fit=wanted.fit,
        focus=(wanted.focus[0], wanted.focus[1]),
        blur=wanted.blur,
        tone=wanted.tone,
        wander=wanted.pan,
        negative=wanted.negative,
        seed=wanted.seed,
        steps=wanted.steps,
        guidance=wanted.guidance,
    )


def _outputs(preview: Path, root: Path) -> list[OutputRow]:
    """The preview, if there is one: what was there already is not shown first. Blocking."""
    if not preview.is_file():
        return []
    data = preview.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    return [OutputRow(PREVIEW, "image", "image/jpeg", len(data), digest, str(preview.relative_to(root)))]


class _FirstFrame:
    """Told once, as soon as it is known."""

    def __init__(self, url: str, path: Path, report: JobReport) -> None:
        self._url, self._path, self._report = url, path, report
        self._still: Image | None = None

    def show(self, still: Image) -> None:
        """Called by the work once the first frame is known."""
        self._still = still

    async def tell(self) -> None:
        """Put it where it can be seen, and say so."""
        still, self._still = self._still, None
        if still is not None:
            await asyncio.to_thread(_write, self._path, still)
            height, width = still.shape[:2]
            event = PreviewFrame(url=self._url, width=width, height=height)
            await self._report.event("preview.frame", event)


def _write(path: Path, still: Image) -> None:
    draft = path.with_suffix(".part")
    draft.write_bytes(to_jpeg(still))
    draft.replace(path)
