"""The engines this process has loaded, each on its own thread.

An engine is made when first asked for and serves every job until the studio closes.
"""

import asyncio
import logging
import os
import re
from collections.abc import Collection, Container, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Self

from core.config import Settings
from core.engines import ENGINES, choose, load, voices_of
from core.engines.gpt_sovits.settings import VoiceSettings
from core.engines.gpt_sovits.voices import list_voices
from core.engines.neural import NeuralSettings
from core.errors import BadInput, EngineUnavailable
from core.installation import install_command
from core.protocols import Drawing, DrawsTogether, Measured
from core.runtime.batching import Batcher
from core.runtime.worker import Worker
from core.serving.processes import EngineCalls, InThread, Processes, ProcessSpec, Remote, described
from core.serving.voice_cloning import take_default
from core.types import Image, Voice

log = logging.getLogger(__name__)

CLONED = "gpt-sovits"
"""The engine that speaks with the user's own voices."""


@dataclass(frozen=True, slots=True)
class LoadedEngine:
    """An engine (`core.protocols` says which kind can do what) and the only thread that may enter it."""

    kind: str
    name: str
    engine: Any
    worker: Worker
    team: EngineCalls
    """How stages call the engine, wherever it is."""
    together: Batcher[Drawing, Image] | None = None
    """Joins the calls of all jobs, for a lips engine that is `DrawsTogether`."""

    @property
    def key(self) -> str:
        """Name and version, as they stand in the names of caches."""
        return re.sub(r"[^\w.-]+", "-", f"{self.kind}-{self.name}-{self.engine.version}")

    def jobs(self) -> int:
        """Jobs whose calls it joins at the moment."""
        return 0 if self.together is None else self.together.members


class EnginePool:
    """Engines and their workers; an async context manager that closes them together."""

    def __init__(
        self,
        weights: Container[str] | None = None,
        enhance_devices: Sequence[str] | None = None,
        settings: Settings | None = None,
    ) -> None:
        """weights: names of the checkpoints that are there; None looks where downloads lie.

        enhance_devices: as the setting; None is the setting. settings: say which engine of a kind is meant by
        "auto"; None reads them.
        """
        neural = NeuralSettings()
        self.weights = neural.weights() if weights is None else weights
        self._devices = neural.enhance_devices if enhance_devices is None else enhance_devices
        self._device = neural.device
        self.settings: Settings = settings or neural
        self._told: set[str] = set()
        self._passed: set[str] = set()  # speech engines that turned out too slow for auto
        self._lips_devices = neural.devices
        self._staffed: dict[tuple[str, str], list[LoadedEngine]] = {}  # the next to be given first
        self._lock = asyncio.Lock()

    async def engine(self, kind: str, wanted: str = "auto") -> LoadedEngine:
        """The engine `wanted` of `kind`, loaded if it was not yet.

        "auto" is what the settings say; where they say auto too, of speech engines the first one of `speech`.
        Raises EngineUnavailable or BadInput like `core.engines.choose`.
        """
        wanted = self._meant(kind, wanted)
        if kind != "speech" or wanted != "auto":
            return await self._engine(kind, self.choose(kind, wanted))
        return await self.speech()

    async def speech(
        self, wanted: str = "auto", voice: str | None = None, languages: Collection[str] = ()
    ) -> LoadedEngine:
        """The speech engine `wanted`, loaded; "auto" is the first that can run and has `voice`.

        voice: None is the engine's first. languages: of the text; "auto" passes over an engine whose first
        voice does not read all of them, one that has no voice yet, is a server that does not answer, or too
        slow here (`Measured`), and says so once. Raises EngineUnavailable for a cloned voice whose engine
        cannot run.
        """
        wanted = self._meant("speech", wanted)
        if wanted != "auto":
            return await self._engine("speech", self.choose("speech", wanted))
        if voice is not None:
            if (found := await self._with_voice(voice)) is not None:
                return found
            if any(record.name == voice for record in list_voices(VoiceSettings().voices_dir)):
                self.choose("speech", CLONED)  # it is there and cannot speak: this says what is missing
        *better, last = self._runnable("speech")
        for name in better:
            if name in self._passed or not _reads(voices_of(name), languages):
                continue
            try:
                staffed = await self._engine("speech", name)
            except EngineUnavailable as error:
                self._tell(name, str(error))
                continue
            if isinstance(staffed.engine, Measured) and (why := staffed.engine.too_slow()):
                self._passed.add(name)
                self._tell(name, f"auto does not take {name}: {why}")
            elif (voices := staffed.engine.voices()) and _reads(voices, languages):
                return staffed
        return await self._engine("speech", last)

    async def _with_voice(self, voice: str) -> LoadedEngine | None:
        """The first speech engine that can run and has `voice`; nothing is loaded that is known not to."""
        for name in self._runnable("speech"):
            known = voices_of(name)
            if known and all(voice != one.name for one in known):
                continue
            with suppress(EngineUnavailable):
                found = await self._engine("speech", name)
                if has_voice(found, voice):
                    return found
        return None

    def _tell(self, name: str, why: str) -> None:
        if name not in self._told:  # once, not for every job
            self._told.add(name)
            log.warning("%s", why)

    def choose_speech(
        self, wanted: str = "auto", voice: str | None = None, languages: Collection[str] = ()
    ) -> str:
        """The name of the engine that `speech` gives, as far as it can be known without loading any."""
        if self._meant("speech", wanted) != "auto":
            return self.choose("speech", wanted)
        runnable = self._runnable("speech")
        if voice is not None:
            for name in runnable:
                loaded = self._staffed.get(("speech", name), [])
                if any(voice == one.name for one in voices_of(name)) or any(
                    has_voice(found, voice) for found in loaded
                ):
                    return name
            return self.choose("speech", wanted)
        fit = (n for n in runnable if n not in self._passed and _reads(voices_of(n), languages))
        return next(fit, runnable[-1])

    def speech_engines(self, wanted: str = "auto") -> list[str]:
        """The speech engines whose voices can be asked for: `wanted`, or for "auto" all that can run.

        Raises EngineUnavailable or BadInput like `core.engines.choose`.
        """
        meant = self._meant("speech", wanted)
        return self._runnable("speech") if meant == "auto" else [self.choose("speech", meant)]

    def can_run(self, kind: str, name: str) -> bool:
        """Whether this machine has what the engine needs."""
        return not ENGINES[kind][name].missing(self.weights)

    def choose(self, kind: str, wanted: str = "auto") -> str:
        """The name of the engine that `wanted` means here; see `core.engines.choose`."""
        return choose(kind, self._meant(kind, wanted), self.weights, self._device)

    def choose_all(
        self, wanted: Mapping[str, str], voice: str | None = None, languages: Collection[str] = ()
    ) -> dict[str, str]:
        """The names of the engines that `wanted` means, by kind; without those that cannot run here.

        voice, languages: who shall speak what, as in `choose_speech`.
        """
        chosen = {}
        for kind, name in wanted.items():
            with suppress(BadInput):  # told by whoever then asks for it
                speech = kind == "speech"
                chosen[kind] = (
                    self.choose_speech(name, voice, languages) if speech else self.choose(kind, name)
                )
        return chosen

    def _meant(self, kind: str, wanted: str) -> str:
        return str(getattr(self.settings, kind, "auto")) if wanted == "auto" else wanted

    def _runnable(self, kind: str) -> list[str]:
        return [name for name in ENGINES[kind] if self.can_run(kind, name)]

    async def _engine(self, kind: str, name: str) -> LoadedEngine:
        async with self._lock:
            staff = self._staffed.get((kind, name))
            if staff is None:
                if name == CLONED:
                    await take_default(VoiceSettings())
                staff = self._staffed[kind, name] = await self._staff(kind, name)
            found = min(staff, key=LoadedEngine.jobs)
            staff.remove(found)
            staff.append(found)
        return found

    async def _staff(self, kind: str, name: str) -> list[LoadedEngine]:
        """The engine, loaded; of a lips engine with a network, one a device, each for jobs of its own."""
        if kind == "enhance" and self._devices:
            return [await _in_processes(kind, name, self._devices)]
        if kind != "lipsync" or len(self._lips_devices) < 2 or "torch" not in ENGINES[kind][name].packages:
            return [await _in_thread(kind, name)]
        staff: list[LoadedEngine] = []
        try:
            for device in self._lips_devices:
                staff.append(await _in_thread(kind, name, device))
        except BaseException:
            for loaded in staff:
                await _dismiss(loaded)
            raise
        return staff

    async def __aenter__(self) -> Self:
        """Raises BadInput `unknown_device` for a device in the settings that this machine lacks."""
        await asyncio.to_thread(_check, [name for name in self._devices if name != "cpu"])
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for staff in self._staffed.values():
            for staffed in staff:
                await _dismiss(staffed)
        self._staffed.clear()


async def _dismiss(staffed: LoadedEngine) -> None:
    await asyncio.to_thread(staffed.worker.close)
    await staffed.team.close()


async def _close(engine: object) -> None:
    """Have an engine let go of what it holds, if it holds anything."""
    close = getattr(engine, "close", None)
    if close is not None:
        await asyncio.to_thread(close)


async def _in_thread(kind: str, name: str, device: str | None = None) -> LoadedEngine:
    """device: None is the setting's."""
    worker = Worker("-".join(filter(None, (kind, name, device))))
    options = {} if device is None else {"settings": NeuralSettings(device=device)}
    loading = asyncio.ensure_future(worker.call(partial(load, kind, name, **options)))
    try:
        engine = await asyncio.shield(loading)
    except BaseException:
        # Nobody waits any more, but the thread loads on to the end: its engine must be closed.
        await asyncio.to_thread(worker.close)
        for loaded in await asyncio.gather(loading, return_exceptions=True):
            await _close(loaded)
        raise
    together = _joining(engine, worker) if isinstance(engine, DrawsTogether) else None
    return LoadedEngine(kind, name, engine, worker, InThread(engine, worker), together)


async def _in_processes(kind: str, name: str, devices: Sequence[str]) -> LoadedEngine:
    """The engine in a process a device; those on the processor share its cores."""
    # A container may allow fewer than there are.
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    shares = max(1, cores // max(1, devices.count("cpu")))
    target = ENGINES[kind][name].target
    team = Processes([ProcessSpec(target, device, shares if device == "cpu" else 0) for device in devices])
    try:
        await team.start()
        engine = Remote(*await team.call(described), team)
    except BaseException:
        await team.close()
        raise
    return LoadedEngine(kind, name, engine, Worker(f"{kind}-{name}"), team)


def _check(devices: Sequence[str]) -> None:
    if not devices:
        return
    try:
        from core.engines.compute.devices import device_of  # brings torch
    except ImportError:
        raise BadInput(
            "unknown_device",
            f"there is no device {devices[0]!r} without torch; get it with: {install_command('neural')}, "
            'or set enhance_devices to ["cpu"]',
            "enhance_devices",
        ) from None
    for device in devices:
        device_of(device)


def has_voice(speech: LoadedEngine, name: str) -> bool:
    """Whether a speech engine has the voice."""
    return any(voice.name == name for voice in speech.engine.voices())


def _reads(voices: Sequence[Voice], languages: Collection[str]) -> bool:
    """Whether the first of `voices` reads all of the languages; True where there is none to ask."""
    return not voices or all(language in voices[0].languages for language in languages)


def _joining(engine: DrawsTogether, worker: Worker) -> Batcher[Drawing, Image]:
    """One for all jobs of an engine; a frame waits for another job's for no longer than a frame lasts."""
    return Batcher(
        worker,
        engine.draw_together,
        size=lambda wanted: len(wanted.frames),
        limit=engine.together,
        bound_s=lambda wanted: 1 / wanted.fps,
    )
