"""The work of a background job: make a template out of another one, showing its first frame early."""

import asyncio
import hashlib
import time
from contextlib import suppress
from pathlib import Path

from core.backgrounds import Background, Backgrounds
from core.errors import BadInput
from core.scene import to_jpeg
from core.studio import Studio
from core.types import Image
from server.folder import ServerFolder
from server.runner import Done, Report, alongside
from server.store_rows import JobRow, OutputRow
from server.wire import BackgroundRequest, Order
from server.wire_answers import Metrics, StageProgress
from server.wire_events import PreviewFrame, Progress, StageFinished, StageStarted

TICK_S = 0.2

PREVIEW = "preview.jpg"

SHARES = {
    "paint": ("paint", 0.0, 0.1),
    "matte": ("matte", 0.1, 0.45),
    "compose": ("compose", 0.55, 0.15),
    "decode": ("prepare", 0.7, 0.1),
    "faces": ("prepare", 0.8, 0.1),
    "lipsync": ("prepare", 0.9, 0.05),
    "enhance": ("prepare", 0.95, 0.05),
}
"""The stage of each step, where in the whole it begins, and how much of it it is; about what they cost."""


class BackgroundWork:
    """Makes templates with new backgrounds in one library."""

    def __init__(self, studio: Studio, backgrounds: Backgrounds, folder: ServerFolder) -> None:
        self._studio = studio
        self._backgrounds = backgrounds
        self._folder = folder

    def engines(self, job: JobRow) -> dict[str, str]:
        """What paints, and what cuts out where that does not depend on the template."""
        order = Order.model_validate_json(job.request)
        wanted = order.background or BackgroundRequest()
        kinds = {"paint": wanted.engine} if wanted.prompt is not None else {}
        if wanted.matte != "auto":
            kinds["matte"] = wanted.matte
        chosen = {}
        for kind, name in kinds.items():
            with suppress(BadInput):  # which the job then says
                chosen[kind] = self._studio.choose(kind, name)
        return chosen

    async def run(self, job: JobRow, report: Report) -> Done:
        """Make it. After a restart it is there already, whole, or not at all."""
        order, began = Order.model_validate_json(job.request), time.perf_counter()
        place = self._folder.job(job.id)
        await asyncio.to_thread(place.mkdir, parents=True, exist_ok=True)
        news = _News(job.id, place / PREVIEW, report)
        making = self._backgrounds.make(
            order.base or "",
            _background(order, place),
            order.title,
            identity_new=order.template,
            report=news.note,
            preview=news.show,
        )
        await alongside(making, news.tell())
        await news.look(over=True)
        if order.upload:
            await asyncio.to_thread((place / order.upload).unlink, missing_ok=True)
        outputs = await asyncio.to_thread(_outputs, place / PREVIEW, self._folder.root)
        return Done(outputs, Metrics(total_ms=round((time.perf_counter() - began) * 1000)))


def _background(order: Order, place: Path) -> Background:
    wanted = order.background or BackgroundRequest()
    return Background(
        prompt=wanted.prompt,
        picture=place / order.upload if order.upload else None,
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


class _News:
    """The newest of a job, told every TICK_S."""

    def __init__(self, job_id: str, preview: Path, report: Report) -> None:
        self._job_id, self._preview, self._report = job_id, preview, report
        self._stages: dict[str, StageProgress] = {}
        self._started: dict[str, float] = {}
        self._told: dict[str, str] = {}
        self._overall = 0.0
        self._still: Image | None = None
        self._last: Progress | None = None

    def note(self, step: str, done: int, total: int | None) -> None:
        """Called by the work, on the loop."""
        stage, begin, share = SHARES.get(step, ("prepare", self._overall, 0.0))
        for name, known in self._stages.items():
            if name != stage and known.state == "running":
                self._stages[name] = known.model_copy(update={"state": "finished"})
        self._started.setdefault(stage, time.perf_counter())
        self._stages[stage] = StageProgress(state="running", done=done, total=total)
        self._overall = max(self._overall, begin + (share * min(1.0, done / total) if total else 0.0))

    def show(self, still: Image) -> None:
        """Called by the work once the first frame is known."""
        self._still = still

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
        still, self._still = self._still, None
        if still is not None:
            await asyncio.to_thread(_write, self._preview, still)
            height, width = still.shape[:2]
            url = f"/v1/jobs/{self._job_id}/{PREVIEW}"
            await self._report.event("preview.frame", PreviewFrame(url=url, width=width, height=height))
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


def _write(path: Path, still: Image) -> None:
    draft = path.with_suffix(".part")
    draft.write_bytes(to_jpeg(still))
    draft.replace(path)
