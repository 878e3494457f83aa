"""Make a template twice as large, background and all, once: videos on it then cost no enlarging at all."""

import asyncio
import hashlib
import uuid
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from core.enhancement.tiles import VERSION, Tiles, enlarging
from core.errors import BadInput, telling_no_room
from core.media.clip import ClipWriter
from core.protocols import Upscaler
from core.runtime.worker import Worker
from core.serving.engine_pool import EnginePool
from core.serving.loaded import LoadedEngine
from core.templates.info import TemplateInfo, made_id, name_of
from core.templates.library import Templates
from core.templates.template import StepReport, Template

_MOST = 4096
"""Pixels of the longer side of what is made: what a template may have."""


@dataclass(frozen=True, slots=True)
class Enlarged:
    """A template of twice the size, and the engine that made it."""

    info: TemplateInfo
    engine: str


async def enlarge(
    identity: str,
    pool: EnginePool,
    templates: Templates,
    *,
    wanted: str = "auto",
    name: str | None = None,
    made: str | None = None,
    report: StepReport,
) -> Enlarged:
    """A new template: `identity` at twice the size, its frames enlarged by the engine `wanted`.

    name, made: of the new one, for people and as an id; without them they are made of the old ones.
    Asking for the same again gives the template that is there. Its face is found anew, in the larger frames.
    What does not change from frame to frame is enlarged once. Cancel the task to stop: the engine is free
    within one tile, nothing stays behind.
    Raises BadInput for a template that is too large already or a name that is taken, EngineUnavailable.
    """
    upscaler = await pool.upscaler(wanted)
    made = made or enlarged_id(identity, name, upscaler.name)
    template = await templates.open(identity, report=report)  # the sample may be drawn only now
    base = templates.show(identity)
    recipe = hashlib.sha256(f"{base.sha256} {base.face} {upscaler.key} {VERSION}".encode()).hexdigest()
    there = await asyncio.to_thread(templates.made, made, recipe)
    if there is not None:
        return Enlarged(there, upscaler.name)
    if 2 * max(template.width, template.height) > _MOST:
        raise BadInput(
            "template_too_large",
            f"{identity} is {template.width}x{template.height}; twice that is more than {_MOST} pixels",
            "id",
        )
    draft = templates.settings.data_dir / f".{made}-{uuid.uuid4().hex[:8]}.mp4"
    try:
        with telling_no_room("the disk has no room for the larger template"):
            await _write(template, upscaler, draft, report)
            name = name or name_of(f"{base.name}, twice the size")
            info = await templates.add(
                draft, name, report, face=base.face, identity=made, recipe=recipe, actions=base.actions
            )
    finally:
        draft.unlink(missing_ok=True)
    return Enlarged(info, upscaler.name)


def enlarged_id(identity: str, name: str | None, engine: str) -> str:
    """The id of the template that `enlarge` makes with that engine; of `name`, if it is given one."""
    digest = hashlib.sha256(f"{identity} x2 {engine}".encode()).hexdigest()
    return made_id(identity, digest, name)


async def _write(
    template: Template, upscaler: LoadedEngine[Upscaler], path: Path, report: StepReport
) -> None:
    """Write the enlarged clip, telling of every tile."""
    tiles, cpu, done = Tiles(upscaler.engine, 2), Worker("clip"), 0
    writer: ClipWriter | None = None
    try:
        writer = await cpu.call(ClipWriter, path, 2 * template.width, 2 * template.height, template.fps)
        for number in range(len(template)):
            planes = await cpu.call(template.planes, number)
            async with aclosing(upscaler.steps(enlarging, tiles, planes)) as steps:
                async for large in steps:
                    done += large is None
                    if large is not None:
                        await cpu.call(writer.add_planes, large)
                        done = (number + 1) * tiles.count
                    report("enlarge", done, len(template) * tiles.count)
        await cpu.call(writer.close)
        writer = None
    finally:
        await asyncio.to_thread(cpu.close)
        if writer is not None:
            await asyncio.to_thread(lambda: writer.close(finish=False))
