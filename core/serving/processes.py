"""Where an engine works: on a thread of this process, or in processes, one a device. Stages cannot tell.

A process is concurrent.futures' own, with one worker; it loads the engine itself. One that dies is replaced,
and what it was asked is asked of the new one. Machines beyond this one would come in here.
"""

import asyncio
import multiprocessing
import os
import signal
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cache
from threading import Thread
from typing import Any, Protocol, TypeVar

from core.engines import load_target
from core.errors import Error
from core.protocols import FIDELITY
from core.runtime.pipeline import side_by_side
from core.runtime.worker import Worker
from core.types import Arrays, FaceTrack, Image

T = TypeVar("T")
R = TypeVar("R")

_TRIES = 3
"""How often a call may end its process."""

_KEPT = 16
"""Tracks and what engines learnt of them that a process keeps: they go with every batch, sent once."""


class EngineCalls(Protocol):
    """An engine, wherever it is.

    width: calls worth making at once: enough to keep it busy, and no more.
    """

    width: int

    async def call(self, function: Callable[..., T], *args: object) -> T:
        """`function(engine, *args)`; both, and what comes of it, can be pickled. Raises what it raises."""
        ...

    async def close(self) -> None:
        """Wait for what runs and let go of the engine."""
        ...


class InThread:
    """An engine of this process, on the one thread that may enter it."""

    width = 1

    def __init__(self, engine: Any, worker: Worker) -> None:
        self._engine, self._worker = engine, worker

    async def call(self, function: Callable[..., T], *args: object) -> T:
        """See `Team.call`."""
        return await self._worker.call(function, self._engine, *args)

    async def close(self) -> None:
        """End the thread, then the engine."""
        await asyncio.to_thread(self._worker.close)
        close = getattr(self._engine, "close", None)
        if close is not None:
            await asyncio.to_thread(close)


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """What a process is for. target: the engine's class. threads: to compute on; 0 is the usual number."""

    target: str
    device: str
    threads: int = 0


class Processes:
    """An engine in several processes, one a post; each call goes to the one with least to do."""

    def __init__(self, posts: Sequence[ProcessSpec]) -> None:
        self._seats = [_EngineProcess(post) for post in posts]
        # One more than its process is busy with: the next batch lies ready when one is done.
        self.width = 2 * len(self._seats)

    async def start(self) -> None:
        """Load the engine everywhere. Raises BadInput for a device that does not exist."""
        await asyncio.gather(*(seat.call(_nothing, ()) for seat in self._seats))

    async def call(self, function: Callable[..., T], *args: object) -> T:
        """See `Team.call`. Raises Error if the call ends one process after another."""
        seat = min(self._seats, key=lambda seat: seat.waiting)
        made: T = await seat.call(function, args)
        return made

    def blocking(self, function: Callable[..., T], *args: object) -> T:
        """The same, for a thread that is not the loop's."""
        made: T = self._seats[0].submit(function, args, whole=True).result()
        return made

    async def close(self) -> None:
        """End the processes."""
        await asyncio.gather(*(asyncio.to_thread(seat.close) for seat in self._seats))


class _EngineProcess:
    """One process, or the one that replaced it. waiting: calls it has not answered."""

    def __init__(self, post: ProcessSpec) -> None:
        self.waiting = 0
        self._post = post
        self._begin()

    def _begin(self) -> None:
        self._sent: OrderedDict[int, object] = OrderedDict()  # by number: what the process keeps
        self._pool = ProcessPoolExecutor(
            1, multiprocessing.get_context("spawn"), _settle, (self._post.threads,)
        )

    async def call(self, function: Callable[..., Any], args: Sequence[object]) -> Any:
        self.waiting += 1
        try:
            for _ in range(_TRIES):
                pool = self._pool
                try:
                    return await self._answer(function, args)
                except BrokenProcessPool:
                    if pool is self._pool:  # else somebody else has replaced it already
                        self._begin()
                        await asyncio.to_thread(pool.shutdown)
            raise Error(f"the process on {self._post.device} ended {_TRIES} times at the same piece of work")
        finally:
            self.waiting -= 1

    async def _answer(self, function: Callable[..., Any], args: Sequence[object]) -> Any:
        try:
            return await asyncio.wrap_future(self.submit(function, args))
        except _Unknown:  # it never got them: the call that took them was cancelled
            return await asyncio.wrap_future(self.submit(function, args, whole=True))

    def submit(self, function: Callable[..., Any], args: Sequence[object], *, whole: bool = False) -> Any:
        """Send a call; with `whole` nothing in it is taken for known."""
        return self._pool.submit(_work, self._post, function, [self._packed(arg, whole) for arg in args])

    def _packed(self, arg: object, whole: bool) -> object:
        """What lasts for many calls goes once, later only its number."""
        if not isinstance(arg, FaceTrack | Mapping):
            return arg
        number = id(arg)  # nobody else's, as long as it is held on to here
        if number in self._sent and not whole:
            self._sent.move_to_end(number)
            return _Lasting(number, None)
        self._sent[number] = arg
        while len(self._sent) > _KEPT:
            self._sent.popitem(last=False)
        return _Lasting(number, arg)

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


class Remote:
    """Stands in for an engine in processes where one is asked directly, on a thread: while templates are
    prepared."""

    def __init__(self, version: str, batch: int, team: Processes) -> None:
        self.version, self.batch = version, batch
        self._team = team

    def prepare(self, track: FaceTrack, crops: Sequence[Image], report: Callable[[int], None]) -> Arrays:
        """See `FaceEnhancer.prepare`; `crops` travels."""
        learnt = self._team.blocking(prepare, track, crops)
        report(len(track))
        return learnt


async def in_order(
    team: EngineCalls, items: AsyncIterator[T], work: Callable[[T], Coroutine[Any, Any, R]]
) -> AsyncGenerator[R, None]:
    """`await work(item)` for each of `items`, in their order, as many at once as the team can use."""
    if team.width == 1:
        async for item in items:
            yield await work(item)
        return
    async for made in side_by_side(items, work, team.width):
        yield made


# --- what is asked of an engine; by name, so that it can travel ------------------------------------


def described(engine: Any) -> tuple[str, int]:
    """An enhancer's version and batch."""
    return str(engine.version), int(engine.batch)


def prepare(engine: Any, track: FaceTrack, crops: Sequence[Image]) -> Arrays:
    """`engine.prepare`, without reports."""
    learnt: Arrays = engine.prepare(track, crops, _unheard)
    return learnt


def enhance(
    engine: Any,
    patches: Image,
    numbers: Sequence[int],
    track: FaceTrack,
    prepared: Arrays,
    fidelity: float = FIDELITY,
    onto: Image | None = None,
) -> Image:
    """`FaceEnhancer.enhance`."""
    further = () if onto is None else (onto,)
    clearer: Image = engine.enhance(patches, numbers, track, prepared, fidelity, *further)
    return clearer


def _nothing(_engine: Any) -> None:
    """Be there."""


def _unheard(_done: int) -> None:
    """Report to nobody."""


# --- in the process ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Lasting:
    """Something that goes with many calls. value: None where it has been sent before."""

    number: int
    value: object


class _Unknown(Exception):  # not an error: the asker sends more
    """The process does not have what was taken for known."""


def _settle(threads: int) -> None:
    """Begin a process: it ends with its parent, and an interrupt is the parent's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()
    if threads:
        os.environ["OMP_NUM_THREADS"] = str(threads)  # read when torch is loaded


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@cache
def _engine(post: ProcessSpec) -> Any:
    """The engine of this process."""
    os.environ["LIPSTREAM_DEVICE"] = post.device  # goes before every other place where it may be set
    if post.threads:
        import cv2

        cv2.setNumThreads(post.threads)
    if post.device != "cpu":
        from core.engines.compute.devices import device_of

        device_of(post.device)
    return load_target(post.target)


@cache
def _kept() -> OrderedDict[int, object]:
    """What this process keeps of what was sent, by number."""
    return OrderedDict()


def _work(post: ProcessSpec, function: Callable[..., Any], args: Sequence[object]) -> Any:
    return function(_engine(post), *[_unpacked(arg) for arg in args])


def _unpacked(arg: object) -> object:
    if not isinstance(arg, _Lasting):
        return arg
    kept = _kept()
    if arg.value is not None:
        kept[arg.number] = arg.value
        while len(kept) > _KEPT:
            kept.popitem(last=False)
    elif arg.number not in kept:
        raise _Unknown
    kept.move_to_end(arg.number)
    return kept[arg.number]
