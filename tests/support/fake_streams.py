"""Streams, events, memory and graphs of a device that is not there: who has waited for whom, and what a graph
repeats. `tests.support.fake_cuda` says what it is for.
"""

import threading
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from tests.support.nested import flat

Clock = Counter[int]
"""By number of a stream: its steps that are known to be over."""


class Memory:
    """A piece of a device's memory, or of pinned memory. writes, reads: last step by stream."""

    def __init__(self, world: "World", home: int) -> None:
        self.world, self.home = world, home
        self.writes: Clock = Counter()
        self.reads: Clock = Counter()
        self.pooled = False

    def __del__(self) -> None:
        waited = self.world.clocks[self.home] | self.world.host if self.home >= 0 else Counter()
        for stream, step in (self.writes | self.reads).items():
            if not self.pooled and stream != self.home >= 0 and step > waited[stream]:
                self.world.faults.append("memory was freed while another stream might still use it")


class World:
    """Devices, streams and their clocks, what is being recorded, and `faults`.

    calls: how often "synchronize", "replay" ... happened. made_on: devices that anything was put on.
    """

    def __init__(self, kind: str = "cuda", count: int = 1, capability: tuple[int, int] = (8, 0)) -> None:
        self.kind, self.count, self.capability = kind, count, capability
        self.faults: list[str] = []
        self.calls: Counter[str] = Counter()
        self.made_on: set[str] = set()
        self.modes: set[str] = set()
        self.recording: Graph | None = None
        self.clocks: list[Clock] = [Counter() for _ in range(count)]  # first the devices' usual streams
        self.host: Clock = Counter()
        self.thread = threading.local()
        self.entered: Callable[[], AbstractContextManager[None]] = nullcontext
        self.fails: Callable[[Any, Any], BaseException | None] = lambda _func, _args: None
        self._memory: weakref.WeakValueDictionary[int, Memory] = weakref.WeakValueDictionary()
        self._pinned: dict[int, tuple[torch.Tensor, Memory]] = {}
        self.usual = [Stream(self, k, k) for k in range(count)]

    def check(self) -> None:
        """Fail if a rule was broken that torch would not have noticed."""
        assert not self.faults, self.faults

    def memory_of(self, inner: torch.Tensor, stream: "Stream | None" = None) -> Memory:
        """What `inner` lies in; if that is new, it belongs to `stream`."""
        key = inner.untyped_storage()._cdata
        found = self._memory.get(key)
        if found is None:
            found = self._memory[key] = Memory(self, (stream or self.current()).number)
        return found

    def current(self, index: int | None = None) -> "Stream":
        index = self.index() if index is None else index
        return self.streams().get(index, self.usual[index])

    def streams(self) -> dict[int, "Stream"]:
        if not hasattr(self.thread, "streams"):
            self.thread.streams = {}
        return self.thread.streams

    def index(self) -> int:
        return getattr(self.thread, "index", 0)

    def number(self, device: Any) -> int:
        """The index that `device` means, as torch takes it."""
        if device is None:
            return self.index()
        if isinstance(device, int):
            return device
        index = torch.device(device).index
        return self.index() if index is None else index

    # --- waiting ---------------------------------------------------------------------------------

    def wait(self, clock: Clock, what: str = "synchronize") -> None:
        """The CPU waits until `clock` is reached."""
        if self.is_recording():
            raise RuntimeError(f"CUDA error: operation not permitted when stream is capturing ({what})")
        self.calls[what] += 1
        self.host |= clock

    def is_recording(self) -> bool:
        return self.recording is not None and self.recording.thread == threading.get_ident()

    def launch(self, stream: "Stream", reads: list[Memory], writes: list[Memory]) -> None:
        """A step on `stream`."""
        if self.is_recording():
            return  # nothing runs yet
        clock = self.clocks[stream.number]
        clock |= self.host
        for memory in (*reads, *writes):
            if any(step > clock[other] for other, step in memory.writes.items()):
                self.faults.append("a stream uses what another may still be writing")
        for memory in writes:
            if any(step > clock[other] for other, step in memory.reads.items()):
                self.faults.append("a stream writes what another may still be reading")
        clock[stream.number] += 1
        for memory in reads:
            memory.reads[stream.number] = clock[stream.number]
        for memory in writes:
            memory.writes[stream.number] = clock[stream.number]

    # --- pinned memory ---------------------------------------------------------------------------

    def pin(self, x: torch.Tensor) -> torch.Tensor:
        if self.kind != "cuda":
            raise RuntimeError("pinned memory is CUDA's")
        if self.is_recording():
            raise RuntimeError("CUDA error: operation not permitted when stream is capturing (pin_memory)")
        made = x.clone()
        self._pinned[made.untyped_storage()._cdata] = (made, Memory(self, -1))
        return made

    def pinned(self, x: object) -> Memory | None:
        if type(x) is not torch.Tensor or x.is_mkldnn:
            return None
        return self._pinned.get(x.untyped_storage()._cdata, (None, None))[1]


class Stream:
    """`torch.cuda.Stream`."""

    def __init__(self, world: World, index: int, number: int) -> None:
        self.world, self.index, self.number = world, index, number
        self.device = torch.device(world.kind, index)

    def wait_stream(self, other: "Stream") -> None:
        self.world.clocks[self.number] |= self.world.clocks[other.number]

    def wait_event(self, event: "Event") -> None:
        self.world.clocks[self.number] |= event.clock

    def synchronize(self) -> None:
        self.world.wait(self.world.clocks[self.number])


class Event:
    """`torch.cuda.Event`."""

    def __init__(self, world: World) -> None:
        self.world, self.clock = world, Counter()

    def record(self, stream: Stream | None = None) -> None:
        stream = stream or self.world.current()
        self.clock = Counter(self.world.clocks[stream.number])

    def wait(self, stream: Stream | None = None) -> None:
        (stream or self.world.current()).wait_event(self)

    def synchronize(self) -> None:
        self.world.wait(self.clock, "event")


class Graph:
    """`torch.cuda.CUDAGraph`: the steps that were taken, on the memory they were taken on."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.steps: list[tuple[Any, Any, Any, Any]] = []
        self.thread = self.index = 0
        self.used: list[Memory] = []
        self.kept: list[tuple[torch.Tensor, torch.Tensor]] = []

    def pool(self) -> int:
        return id(self)

    def begin(self, mode: str, _pool: object) -> None:
        """Record what this thread does from now on."""
        self.world.modes.add(mode)
        self.thread, self.index = threading.get_ident(), self.world.index()
        self.world.recording = self

    def keep(self, written: list[torch.Tensor]) -> None:
        """A step is about to write there, which it would not if it were only recorded."""
        self.kept += [(x, x.clone()) for x in written]

    def add(self, func: Any, args: Any, kwargs: Any, made: Any) -> None:
        self.steps.append((func, args, kwargs, made))
        for x in flat((args, kwargs, made)):
            if isinstance(x, torch.Tensor):
                memory = self.world.memory_of(x)
                if memory not in self.used:
                    self.used.append(memory)
        for x in self._fresh(args, kwargs, made):
            self.world.memory_of(x[0]).pooled = True

    def end(self) -> None:
        self.world.recording = None
        with torch.inference_mode():
            for x, before in reversed(self.kept):
                x.copy_(before)
        self.kept.clear()
        for _, args, kwargs, made in self.steps:  # nothing has run: there is rubbish where results will be
            for x, _ in self._fresh(args, kwargs, made):
                x.fill_(float("nan") if x.is_floating_point() else 0)

    def replay(self) -> None:
        self.world.calls["replay"] += 1
        self.world.launch(self.world.current(self.index), [], self.used)
        with torch.inference_mode():  # a driver does not ask
            for func, args, kwargs, made in self.steps:
                again = func(*args, **kwargs)
                for x, y in self._fresh(args, kwargs, made, again):
                    x.copy_(y)

    def _fresh(self, args: Any, kwargs: Any, made: Any, again: Any = None) -> Iterator[tuple[Any, Any]]:
        """Results that are in memory of their own, and what they are now."""
        tensors = [x for x in flat((args, kwargs)) if isinstance(x, torch.Tensor)]
        given = {x.untyped_storage()._cdata for x in tensors}
        results = flat(made)
        for x, y in zip(results, flat(again) if again is not None else results, strict=True):
            if isinstance(x, torch.Tensor) and x.untyped_storage()._cdata not in given:
                yield x, y
