"""Cut the person of a template out of every frame: once, kept beside its video, for all that needs it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TypeVar

from core.engines.builtin.matte.backdrop import measure
from core.errors import Stopped, telling_no_room
from core.media.clip import Frames, new_clip
from core.media.planes import to_i420, whole_bgr
from core.models import SELFIE, unavailable
from core.protocols import Matting
from core.runtime.tasks import run_stoppable
from core.runtime.worker import Worker, on_loop
from core.serving.engine_pool import EnginePool
from core.serving.loaded import LoadedEngine
from core.templates import scene
from core.templates.library import Templates
from core.templates.matte_clip import Mattes
from core.templates.mattes import face_boxes, make_mattes
from core.templates.template import StepReport, Template

T = TypeVar("T")


async def matting_for(pool: EnginePool, wanted: str, template: Template) -> LoadedEngine[Matting]:
    """The engine that cuts out; "auto" measures what the person stands before."""
    if wanted == "auto":
        wanted = await asyncio.to_thread(_measured, template)
        if wanted == "busy":
            wanted = "rvm" if pool.choose("matte", "auto") == "rvm" else _by_network()
    return await pool.matting(wanted)


async def mattes_of(
    template: Template, matting: LoadedEngine[Matting], templates: Templates, report: StepReport
) -> Path:
    """The file of the template's mattes, made if it is not there. Raises BadInput for one without a person
    to be told from the rest."""
    path, told = template.folder / f"{matting.key}.mp4", on_loop(report)
    async with templates.lock(f"{template.name} {path}"):
        if not path.exists():
            await stoppable(lambda stopped: matting.call(make_mattes, template, path, told, stopped))
    return path


async def person_alone(template: Template, templates: Templates, report: StepReport) -> tuple[Template, str]:
    """The template with its `mattes`, and the name of the engine that cut out.

    Its frames have the person's own colours up to the edge and beyond. Raises what `mattes_of` does.
    """
    matting = await matting_for(templates.pool, "auto", template)
    mattes = await mattes_of(template, matting, templates, report)
    path = mattes.with_name(f"{matting.key}-{scene.VERSION}.person.mp4")
    async with templates.lock(f"{template.name} {path}"):
        if not path.exists():
            await long(partial(_write_person, template, mattes, path, on_loop(report)))
    cache_bytes = templates.settings.frame_cache_mb << 20

    def opened() -> Template:
        shown = Frames(path, cache_bytes), template.track, template.prepared, Mattes(mattes, cache_bytes)
        return Template(template.name, *shown, template.actions)

    alone = await asyncio.to_thread(opened)
    alone.remarks = template.remarks
    return alone, matting.name


def _by_network() -> str:
    """What cuts off a busy background: the small network, if it can run here."""
    return "grabcut" if unavailable(SELFIE) else "selfie"


def _measured(template: Template) -> str:
    """What the backdrop is, busy, flat or key: the one that asks for most care of those of three frames."""
    boxes = face_boxes(template.track)
    numbers = sorted({0, len(template) // 2, len(template) - 1})
    kinds = {measure(whole_bgr(template.planes(k)), boxes[k]).kind for k in numbers}
    return next(kind for kind in ("busy", "flat", "key") if kind in kinds)


def _write_person(
    template: Template, mattes: Path, path: Path, report: StepReport, stopped: Callable[[], bool]
) -> None:
    """Write the clip `path` of the person's colours. Blocking; one frame at a time is in memory."""
    size = template.width, template.height
    with (
        closing(Mattes(mattes, cache_bytes=0)) as seen,
        new_clip(path, *size, template.fps) as clip,
    ):
        for number in range(len(template)):
            if stopped():
                raise Stopped("cutting out was stopped")
            colours = scene.cut_out(whole_bgr(template.planes(number)), seen.of(number))[..., :3]
            clip.add_planes(to_i420(colours))
            report("alpha", number + 1, len(template))


async def long(work: Callable[[Callable[[], bool]], T]) -> T:
    """Run `work(stopped)` on a thread of its own; raises what `stoppable` does."""
    worker = Worker("scene")
    try:
        return await stoppable(partial(worker.call, work))
    finally:
        await asyncio.to_thread(worker.close)


async def stoppable(work: Callable[[Callable[[], bool]], Awaitable[T]]) -> T:
    """`await work(stopped)`; when this is cancelled, `stopped` says so to the thread.

    Raises StorageFull where the work found the disk full.
    """
    with telling_no_room("the disk has no room for the new template"):
        return await run_stoppable(work)
