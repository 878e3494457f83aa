"""Make a template twice as large, background and all, once: videos on it then cost no enlarging at all."""

import errno
import hashlib
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from core.engines.base import Upscaler
from core.errors import BadInput, Stopped, StorageFull
from core.media import write_clip
from core.planes import whole_bgr
from core.studio import Studio
from core.template import Report, Template, on_loop
from core.template_info import TemplateInfo, template_id
from core.templates import Templates
from core.types import Image

_MOST = 4096
"""Pixels of the longer side of what is made: what a template may have."""


@dataclass(frozen=True, slots=True)
class Enlarged:
    """A template of twice the size, and the engine that made it."""

    info: TemplateInfo
    engine: str


async def enlarge(
    identity: str,
    studio: Studio,
    templates: Templates,
    *,
    wanted: str = "auto",
    name: str | None = None,
    report: Report,
) -> Enlarged:
    """A new template: `identity` at twice the size, its frames enlarged by the engine `wanted`.

    Asking for the same again gives the template that is there. Its face is found anew, in the larger frames.
    Raises BadInput for a template that is too large already or a name that is taken, EngineUnavailable.
    """
    upscaler = await studio.engine("upscale", wanted)
    base = templates.show(identity)
    recipe = hashlib.sha256(f"{base.sha256} {base.face} {upscaler.key}".encode()).hexdigest()
    made = template_id(name) if name else f"{identity[:54]}-{recipe[:8]}"
    for there in templates.all():
        if there.id == made and there.recipe == recipe:
            return Enlarged(there, upscaler.name)
    template = await templates.open(identity, report=report)
    if 2 * max(template.width, template.height) > _MOST:
        raise BadInput(
            "template_too_large",
            f"{identity} is {template.width}x{template.height}; twice that is more than {_MOST} pixels",
            "id",
        )
    draft = templates.settings.data_dir / f".{made}-{uuid.uuid4().hex[:8]}.mp4"
    left = threading.Event()
    try:
        await upscaler.worker.call(_write, template, upscaler.engine, draft, on_loop(report), left.is_set)
        name = name or f"{base.name}, twice the size"[:100]
        info = await templates.add(draft, name, report, face=base.face, identity=made, recipe=recipe)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise StorageFull("the disk has no room for the larger template") from error
        raise
    finally:
        left.set()
        draft.unlink(missing_ok=True)
    return Enlarged(info, upscaler.name)


def _write(
    template: Template, engine: Upscaler, path: Path, report: Report, stopped: Callable[[], bool]
) -> None:
    """Write the enlarged clip. Blocking."""

    def frames() -> Iterator[Image]:
        for number in range(len(template)):
            if stopped():
                raise Stopped("enlarging was stopped")
            yield engine.enlarge(whole_bgr(template.planes(number)))
            report("enlarge", number + 1, len(template))

    write_clip(path, frames(), template.fps)
