"""The templates of one data folder: add, list, show, remove, and open for a job.

    templates/<id>/template.json     what it is
    templates/<id>/source.<suffix>   the file as it came
    templates/<id>/prepared/<key>/   one preparation: video.mp4, track.npz, one .npz an engine

A preparation is made under another name and renamed when whole, so it is there or it is not.
A file that is used once is prepared in a folder `.once-...` beside them, which goes with the job.
"""

import asyncio
import math
import os
import re
import shutil
import tempfile
import time
import uuid
from collections import OrderedDict
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from weakref import WeakValueDictionary

from core.config import Settings
from core.errors import BadInput
from core.faces.choice import AUTO, check_choice
from core.protocols import FaceEnhancer, FaceFinder, LipsyncEngine
from core.runtime.worker import on_loop
from core.serving.engine_pool import EnginePool
from core.serving.loaded import LoadedEngine
from core.templates import sample
from core.templates.info import (
    TemplateInfo,
    checked_name,
    every,
    keep_info,
    kept_info,
    name_of_file,
    new_id,
    template_id,
    template_info,
)
from core.templates.info import unknown_template as unknown
from core.templates.preparation import Learner, Wanted, prepare
from core.templates.sample import SAMPLE
from core.templates.template import StepReport, Template
from core.templates.walk import Actions

__all__ = ["SAMPLE", "TemplateInfo", "Templates", "template_id"]

_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_DRAFT_S = 86_400
"""How long a draft may lie untouched before it is nobody's."""


def _nothing(_step: str, _done: int, _total: int | None) -> None:
    """Report to nobody."""


class Templates:
    """The template library of `settings.data_dir`.

    Prepared templates stay open for the next job, `settings.templates_open` of them.
    """

    def __init__(self, settings: Settings, pool: EnginePool) -> None:
        self.settings = settings
        self.pool = pool
        self._folder = settings.data_dir / "templates"
        self._open: OrderedDict[tuple[str, str, str], Template] = OrderedDict()
        # By name, and only while somebody holds or awaits it.
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._kept: dict[str, tuple[int, ...]] = {}  # what a file kept as a template was like then

    async def add(
        self,
        source: Path,
        name: str | None = None,
        report: StepReport = _nothing,
        *,
        face: str = AUTO,
        identity: str | None = None,
        recipe: str = "",
        actions: Actions | None = None,
    ) -> TemplateInfo:
        """Take `source` (a video or a picture) into the library and prepare it with the default engines.

        name: for people; the id is made from it (from the file's name if None), unless `identity` is given.
        recipe, actions: see `TemplateInfo`. The same file under the same name again changes nothing. face:
        whose face is meant: auto, largest, central, or a number as `core.faces.people.look` counts them.
        Raises BadInput for an unusable file, one without that face, or an id that is taken by another file.
        """
        check_choice(face)
        name = name_of_file(source.name) if name is None else checked_name(name)
        identity = self.new_id(name) if identity is None else identity
        info = replace(await template_info(source, identity, name, face), recipe=recipe, actions=actions)
        async with self.lock(identity):
            folder = self._folder / identity
            if folder.exists():
                there = kept_info(folder)
                if (there.sha256, there.face) == (info.sha256, face):
                    return there
                raise BadInput(
                    "template_exists",
                    f"there is another template {identity!r} already; give another name, or remove it first",
                    "name",
                )
            await self._install(info, source, report)
            return kept_info(folder)

    async def _install(
        self, info: TemplateInfo, source: Path, report: StepReport, *, anew: bool = False
    ) -> None:
        """Copy, prepare, and only then give it its name: a file that is refused leaves nothing."""
        self._folder.mkdir(parents=True, exist_ok=True)
        draft = self._folder / f".{info.id}-{uuid.uuid4().hex[:8]}"
        draft.mkdir()
        try:
            await asyncio.to_thread(shutil.copyfile, source, draft / info.source)
            face, engines = await self._engines(None, None)
            wanted = Wanted(info, draft / info.source, draft, None, None)
            template = await self._prepare(wanted, face, engines, report)
            template.close()  # jobs open it where it then lies
            keep_info(replace(info, warnings=info.warnings + template.remarks), draft)
            if anew and (self._folder / info.id).exists():
                # Both names in one step of the loop: no job finds none of them.
                gone = self._set_aside(info.id)
                draft.rename(self._folder / info.id)
                await asyncio.to_thread(shutil.rmtree, gone, ignore_errors=True)
            else:
                draft.rename(self._folder / info.id)
        finally:
            await asyncio.to_thread(shutil.rmtree, draft, ignore_errors=True)

    async def keep(
        self,
        source: Path,
        identity: str,
        name: str,
        report: StepReport = _nothing,
        *,
        sha256: str | None = None,
    ) -> TemplateInfo:
        """Have `source` in the library as `identity`: prepared if it is not yet there, anew if it changed.

        A file that is as it was when last kept is not even read. Jobs keep what they have open.
        sha256: of the source, if known; if the library has that, the source need not be there any more.
        Raises BadInput like `add`.
        """
        folder = self._folder / identity
        async with self.lock(f"keep {identity}"):
            if sha256 is not None and folder.exists() and kept_info(folder).sha256 == sha256:
                os.utime(folder)
                return kept_info(folder)
            state = _state(source)
            if state is not None and self._kept.get(identity) == state and folder.exists():
                return kept_info(folder)
            info = await template_info(source, identity, name, AUTO)
            if not folder.exists() or kept_info(folder).sha256 != info.sha256:
                await self._install(info, source, report, anew=True)
            if state is not None:
                self._kept[identity] = state
            return kept_info(folder)

    async def trim(self, beginning: str, most: int, unused_s: float = math.inf) -> None:
        """Remove templates whose id has this beginning, but for the `most` used last, and of those what
        has not been used for so many seconds; and drafts of processes that were killed, after a day."""
        oldest = time.time() - unused_s
        drafts = [*self._folder.glob(".*"), *self._folder.glob("*/prepared/.*")]
        await asyncio.to_thread(_sweep, drafts, time.time() - _DRAFT_S)
        found = sorted((path.stat().st_mtime, path) for path in self._folder.glob(f"{beginning}*/"))
        for place, (used, path) in enumerate(reversed(found)):
            if place >= most or used < oldest:
                with suppress(BadInput):  # somebody else removed it
                    await self.remove(path.name)

    def new_id(self, name: str) -> str:
        """The id for a template of this name: another's only if that has the same name."""
        return new_id(self._folder, name)

    def all(self) -> list[TemplateInfo]:
        """Every template, `sample` first, then by id; `sample` is listed once it has been made."""
        return sorted(every(self._folder), key=lambda info: (info.id != SAMPLE, info.id))

    def show(self, identity: str) -> TemplateInfo:
        """Raises BadInput `unknown_template` if there is none of this id."""
        if not _ID.fullmatch(identity) or not (self._folder / identity / "template.json").is_file():
            if identity == SAMPLE:
                told = f"the template {SAMPLE!r} is drawn for the first video with it"
                raise BadInput("unknown_template", told, "template")
            raise unknown(identity, [SAMPLE, *(info.id for info in self.all())])
        return kept_info(self._folder / identity)

    def made(self, identity: str, recipe: str) -> TemplateInfo | None:
        """The template of this id, if it was made by this recipe; None if there is none yet.

        Raises BadInput `template_exists` if the id is another's.
        """
        try:
            there = self.show(identity)
        except BadInput:
            return None
        if there.recipe == recipe:
            return there
        message = f"there is another template {identity!r} already; give another name, or remove it first"
        raise BadInput("template_exists", message, "name")

    async def rename(self, identity: str, name: str) -> TemplateInfo:
        """Give a template another name for people; its id stays, and jobs with it.

        Raises BadInput `unknown_template`, `sample_template`, `bad_name`.
        """
        name = checked_name(name)
        if identity == SAMPLE:
            raise BadInput("sample_template", f"{SAMPLE} has its name; it cannot get another", "template")
        async with self.lock(f"{identity} renaming"):
            info = replace(self.show(identity), name=name)
            await asyncio.to_thread(keep_info, info, self._folder / identity)
        return info

    async def remove(self, identity: str) -> None:
        """Delete a template and its preparations; running jobs keep what they have open.

        Raises BadInput `unknown_template`, `sample_template`.
        """
        if identity == SAMPLE:
            raise BadInput("sample_template", f"{SAMPLE} is always there; it cannot be removed", "template")
        self.show(identity)
        async with AsyncExitStack() as locks:
            held, more = set[str](), [f"{identity} removing"]  # that first: of two who remove it one waits
            while more:  # somebody may have begun meanwhile
                for name in more:
                    await locks.enter_async_context(self.lock(name))
                held.update(more)
                more = [
                    name for name in self._locks if name.partition(" ")[0] == identity and name not in held
                ]
            self.show(identity)
            await asyncio.to_thread(shutil.rmtree, self._set_aside(identity), ignore_errors=True)

    def lock(self, name: str) -> asyncio.Lock:
        """A lock for work on a template, which a removal waits for. name: the id, a blank, the work."""
        return self._locks.setdefault(name, asyncio.Lock())

    def _set_aside(self, identity: str) -> Path:
        """Take a template's name from it; where it lies now."""
        for key in [key for key in self._open if key[0] == identity]:
            del self._open[key]
        gone = self._folder / f".{identity}-{uuid.uuid4().hex[:8]}"
        (self._folder / identity).rename(gone)
        return gone

    async def open(
        self,
        identity: str,
        *,
        fps: int | None = None,
        size: tuple[int, int] | None = None,
        lipsync: LoadedEngine[LipsyncEngine] | None = None,
        enhance: LoadedEngine[FaceEnhancer] | None = None,
        report: StepReport = _nothing,
    ) -> Template:
        """The template, prepared at `fps` and `size` for these engines; prepares it now if it is not yet."""
        if identity == SAMPLE and not (self._folder / SAMPLE).exists():
            await self._draw_sample(report)
        face, engines = await self._engines(lipsync, enhance)
        info = self.show(identity)
        folder = self._folder / identity
        wanted = Wanted(info, folder / info.source, folder, fps, size)
        key = wanted.key(face)
        # A lock for each preparation: a job need not wait for one at another rate or size.
        async with self.lock(f"{identity} {key}"):
            self.show(identity)  # it may have been removed meanwhile
            with suppress(OSError):  # another's
                os.utime(folder)  # it is used: see `trim`
            slot = (identity, key, "+".join(loaded.key for loaded in engines))
            template = self._open.get(slot)
            if template is None:
                template = await self._prepare(wanted, face, engines, report)
                self._open[slot] = template
                while len(self._open) > self.settings.templates_open:
                    self._open.popitem(last=False)  # closed when the last job lets go of it
            self._open.move_to_end(slot)
        return template

    @asynccontextmanager
    async def once(
        self,
        source: Path,
        *,
        face: str = AUTO,
        fps: int | None = None,
        size: tuple[int, int] | None = None,
        lipsync: LoadedEngine[LipsyncEngine] | None = None,
        enhance: LoadedEngine[FaceEnhancer] | None = None,
        report: StepReport = _nothing,
    ) -> AsyncGenerator[Template, None]:
        """The file `source` as a template for one job; nothing of it is kept. Raises BadInput like `add`."""
        check_choice(face)
        info = await template_info(source, "once", source.stem, face)
        self._folder.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".once-", dir=self._folder))
        try:
            finder, engines = await self._engines(lipsync, enhance)
            template = await self._prepare(Wanted(info, source, folder, fps, size), finder, engines, report)
            try:
                yield template
            finally:
                template.close()
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _engines(
        self, lipsync: LoadedEngine[LipsyncEngine] | None, enhance: LoadedEngine[FaceEnhancer] | None
    ) -> tuple[LoadedEngine[FaceFinder], list[Learner]]:
        """The face finder, and the engines that shall learn a template: those given, else the defaults."""
        settings, pool = self.settings, self.pool
        return await pool.face(settings.face), [
            lipsync or await pool.lipsync(settings.lipsync),
            enhance or await pool.enhancer(settings.enhance),
        ]

    async def _prepare(
        self, wanted: Wanted, face: LoadedEngine[FaceFinder], engines: Sequence[Learner], report: StepReport
    ) -> Template:
        cache_bytes = self.settings.frame_cache_mb << 20
        return await prepare(wanted, face, engines, cache_bytes=cache_bytes, report=report)

    async def _draw_sample(self, report: StepReport) -> None:
        async with self.lock(f"{SAMPLE} drawing"):
            if (self._folder / SAMPLE).exists():
                return
            self._folder.mkdir(parents=True, exist_ok=True)
            clip = self._folder / f".{SAMPLE}-{uuid.uuid4().hex[:8]}.mp4"
            try:
                await asyncio.to_thread(sample.draw, clip, on_loop(report))
                await self.add(clip, SAMPLE, report, identity=SAMPLE)
            finally:
                clip.unlink(missing_ok=True)


def _sweep(drafts: Iterable[Path], oldest: float) -> None:
    for draft in drafts:
        with suppress(OSError):  # its owner was quicker
            if draft.stat().st_mtime < oldest:
                shutil.rmtree(draft) if draft.is_dir() else draft.unlink()


def _state(path: Path) -> tuple[int, ...] | None:
    """What is different if the file has changed; None if that cannot be said, as it changed just now."""
    seen = path.stat()
    # Two changes within the clock's step look like one.
    recent = time.time() - seen.st_mtime < 1
    return None if recent else (seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns)
