"""An engine, loaded, and the one way to call it: `LoadedEngine.call`.

A call runs on the engine's thread, is sent to a process that holds the engine, or is joined with those of
other jobs; who calls cannot tell. Machines beyond this one would come in here, as another `EngineCalls`.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, cast

from core.protocols import (
    FIDELITY,
    Drawing,
    DrawsTogether,
    FaceEnhancer,
    Heard,
    LipsyncEngine,
    SpeechEngine,
    Style,
)
from core.runtime.batching import Batcher
from core.runtime.pipeline import map_ordered
from core.runtime.worker import Worker, on_loop
from core.types import Arrays, FaceTrack, Image, Sentence, Spoken, Voice

E = TypeVar("E")
E_co = TypeVar("E_co", covariant=True)
P = ParamSpec("P")
T = TypeVar("T")
R = TypeVar("R")


class EngineCalls(Protocol[E_co]):
    """How an engine is called, wherever it is.

    width: calls worth making at once: enough to keep it busy, and no more.
    """

    width: int

    async def call(
        self, function: Callable[Concatenate[E_co, P], T], *args: P.args, **options: P.kwargs
    ) -> T:
        """`function(engine, ...)`; all of it, and what comes of it, can be pickled. Raises what it raises."""
        ...

    async def patiently(
        self,
        function: Callable[Concatenate[E_co, Heard, P], T],
        report: Heard,
        *args: P.args,
        **options: P.kwargs,
    ) -> T:
        """`function(engine, report, ...)`, for what takes long and nobody watches: others' calls go first.

        report: called on this loop; from another process nothing is heard.
        """
        ...

    def joined(self) -> "AbstractContextManager[EngineCalls[E_co]]":
        """The calls of one job, which may be answered together with those of others."""
        ...

    @property
    def jobs(self) -> int:
        """Jobs whose calls are joined at the moment."""
        ...

    async def close(self) -> None:
        """Wait for what runs and let go of the engine."""
        ...


class InThread(Generic[E]):
    """An engine of this process, on the one thread that may enter it."""

    width = 1

    def __init__(self, engine: E, worker: Worker) -> None:
        self._engine, self._worker = engine, worker
        self._together = _batcher(engine, worker) if isinstance(engine, DrawsTogether) else None

    async def call(self, function: Callable[Concatenate[E, P], T], *args: P.args, **options: P.kwargs) -> T:
        """See `EngineCalls.call`."""
        return await self._worker.call(partial(function, self._engine, *args, **options))

    async def patiently(
        self,
        function: Callable[Concatenate[E, Heard, P], T],
        report: Heard,
        *args: P.args,
        **options: P.kwargs,
    ) -> T:
        """See `EngineCalls.patiently`."""
        told, worker = on_loop(report), self._worker

        def letting_in(done: int) -> None:
            told(done)
            worker.give_way()

        return await worker.patiently(partial(function, self._engine, letting_in, *args, **options))

    def joined(self) -> "AbstractContextManager[EngineCalls[E]]":
        """Itself; if the engine is `DrawsTogether`, the calls of a member of its batcher."""
        return nullcontext(self) if self._together is None else self._member(self._together)

    @contextmanager
    def _member(self, together: Batcher[Drawing, Image]) -> "Iterator[EngineCalls[E]]":
        with together.member() as ask:
            yield _Joined(self, ask)

    @property
    def jobs(self) -> int:
        """See `EngineCalls.jobs`."""
        return 0 if self._together is None else self._together.members

    async def close(self) -> None:
        """End the thread, then the engine."""
        await asyncio.to_thread(self._worker.close)
        await close_engine(self._engine)


class _Joined(InThread[E]):
    """The calls of one job: drawings are made together with those of other jobs."""

    def __init__(self, calls: InThread[E], ask: Callable[[Drawing], Awaitable[Image]]) -> None:
        self.__dict__.update(calls.__dict__)
        self._ask = ask

    async def call(self, function: Callable[Concatenate[E, P], T], *args: P.args, **options: P.kwargs) -> T:
        """See `EngineCalls.call`."""
        if function is draw:
            (drawing,) = args
            return cast(T, await self._ask(cast(Drawing, drawing)))  # `draw` takes the one, gives the other
        return await super().call(function, *args, **options)


def _batcher(engine: DrawsTogether, worker: Worker) -> Batcher[Drawing, Image]:
    """One for all jobs of an engine; a frame waits for another job's for no longer than a frame lasts."""
    return Batcher(
        worker,
        engine.draw_together,
        size=lambda wanted: len(wanted.frames),
        limit=engine.together,
        bound_s=lambda wanted: 1 / wanted.fps,
    )


async def close_engine(engine: object) -> None:
    """Have an engine let go of what it holds, if it holds anything."""
    close = getattr(engine, "close", None)
    if close is not None:
        await asyncio.to_thread(close)


@dataclass(frozen=True, slots=True)
class LoadedEngine(Generic[E_co]):
    """An engine of a kind of `core.protocols`, ready to be called by every job.

    engine: for questions that take no work and may be asked on any thread: rate, voices, batch, span. Work
    goes through `call`. _worker: its thread, the only one that may enter it. version: the engine's; "" where
    it has none.
    """

    kind: str
    name: str
    engine: E_co
    _worker: Worker
    calls: EngineCalls[E_co]
    version: str = ""

    @property
    def key(self) -> str:
        """Kind, name and version, as they stand in the names of caches."""
        return re.sub(r"[^\w.-]+", "-", f"{self.kind}-{self.name}-{self.version}")

    async def call(
        self, function: Callable[Concatenate[E_co, P], T], *args: P.args, **options: P.kwargs
    ) -> T:
        """`function(engine, ...)`, wherever the engine is. Raises what it raises."""
        return await self.calls.call(function, *args, **options)

    async def patiently(
        self,
        function: Callable[Concatenate[E_co, Heard, P], T],
        report: Heard,
        *args: P.args,
        **options: P.kwargs,
    ) -> T:
        """`function(engine, report, ...)`, giving way to other calls; see `EngineCalls.patiently`."""
        return await self.calls.patiently(function, report, *args, **options)

    def steps(
        self, function: Callable[Concatenate[E_co, P], Iterator[T]], *args: P.args, **options: P.kwargs
    ) -> AsyncGenerator[T, None]:
        """Yield from `function(engine, ...)`, one step at a time: between two, others' calls run.

        For engines on a thread of this process.
        """
        return self._worker.steps(function(self.engine, *args, **options))

    async def alone(self, work: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
        """`work(...)` on the engine's thread when nobody's call waits: for what enters the engine by itself.

        For engines on a thread of this process.
        """
        return await self._worker.patiently(partial(work, *args, **options))

    @contextmanager
    def joined(self) -> "Iterator[LoadedEngine[E_co]]":
        """The engine for one job, whose calls may be answered together with those of other jobs."""
        with self.calls.joined() as calls:
            yield replace(self, calls=calls)

    async def in_order(
        self, items: AsyncIterator[T], work: Callable[[T], Coroutine[Any, Any, R]]
    ) -> AsyncGenerator[R, None]:
        """`await work(item)` for each of `items`, in their order, as many at once as keep the engine busy."""
        if self.calls.width == 1:
            async for item in items:
                yield await work(item)
            return
        async for made in map_ordered(items, work, self.calls.width):
            yield made

    async def close(self) -> None:
        """End its thread and let go of it."""
        await asyncio.to_thread(self._worker.close)
        await self.calls.close()


def on_thread(kind: str, name: str, engine: E, worker: Worker) -> LoadedEngine[E]:
    """An engine that exists, to be called on `worker`."""
    return LoadedEngine(kind, name, engine, worker, InThread(engine, worker), version_of(engine))


def version_of(engine: object) -> str:
    """An engine's version; speech engines and painters need none."""
    return str(getattr(engine, "version", ""))


# --- what is asked of an engine; by name, so that it can travel ------------------------------------


def speak(engine: SpeechEngine, sentence: Sentence, voice: str, style: Style) -> Iterator[Spoken]:
    """`SpeechEngine.speak`."""
    return engine.speak(sentence, voice, style)


async def voices(speech: LoadedEngine[SpeechEngine]) -> Sequence[Voice]:
    """`SpeechEngine.voices`; not on the loop, as they may lie on a disk."""
    return await asyncio.to_thread(speech.engine.voices)


async def has_voice(speech: LoadedEngine[SpeechEngine], name: str) -> bool:
    """Whether a speech engine has the voice."""
    return any(voice.name == name for voice in await voices(speech))


def draw(engine: LipsyncEngine, drawing: Drawing) -> Image:
    """`LipsyncEngine.draw`."""
    return engine.draw(drawing)


def prepare(
    engine: LipsyncEngine | FaceEnhancer, report: Heard, track: FaceTrack, crops: Sequence[Image]
) -> Arrays:
    """`LipsyncEngine.prepare`, `FaceEnhancer.prepare`."""
    return engine.prepare(track, crops, report)


def prepare_unheard(engine: LipsyncEngine | FaceEnhancer, track: FaceTrack, crops: Sequence[Image]) -> Arrays:
    """The same, without reports."""
    return engine.prepare(track, crops, unheard)


def unheard(_done: int) -> None:
    """Report to nobody."""


def enhance(
    engine: FaceEnhancer,
    patches: Image,
    numbers: Sequence[int],
    track: FaceTrack,
    prepared: Arrays,
    fidelity: float = FIDELITY,
    onto: Image | None = None,
) -> Image:
    """`FaceEnhancer.enhance`."""
    return engine.enhance(patches, numbers, track, prepared, fidelity, onto)
