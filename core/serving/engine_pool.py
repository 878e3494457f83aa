"""The engines this process has loaded.

An engine is made when first asked for and serves every job until the pool closes.
"""

import asyncio
import logging
import math
import time
from collections import defaultdict
from collections.abc import Collection, Container, Mapping, Sequence
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, Self

from core.config import Settings, nearest
from core.engines import ENGINES, choose, load, voices_of
from core.engines.gpt_sovits.settings import VoiceSettings
from core.engines.gpt_sovits.voices import list_voices
from core.engines.neural import NeuralSettings
from core.errors import BadInput, EngineUnavailable
from core.installation import install_command
from core.protocols import (
    FaceEnhancer,
    FaceFinder,
    LipsyncEngine,
    Matting,
    Measured,
    Painter,
    SpeechEngine,
    Upscaler,
)
from core.runtime.processor import cores
from core.runtime.worker import Worker
from core.serving.loaded import LoadedEngine, close_engine, has_voice, on_thread, voices
from core.serving.processes import Processes, ProcessSpec, described
from core.serving.verdicts import Verdicts
from core.serving.voice_cloning import take_default
from core.types import Voice

log = logging.getLogger(__name__)

RETRY_S = 60.0
"""Seconds for which what could not be loaded, such as a server that does not answer, is not tried again."""

CLONED = "gpt-sovits"
"""The engine that speaks with the user's own voices."""

_CLONING = (CLONED, "gpt-sovits-http")


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
        self._verdicts = Verdicts(self.settings.data_dir)
        self._lips_devices = neural.devices
        self._engines: dict[tuple[str, str], list[LoadedEngine[Any]]] = {}  # the next to be given first
        self._locks: defaultdict[tuple[str, str], asyncio.Lock] = defaultdict(asyncio.Lock)
        self._failed: dict[tuple[str, str], tuple[float, EngineUnavailable]] = {}

    # Each loads the engine that is wanted, if it was not loaded yet. "auto" is what the settings say. Each
    # raises EngineUnavailable or BadInput like `core.engines.choose`. What ENGINES has under a kind does that
    # kind's work: this is the one place where types are taken on trust.

    async def face(self, wanted: str = "auto") -> LoadedEngine[FaceFinder]:
        """What finds faces."""
        return await self._loaded("face", wanted)

    async def lipsync(self, wanted: str = "auto") -> LoadedEngine[LipsyncEngine]:
        """What draws lips; if it is on several devices, there where the fewest jobs are."""
        return await self._loaded("lipsync", wanted)

    async def enhancer(self, wanted: str = "auto") -> LoadedEngine[FaceEnhancer]:
        """What makes faces clearer."""
        return await self._loaded("enhance", wanted)

    async def upscaler(self, wanted: str = "auto") -> LoadedEngine[Upscaler]:
        """What makes pictures larger."""
        return await self._loaded("upscale", wanted)

    async def matting(self, wanted: str = "auto") -> LoadedEngine[Matting]:
        """What tells a person from the background."""
        return await self._loaded("matte", wanted)

    async def painter(self, wanted: str = "auto") -> LoadedEngine[Painter]:
        """What paints backgrounds."""
        return await self._loaded("paint", wanted)

    async def speech(
        self, wanted: str = "auto", voice: str | None = None, languages: Collection[str] = ()
    ) -> LoadedEngine[SpeechEngine]:
        """The speech engine `wanted`, loaded; "auto" is the first that can run and has `voice`.

        voice: None is the engine's first. languages: of the text; "auto" passes over an engine whose first
        voice does not read all of them, one that has no voice yet, is a server that does not answer, or too
        slow here (`Measured`), and says so once. Raises EngineUnavailable for a cloned voice whose engine
        cannot run, BadInput `unknown_voice` for a voice that is nowhere.
        """
        wanted = self._meant("speech", wanted)
        if wanted != "auto":
            return await self._speech(self.choose("speech", wanted))
        if voice is not None:
            if (found := await self._with_voice(voice)) is not None:
                return found
            kept = await asyncio.to_thread(lambda: list_voices(VoiceSettings().voices_dir))
            if all(record.name != voice for record in kept):
                raise await self._no_such(voice, languages)
            self.choose("speech", CLONED)  # it is there and cannot speak: this says what is missing
        *better, last = self._runnable("speech")
        for name in better:
            if name in self._passed or not _reads(voices_of(name), languages):
                continue
            if why := await asyncio.to_thread(self._verdicts.why, name):
                self._pass_over(name, why)
                continue
            try:
                found = await self._speech(name)
            except EngineUnavailable as error:
                self._tell(name, str(error))
                continue
            if isinstance(found.engine, Measured) and (why := found.engine.too_slow()):
                self._pass_over(name, why)
                await asyncio.to_thread(self._verdicts.keep, name, why)
            elif (known := await voices(found)) and _reads(known, languages):
                return found
        return await self._speech(last)

    async def engine(self, kind: str, wanted: str = "auto") -> LoadedEngine[object]:
        """The same for whoever knows the kind only when it runs: to have it loaded."""
        return await self.speech(wanted) if kind == "speech" else await self._loaded(kind, wanted)

    async def _with_voice(self, voice: str) -> LoadedEngine[SpeechEngine] | None:
        """The first speech engine that can run and has `voice`; nothing is loaded that is known not to."""
        for name in self._runnable("speech"):
            known = voices_of(name)
            if known and all(voice != one.name for one in known):
                continue
            with suppress(EngineUnavailable):
                found = await self._speech(name)
                if await has_voice(found, voice):
                    return found
        return None

    async def _no_such(self, voice: str, languages: Collection[str]) -> BadInput:
        """Names the voice that was meant, or those that read the languages; cloned ones have owners."""
        there: dict[str, Voice] = {}
        for name in self._runnable("speech"):
            loaded = [] if name in _CLONING else self._engines.get(("speech", name), [])
            for one in voices_of(name) or [one for found in loaded for one in await voices(found)]:
                there.setdefault(one.name, one)
        reading = [one.name for one in there.values() if set(languages) <= set(one.languages)]
        message = f"there is no voice {voice[:80]!r}"
        if (meant := nearest(voice, there)) is not None:
            return BadInput("unknown_voice", f"{message}; did you mean {meant}?", "voice")
        return BadInput("unknown_voice", f"{message}; there are: {', '.join(reading or there)}", "voice")

    def _pass_over(self, name: str, why: str) -> None:
        self._passed.add(name)
        self._tell(name, f"auto does not take {name}: {why}")

    def _tell(self, name: str, why: str) -> None:
        if name not in self._told:  # once, not for every job
            self._told.add(name)
            log.warning("%s", why)

    def choose_speech(
        self, wanted: str = "auto", voice: str | None = None, languages: Collection[str] = ()
    ) -> str:
        """The name of the engine that `speech` gives, as far as it can be known without loading any.

        Looks at files: not for the loop.
        """
        if self._meant("speech", wanted) != "auto":
            return self.choose("speech", wanted)
        runnable = self._runnable("speech")
        if voice is not None:
            for name in runnable:
                loaded = self._engines.get(("speech", name), [])
                known = voices_of(name) or [v for found in loaded for v in found.engine.voices()]
                if any(voice == one.name for one in known):
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

        voice, languages: who shall speak what, as in `choose_speech`. Looks at files: not for the loop.
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

    async def _loaded(self, kind: str, wanted: str) -> LoadedEngine[Any]:
        return await self._engine(kind, self.choose(kind, wanted))

    async def _speech(self, name: str) -> LoadedEngine[SpeechEngine]:
        return await self._engine("speech", name)

    async def _engine(self, kind: str, name: str) -> LoadedEngine[Any]:
        # One lock an engine: whoever wants another does not wait while this one loads.
        async with self._locks[kind, name]:
            copies = self._engines.get((kind, name))
            if copies is None:
                copies = self._engines[kind, name] = await self._try_to_load(kind, name)
            found = min(copies, key=lambda loaded: loaded.calls.jobs)
            copies.remove(found)
            copies.append(found)
        return found

    async def _try_to_load(self, kind: str, name: str) -> list[LoadedEngine[Any]]:
        """Load it; one that could not be is not tried again for RETRY_S. Raises EngineUnavailable."""
        now = time.monotonic()
        tried, failure = self._failed.get((kind, name), (now, None))
        if failure is not None and now - tried < RETRY_S:
            left = f"it is tried again in {math.ceil(tried + RETRY_S - now)} s"
            raise EngineUnavailable(name, failure.missing, "; ".join(filter(None, (failure.remedy, left))))
        try:
            if name == CLONED:
                await take_default(VoiceSettings())
            return await self._load(kind, name)
        except EngineUnavailable as error:
            self._failed[kind, name] = time.monotonic(), error
            raise

    async def _load(self, kind: str, name: str) -> list[LoadedEngine[Any]]:
        """The engine, loaded; of a lips engine with a network, one a device, each for jobs of its own."""
        if kind == "enhance" and self._devices:
            return [await _in_processes(kind, name, self._devices)]
        if kind != "lipsync" or len(self._lips_devices) < 2 or "torch" not in ENGINES[kind][name].packages:
            return [await _in_thread(kind, name)]
        copies: list[LoadedEngine[Any]] = []
        try:
            for device in self._lips_devices:
                copies.append(await _in_thread(kind, name, device))
        except BaseException:
            for loaded in copies:
                await loaded.close()
            raise
        return copies

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
        for copies in self._engines.values():
            for loaded in copies:
                await loaded.close()
        self._engines.clear()


async def _in_thread(kind: str, name: str, device: str | None = None) -> LoadedEngine[Any]:
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
            await close_engine(loaded)
        raise
    return on_thread(kind, name, engine, worker)


async def _in_processes(kind: str, name: str, devices: Sequence[str]) -> LoadedEngine[Any]:
    """The engine in a process a device; those on the processor share its cores."""
    shares = max(1, cores() // max(1, devices.count("cpu")))
    target = ENGINES[kind][name].target
    calls = Processes[Any](
        [ProcessSpec(target, device, shares if device == "cpu" else 0) for device in devices]
    )
    try:
        await calls.start()
        engine = await calls.call(described)
    except BaseException:
        await calls.close()
        raise
    return LoadedEngine(kind, name, engine, Worker(f"{kind}-{name}"), calls, engine.version)


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


def _reads(voices: Sequence[Voice], languages: Collection[str]) -> bool:
    """Whether the first of `voices` reads all of the languages; True where there is none to ask."""
    return not voices or all(language in voices[0].languages for language in languages)
