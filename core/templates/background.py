"""Give a template another background: paint or read a picture, cut the person out, lay her over it, and take
the result into the library as a template like any other. Jobs on it cost what jobs on any template cost.
"""

import asyncio
import hashlib
import json
import math
import uuid
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from core.digest import sha256_of
from core.errors import BadInput, Stopped
from core.media.alpha import AlphaWriter
from core.media.child_process import check_source
from core.media.clip import new_clip
from core.media.foreign import read_picture
from core.media.planes import to_i420, whole_bgr
from core.media.results import ALPHA, beside, result
from core.protocols import Matting, Painter, Painting, PaintOrder
from core.runtime.worker import on_loop
from core.serving.engine_pool import EnginePool
from core.serving.loaded import LoadedEngine
from core.templates import scene
from core.templates.cutting import long, mattes_of, matting_for, stoppable
from core.templates.info import made_id, name_of
from core.templates.library import TemplateInfo, Templates
from core.templates.matte_clip import Mattes
from core.templates.mattes import first_matte
from core.templates.scene import Fitting, Ground
from core.templates.template import StepReport, Template
from core.types import Image

T = TypeVar("T")

PROMPT_LIMIT = 1000
"""Characters of a prompt. Painters read the first two hundred or so."""

Preview = Callable[[Image], None]
"""Called with the first frame as it will be, before the others are made. From a worker's thread."""


@dataclass(frozen=True, slots=True)
class Background:
    """What is to be behind the person: `picture` (a file), or what `prompt` tells a painter.

    paint, matte: engine names or "auto". fit, focus, blur, and tone, wander: see `core.templates.scene`.
    negative, steps, guidance, seed: for the painter (`core.protocols.PaintOrder`).
    """

    prompt: str | None = None
    picture: Path | None = None
    paint: str = "auto"
    matte: str = "auto"
    fit: Fitting = "cover"
    focus: tuple[float, float] = (0.5, 0.5)
    blur: float = 0.0
    tone: bool = True
    wander: bool = False
    negative: str = ""
    seed: int = 0
    steps: int | None = None
    guidance: float | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """A template with a new background. engines: what painted and cut out. about: what was painted."""

    info: TemplateInfo
    engines: dict[str, str]
    about: str = ""


class Backgrounds:
    """Makes templates out of the templates of one library. Two at once on one template share its mattes."""

    def __init__(self, pool: EnginePool, templates: Templates) -> None:
        self._pool = pool
        self._templates = templates

    async def make(
        self,
        identity: str,
        wanted: Background,
        name: str | None = None,
        *,
        identity_new: str | None = None,
        report: StepReport,
        preview: Preview = lambda _image: None,
    ) -> Made:
        """A new template: the person of template `identity` before another background.

        name, identity_new: of the new one; without them they are made of the old ones and the wish. Asking
        for the same again gives the template that is there. Raises BadInput for a wish or a template that
        cannot be used, EngineUnavailable, StorageFull. A failure leaves nothing but finished mattes.
        """
        check(wanted)
        painter = await self._pool.painter(wanted.paint) if wanted.picture is None else None
        template = await self._templates.open(identity, report=report)
        matting = await matting_for(self._pool, wanted.matte, template)
        engines = {loaded.kind: loaded.name for loaded in (painter, matting) if loaded}
        base = self._templates.show(identity)
        recipe = await asyncio.to_thread(_recipe, base, wanted, painter, matting)
        if identity_new is None:
            identity_new = made_id(identity, recipe, name)
        there = self._templates.made(identity_new, recipe)
        if there is not None:
            return Made(there, engines)
        painting, ground = await self._ground(wanted, painter, template, report)
        sharp = await matting.call(first_matte, template)
        still = whole_bgr(template.planes(0))
        if wanted.tone:
            ground = await asyncio.to_thread(scene.toned, ground, still, sharp)
        seen = ground.at(0.5, template.width, template.height)
        preview(await asyncio.to_thread(scene.layered, still, sharp, seen))
        mattes = await mattes_of(template, matting, self._templates, report)
        draft = mattes.with_name(f".{identity_new}-{uuid.uuid4().hex[:8]}.mp4")
        try:
            await long(partial(compose, template, mattes, ground, draft, on_loop(report)))
            name = name or name_of(
                f"{base.name}: {wanted.prompt or (wanted.picture and wanted.picture.stem)}"
            )
            info = await self._templates.add(
                draft, name, report, identity=identity_new, recipe=recipe, actions=base.actions
            )
        finally:
            draft.unlink(missing_ok=True)
        return Made(info, engines, painting.about if painting else "")

    async def cut_out(self, identity: str, path: Path, matte: str, report: StepReport) -> dict[str, str]:
        """Write the person of template `identity` alone, with alpha, to `path` (.webm or .mov), for work
        elsewhere; returns the engines used. Raises BadInput, StorageFull.
        """
        if path.suffix.lower() not in ALPHA:
            raise BadInput(
                "unknown_alpha_format",
                f"{path.name}: alpha is kept in .webm (VP9) or .mov (ProRes 4444); name the file so",
                "alpha",
            )
        result(path, ALPHA, kept=[self._templates.settings.data_dir / "templates"])
        template = await self._templates.open(identity, report=report)
        matting = await matting_for(self._pool, matte, template)
        mattes = await mattes_of(template, matting, self._templates, report)
        await long(partial(_write_alpha, template, mattes, path, on_loop(report)))
        return {matting.kind: matting.name}

    async def _ground(
        self,
        wanted: Background,
        painter: LoadedEngine[Painter] | None,
        template: Template,
        report: StepReport,
    ) -> tuple[Painting | None, Ground]:
        """The background at the template's size."""
        width, height, told = template.width, template.height, on_loop(report)
        painting = None
        if wanted.picture is not None:
            pixels = await read_picture(wanted.picture, most=2 * max(width, height))
        else:
            assert painter is not None and wanted.prompt is not None  # noqa: S101, PT018  # `check` has seen to it
            order = PaintOrder(
                wanted.prompt, width, height, wanted.negative, wanted.seed, wanted.steps, wanted.guidance
            )
            painting = await stoppable(lambda stopped: painter.call(_paint, order, told, stopped))
            opaque = np.full((*painting.picture.shape[:2], 1), 255, np.uint8)
            pixels = np.dstack([painting.picture, opaque])

        def fit() -> Ground:
            return scene.fitted(
                pixels,
                width,
                height,
                fit=wanted.fit,
                focus=wanted.focus,
                blur=wanted.blur,
                wander=wanted.wander,
            )

        return painting, await asyncio.to_thread(fit)


def check(wanted: Background) -> None:
    """Raises BadInput for a background that no engine could make."""
    if (wanted.prompt is None) == (wanted.picture is None):
        raise BadInput("prompt_or_image", "give either a prompt or a picture", "prompt")
    if wanted.prompt is not None and not wanted.prompt.strip():
        raise BadInput("empty_prompt", "the prompt is empty; say what should be behind the person", "prompt")
    for name in ("prompt", "negative"):
        length = len(getattr(wanted, name) or "")
        if length > PROMPT_LIMIT:
            raise BadInput(
                "prompt_too_long", f"the {name} has {length} characters; {PROMPT_LIMIT} are allowed", name
            )
    for name, value, least, most in (
        ("focus", wanted.focus[0], 0, 1),
        ("focus", wanted.focus[1], 0, 1),
        ("blur", wanted.blur, 0, 1),
        ("steps", 1 if wanted.steps is None else wanted.steps, 1, 150),
        ("guidance", 0 if wanted.guidance is None else wanted.guidance, 0, 30),
        ("seed", wanted.seed, 0, 2**31 - 1),
    ):
        if not (math.isfinite(value) and least <= value <= most):
            raise BadInput("out_of_range", f"{name} is {value:g}; {least} to {most} is allowed", name)
    if wanted.fit not in ("cover", "contain", "stretch"):
        raise BadInput("unknown_fit", f"fit is cover, contain or stretch, not {wanted.fit[:40]!r}", "fit")


def _recipe(
    base: TemplateInfo,
    wanted: Background,
    painter: LoadedEngine[Painter] | None,
    matting: LoadedEngine[Matting],
) -> str:
    """Hash of all that the result depends on."""
    content = None
    if wanted.picture is not None:
        try:
            check_source(wanted.picture)
            content = sha256_of(wanted.picture)
        except BadInput as error:
            raise BadInput(error.code, error.message, "image") from error
    plain = replace(wanted, picture=None, paint="", matte="")
    parts = [base.sha256, scene.VERSION, repr(plain), content, painter and painter.key, matting.key]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _paint(engine: Painter, order: PaintOrder, report: StepReport, stopped: Callable[[], bool]) -> Painting:
    return engine.paint(order, lambda done, total: report("paint", done, total), stopped)


def compose(
    template: Template,
    mattes: Path,
    ground: Ground,
    path: Path,
    report: StepReport,
    stopped: Callable[[], bool],
) -> None:
    """Write the clip `path` of the person before `ground`. Blocking; one frame at a time is in memory.

    mattes: the file that `core.templates.mattes.make_mattes` wrote. Raises Stopped after `stopped` says yes;
    then, and after any failure, `path` is not left behind.
    """
    count, size = len(template), (template.width, template.height)
    with (
        closing(Mattes(mattes, cache_bytes=0)) as seen,
        new_clip(path, *size, template.fps) as clip,
    ):
        for number in range(count):
            if stopped():
                raise Stopped("composing was stopped")
            behind = ground.at(number / max(1, count - 1), *size)
            picture = scene.layered(whole_bgr(template.planes(number)), seen.of(number), behind)
            clip.add_planes(to_i420(picture))
            report("compose", number + 1, count)


def _write_alpha(
    template: Template, mattes: Path, path: Path, report: StepReport, stopped: Callable[[], bool]
) -> None:
    """Write the cut-out person. Blocking."""
    draft = beside(path.resolve(), path.suffix.lower())
    seen = Mattes(mattes, cache_bytes=0)
    writer = AlphaWriter(draft, template.width, template.height, template.fps)
    try:
        for number in range(len(template)):
            if stopped():
                raise Stopped("writing was stopped")
            writer.add(scene.cut_out(whole_bgr(template.planes(number)), seen.of(number)))
            report("alpha", number + 1, len(template))
        writer.close()
        draft.replace(path.resolve())
    except BaseException:
        writer.close(finish=False)
        draft.unlink(missing_ok=True)
        raise
    finally:
        seen.close()
