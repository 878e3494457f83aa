"""A CUDA device for machines without one: what is sent there stays in memory and is computed by the CPU, in
real numbers, but under a GPU's rules. Breaking one raises what torch would, or is found by `World.check`:

- tensors of two devices do not mix; numpy sees none of them; float64 does not exist on MPS
- recording a graph: no copy to or from the CPU, no waiting, no sizes that depend on data; the numbers made
  meanwhile are rubbish; a replay runs the same steps on the same memory and reads nothing else
- streams: a step may only use what was written before it by its own stream or one it has waited for; pinned
  memory is not written while a copy reads it; memory is not freed while another stream may use it

What it cannot tell: kernels that a GPU lacks or rounds otherwise, the speed, and how much memory there is.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from core.nets.packed import can_pack
from tests.support.fake_streams import Event, Graph, Memory, Stream, World
from tests.support.nested import flat, mapped

ATEN = torch.ops.aten
_COPIES = {ATEN._to_copy.default, ATEN.copy_.default}
_WAITS = (torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape)
_INDEXED = {ATEN.index.Tensor, ATEN.index_put_.default, ATEN.index_put.default, ATEN._index_put_impl_.default}


class Remote(torch.Tensor):
    """A tensor that says it is on a device. inner: its numbers. memory: where they are."""

    inner: torch.Tensor
    memory: Memory
    there: torch.device

    @staticmethod
    def __new__(cls, inner: torch.Tensor, device: torch.device, world: "World") -> "Remote":
        with torch.inference_mode(False):  # else views of tensors made outside of it cannot be wrapped
            made = torch.Tensor._make_wrapper_subclass(
                cls,
                inner.shape,
                strides=inner.stride(),
                storage_offset=inner.storage_offset(),
                dtype=inner.dtype,
                # To torch's own code it is on "meta", whose devices need no driver.
                device=torch.device("meta", device.index or 0),
            )
        made.inner, made.there = inner, device
        made.memory = world.memory_of(inner, world.current(device.index))
        return made

    @property
    def device(self) -> torch.device:  # type: ignore[override]  # an attribute there
        return self.there

    @property
    def is_cuda(self) -> bool:  # type: ignore[override]  # an attribute there
        return self.there.type == "cuda"

    def __repr__(self, **_: object) -> str:
        return f"Remote({tuple(self.shape)}, {self.dtype}, {self.device})"

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        with torch._C.DisableTorchFunctionSubclass():
            if func is torch.Tensor.numpy:
                raise TypeError(f"can't convert {args[0].device} device type tensor to numpy")
            if func is torch.Tensor.tolist:
                return args[0].cpu().tolist()
            if func is torch.Tensor.data.__set__:
                args[0].inner, args[0].memory = args[1].inner, args[1].memory
            return func(*args, **(kwargs or {}))

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise AssertionError(f"{func} outside of the fake device's context")


class Numbered(TorchFunctionMode):
    """Gives devices that have no number one: torch would ask a driver for it."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = {name: self._numbered(x) for name, x in (kwargs or {}).items()}
        return func(*map(self._numbered, args), **named)

    def _numbered(self, x: object) -> object:
        bare = isinstance(x, torch.device) and x.type == self.world.kind and x.index is None
        return torch.device(self.world.kind, self.world.index()) if bare else x


class Mode(TorchDispatchMode):
    """Sees everything torch does on its thread."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func._can_decompose():
            with self:
                made = func.decompose(*args, **kwargs)
            if made is not NotImplemented:
                return made
        if error := self.world.fails(func, args):
            raise error
        given = flat((args, kwargs))
        remotes = [x for x in given if isinstance(x, Remote)]
        target = self._target(kwargs.get("device"), remotes)
        if not remotes and (target is None or target.type != self.world.kind):
            self._on_cpu(func, args)
            return func(*args, **kwargs)
        if target.type == self.world.kind and (target.index or 0) >= self.world.count:
            raise RuntimeError("CUDA error: invalid device ordinal")
        if func in _COPIES:
            return self._copied(func, args, kwargs, target)
        self._judge(func, args, remotes)
        return self._computed(func, args, kwargs, target)

    def _target(self, wanted: Any, remotes: list[Remote]) -> torch.device | None:
        """Where the result is to be; None leaves it to torch."""
        if wanted is None:
            return remotes[0].device if remotes else None
        device = torch.device(wanted)
        if device.type == self.world.kind or (device.type == "meta" and device.index is not None):
            index = self.world.index() if device.index is None else device.index
            return torch.device(self.world.kind, index)
        return device

    def _on_cpu(self, func: Any, args: Any) -> None:
        for k, x in enumerate(args):
            memory = self.world.pinned(x)
            if memory is None or not _is_written(func, k):
                continue
            if any(step > self.world.host[stream] for stream, step in memory.reads.items()):
                self.world.faults.append("pinned memory was written while a copy was reading it")

    def _copied(self, func: Any, args: Any, kwargs: Any, target: torch.device) -> Any:
        """Between devices."""
        into = func is ATEN.copy_.default
        given, other = (args[1], args[0]) if into else (args[0], None)
        target = args[0].device if into else target
        world, waits = self.world, not (kwargs.get("non_blocking") or (into and len(args) > 2 and args[2]))
        crosses = "cpu" in (given.device.type, target.type)
        pinned = world.pinned(given) or world.pinned(other)
        if crosses and world.is_recording():
            raise RuntimeError("CUDA error: operation not permitted when stream is capturing (copy)")
        if target.type == "mps" and (kwargs.get("dtype") or given.dtype) == torch.float64:
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype")
        device = target if target.type == world.kind else given.device
        plain = mapped(_inner, (args, kwargs))
        if "device" in plain[1]:
            plain[1]["device"] = torch.device("cpu")
        plain[1].pop("non_blocking", None)
        made = self._run(func, *plain)
        wrapped = args[0] if into else Remote(made, target, world) if target.type == world.kind else made
        if given.device.type == world.kind != target.type and other is None:
            world.wait(world.clocks[world.current(device.index).number] | given.memory.writes, "to cpu")
        stream = world.current(device.index)
        reads = [m for m in (getattr(given, "memory", None), world.pinned(given)) if m]
        writes = [m for m in (getattr(wrapped, "memory", None), world.pinned(other)) if m]
        world.launch(stream, reads, writes)
        if crosses and (waits or pinned is None):
            world.wait(world.clocks[stream.number], "copy")
        world.made_on.add(str(target))
        return wrapped

    def _judge(self, func: Any, args: Any, remotes: list[Remote]) -> None:
        """Raise what torch would for tensors of different devices, and for waiting while recording."""
        devices = {x.device for x in remotes}
        near = [x for x in flat(args) if isinstance(x, torch.Tensor) and not isinstance(x, Remote)]
        if func in _INDEXED and args[0].device.type == self.world.kind:
            near = [x for x in near if not any(x is index for index in args[1])]  # allowed, by a copy
            if any(x is not None and (x.dtype == torch.bool or x.device.type == "cpu") for x in args[1]):
                self._wait(args[0], func)
        if len(devices) > 1 or (remotes and any(x.dim() for x in near)):
            found = sorted({str(x.device) for x in (*remotes, *near)})
            raise RuntimeError(
                f"Expected all tensors to be on the same device, but found at least two devices, "
                f"{' and '.join(found)}! ({func})"
            )
        if near and self.world.is_recording():
            raise RuntimeError(f"CUDA error: operation not permitted when stream is capturing ({func})")
        waits = func not in _INDEXED and any(tag in func.tags for tag in _WAITS)
        if waits or func is ATEN._local_scalar_dense.default:
            self._wait(remotes[0], func)

    def _wait(self, x: Remote, func: Any) -> None:
        self.world.wait(self.world.clocks[self.world.current(x.device.index).number], str(func))

    def _computed(self, func: Any, args: Any, kwargs: Any, target: torch.device) -> Any:
        plain_args, plain = mapped(_inner, (args, kwargs))
        if "device" in plain:
            plain["device"] = torch.device("cpu")
        plain.pop("pin_memory", None)
        world = self.world
        stream = world.current(target.index)
        reads, writes, same = [], [], {}
        for k, x in enumerate(args):
            for y in flat(x):
                if isinstance(y, Remote):
                    (writes if _is_written(func, k) else reads).append(y.memory)
                    same[id(y.inner)] = y
        for name, x in kwargs.items():
            if isinstance(x, Remote):
                (writes if name == "out" else reads).append(x.memory)
                same[id(x.inner)] = x
        if target.type == "mps":
            _no_double(plain_args, plain)
        before = {id(m) for m in (*reads, *writes)}
        made = self._run(func, plain_args, plain)

        def wrapped(x: object) -> object:
            if not isinstance(x, torch.Tensor):
                return x
            if id(x) in same:
                return same[id(x)]
            remote = Remote(x, target, world)
            if id(remote.memory) not in before:
                writes.append(remote.memory)
            return remote

        out = mapped(wrapped, made)
        if not func.is_view:
            world.launch(stream, reads, writes)
        world.made_on.add(str(target))
        return out

    def _run(self, func: Any, args: Any, kwargs: Any) -> Any:
        rough = func is ATEN.convolution.default and args[0].dtype in (torch.bfloat16, torch.float16)
        run = _convolved if rough else func
        recording = self.world.recording if self.world.is_recording() else None
        if recording is None:
            return run(*args, **kwargs)
        recording.keep([x for k, x in enumerate(args) if _is_written(func, k)])
        made = run(*args, **kwargs)
        recording.add(run, args, kwargs, made)
        return made


def _convolved(*args: Any) -> torch.Tensor:
    """In few bits as GPUs do it: sums in float32, rounded once. Many processors take minutes otherwise."""
    wide = (x.float() if isinstance(x, torch.Tensor) else x for x in args)
    return ATEN.convolution.default(*wide).to(args[0].dtype)


def _inner(x: object) -> object:
    return x.inner if isinstance(x, Remote) else x


def _is_written(func: Any, number: int) -> bool:
    arguments = func._schema.arguments
    alias = arguments[number].alias_info if number < len(arguments) else None
    return alias is not None and alias.is_write


def _no_double(args: Any, kwargs: Any) -> None:
    for x in flat((args, kwargs)):
        if x is torch.float64 or (isinstance(x, torch.Tensor) and x.dtype == torch.float64 and x.dim()):
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype")


@contextmanager
def fake_device(kind: str = "cuda", count: int = 1, capability: tuple[int, int] = (8, 0)) -> Iterator[World]:
    """While open, torch has `count` such devices, on this thread and those that enter `World.entered`.

    Fails at the end if a rule was broken that torch would not have noticed.
    """
    can_pack(torch.bfloat16)  # the answer is kept: it is the processor's, not this world's
    world = World(kind, count, capability)
    torch._C._ensureCUDADeviceGuardSet()
    before = torch._C._only_lift_cpu_tensors()
    torch._C._set_only_lift_cpu_tensors(True)
    with pytest.MonkeyPatch.context() as patch:
        # Modules get parameters of the new kind, not new contents for the old ones.
        patch.setattr(torch.__future__, "_overwrite_module_params_on_conversion", True)
        patch.setattr(torch.Tensor, "pin_memory", lambda x, *_: world.pin(x))
        if kind == "mps":
            patch.setattr(torch.backends.mps, "is_available", lambda: True)
        else:
            for name, stand_in in _cuda(world).items():
                patch.setattr(torch.cuda, name, stand_in)
        world.entered = lambda: _entered(world)
        try:
            with world.entered():
                yield world
        finally:
            torch._C._set_only_lift_cpu_tensors(before)
    world.check()


@contextmanager
def _entered(world: World) -> Iterator[None]:
    with Mode(world), Numbered(world):
        yield


def _cuda(world: World) -> dict[str, Any]:
    """What `torch.cuda` is meanwhile."""

    def new_stream(device: Any = None, **_: Any) -> Stream:
        world.clocks.append(Counter())
        return Stream(world, world.number(device), len(world.clocks) - 1)

    @contextmanager
    def streaming(wanted: Stream) -> Iterator[None]:
        before, index = world.current(wanted.index), world.index()
        world.streams()[wanted.index], world.thread.index = wanted, wanted.index
        try:
            yield
        finally:
            world.streams()[wanted.index], world.thread.index = before, index

    @contextmanager
    def device(wanted: Any) -> Iterator[None]:
        before = world.index()
        world.thread.index = world.number(wanted)
        try:
            yield
        finally:
            world.thread.index = before

    def set_device(wanted: Any) -> None:
        world.thread.index = world.number(wanted)

    def synchronize(_device: Any = None) -> None:
        if world.recording is not None:  # whichever thread records
            raise RuntimeError("CUDA error: operation not permitted when stream is capturing (synchronize)")
        for clock in list(world.clocks):
            world.wait(clock)

    def empty_cache() -> None:
        if world.recording is not None:
            raise RuntimeError("captures_underway.empty() INTERNAL ASSERT FAILED")
        world.calls["empty_cache"] += 1

    @contextmanager
    def graph(
        made: Graph, pool: Any = None, stream: Stream | None = None, capture_error_mode: str = "global"
    ) -> Iterator[None]:
        synchronize()
        empty_cache()
        with streaming(stream or new_stream()):
            made.begin(capture_error_mode, pool)
            try:
                yield
            finally:
                made.end()

    return {
        "_lazy_init": lambda: None,
        "is_available": lambda: True,
        "device_count": lambda: world.count,
        "current_device": world.index,
        "set_device": set_device,
        "device": device,
        "get_device_capability": lambda _device=None: world.capability,
        "get_device_name": lambda _device=None: "a device that is not there",
        "mem_get_info": lambda _device=None: (6 << 30, 8 << 30),
        "synchronize": synchronize,
        "empty_cache": empty_cache,
        "Stream": new_stream,
        "Event": lambda **_: Event(world),
        "current_stream": lambda wanted=None: world.current(world.number(wanted)),
        "stream": streaming,
        "CUDAGraph": lambda: Graph(world),
        "graph": graph,
        "graph_pool_handle": object,
        "is_current_stream_capturing": world.is_recording,
    }
