"""An engine in processes, one a device.

A process is concurrent.futures' own, with one worker; it loads the engine itself. One that dies is replaced,
and what it was asked is asked of the new one.
"""

import asyncio
import multiprocessing
import os
import signal
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache, partial
from itertools import count
from threading import Thread
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from core.engines import load_target
from core.errors import Error
from core.protocols import FaceEnhancer, Heard
from core.serving.loaded import EngineCalls, unheard
from core.types import FaceTrack

E = TypeVar("E")
P = ParamSpec("P")
T = TypeVar("T")

_TRIES = 3
"""How often a call may end its process."""

_KEPT = 16
"""Tracks and what engines learnt of them that a process keeps: they go with every batch, sent once."""


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """What a process is for. target: the engine's class. threads: to compute on; 0 is the usual number."""

    target: str
    device: str
    threads: int = 0


class Processes(Generic[E]):
    """An engine in several processes, one a spec; each call goes to the one with least to do."""

    jobs = 0

    def __init__(self, specs: Sequence[ProcessSpec]) -> None:
        self._processes = [_EngineProcess(spec) for spec in specs]
        # One more than its process is busy with: the next batch lies ready when one is done.
        self.width = 2 * len(self._processes)

    async def start(self) -> None:
        """Load the engine everywhere. Raises BadInput for a device that does not exist."""
        await asyncio.gather(*(process.call(_nothing, ()) for process in self._processes))

    async def call(self, function: Callable[Concatenate[E, P], T], *args: P.args, **options: P.kwargs) -> T:
        """See `EngineCalls.call`. Raises Error if the call ends one process after another."""
        process = min(self._processes, key=lambda process: process.waiting)
        made: T = await process.call(partial(function, **options) if options else function, args)
        return made

    async def patiently(
        self,
        function: Callable[Concatenate[E, Heard, P], T],
        report: Heard,
        *args: P.args,
        **options: P.kwargs,
    ) -> T:
        """See `EngineCalls.patiently`: `report` stays here, as does whatever there is to give way to."""
        del report
        return await self.call(function, unheard, *args, **options)

    def joined(self) -> "AbstractContextManager[EngineCalls[E]]":
        """Itself: nothing is joined across processes."""
        return nullcontext(self)

    async def close(self) -> None:
        """End the processes."""
        await asyncio.gather(*(asyncio.to_thread(process.close) for process in self._processes))


class _EngineProcess:
    """One process, or the one that replaced it. waiting: calls it has not answered."""

    def __init__(self, spec: ProcessSpec) -> None:
        self.waiting = 0
        self._spec = spec
        self._begin()

    def _begin(self) -> None:
        # What the process keeps, and under which number: by id, which is nobody else's while it is held on to
        # here. Numbers run on, because an id comes again, for another object, once the first has gone.
        self._sent: OrderedDict[int, tuple[int, object]] = OrderedDict()
        self._numbers = count()
        self._line: deque[object] = deque()  # a mark for each call without an answer, in their order
        self._pool = ProcessPoolExecutor(
            1, multiprocessing.get_context("spawn"), _settle, (self._spec.threads,)
        )

    async def call(self, function: Callable[..., Any], args: Sequence[object]) -> Any:
        self.waiting += 1
        deaths = 0
        try:
            while deaths < _TRIES:
                pool, line, mark = self._pool, self._line, object()
                line.append(mark)
                try:
                    made = await self._answer(function, args)
                except BrokenProcessPool:
                    deaths += line[0] is mark  # those behind it are innocent: it had not come to them
                    if pool is self._pool:  # else somebody else has replaced it already
                        self._begin()
                        await asyncio.to_thread(pool.shutdown)
                except BaseException:
                    line.remove(mark)
                    raise
                else:
                    line.remove(mark)
                    return made
            raise Error(f"the process on {self._spec.device} ended {_TRIES} times at the same piece of work")
        finally:
            self.waiting -= 1

    async def _answer(self, function: Callable[..., Any], args: Sequence[object]) -> Any:
        try:
            return await asyncio.wrap_future(self.submit(function, args))
        except _Unknown:  # it never got them: the call that took them was cancelled
            return await asyncio.wrap_future(self.submit(function, args, whole=True))

    def submit(self, function: Callable[..., Any], args: Sequence[object], *, whole: bool = False) -> Any:
        """Send a call; with `whole` nothing in it is taken for known."""
        return self._pool.submit(_work, self._spec, function, [self._packed(arg, whole) for arg in args])

    def _packed(self, arg: object, whole: bool) -> object:
        """What lasts for many calls goes once, later only its number."""
        if not isinstance(arg, FaceTrack | Mapping):
            return arg
        known = self._sent.get(id(arg))
        if known is not None and not whole:
            self._sent.move_to_end(id(arg))
            return _Lasting(known[0], None)
        number = next(self._numbers) if known is None else known[0]
        self._sent[id(arg)] = (number, arg)
        while len(self._sent) > _KEPT:
            self._sent.popitem(last=False)
        return _Lasting(number, arg)

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


@dataclass(frozen=True, slots=True)
class Remote:
    """What is asked of an enhancer without calling it, where the enhancer itself is in other processes."""

    version: str
    batch: int


def described(engine: FaceEnhancer) -> Remote:
    """What an enhancer says of itself."""
    return Remote(engine.version, engine.batch)


def _nothing(_engine: object) -> None:
    """Be there."""


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
def _engine(spec: ProcessSpec) -> Any:
    """The engine of this process."""
    os.environ["LIPSTREAM_DEVICE"] = spec.device  # goes before every other place where it may be set
    if spec.threads:
        import cv2

        cv2.setNumThreads(spec.threads)
    if spec.device != "cpu":
        from core.engines.compute.devices import device_of

        device_of(spec.device)
    return load_target(spec.target)


@cache
def _kept() -> OrderedDict[int, object]:
    """What this process keeps of what was sent, by number."""
    return OrderedDict()


def _work(spec: ProcessSpec, function: Callable[..., Any], args: Sequence[object]) -> Any:
    return function(_engine(spec), *[_unpacked(arg) for arg in args])


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
