"""Record what a network does once on a CUDA device, and repeat it with one launch instead of hundreds.

The rules of https://pytorch.org/docs/stable/notes/cuda.html#cuda-graphs, kept here once for every engine.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Generic, TypeVar

import torch
from torch import Tensor

log = logging.getLogger(__name__)

Made = TypeVar("Made")

_WARM = 3
"""Runs before recording: libraries load kernels, choose among them and allocate what they keep."""

_ALONE = Lock()
"""Held while recording: torch and the driver know one recording a process, and nothing may wait for the whole
device, or give memory back to it, until that has ended."""


class Graph(Generic[Made]):
    """`run`, recorded for inputs of one shape; calls from one thread at a time.

    run: takes tensors on `device` and gives a tensor, or a tuple or dict of them. It is run a few times now
        and never again: later calls repeat the very same kernels on the same memory. So it may read weights
        and read or write buffers that stay where they are (a cache), but no numbers of Python's that change,
        no tensors on the CPU, and nothing in it may wait for the device (`.item()`, `.cpu()`, `nonzero`,
        indexing by a mask). What it writes into buffers while it is recorded is rubbish of `example`'s.
    example: inputs of the shapes it is called with, anywhere. Pictures (4 axes, not whole numbers) are handed
        to `run` channels last.
    dtype: what inputs that are not whole numbers are handed over as; None leaves them as they are.
    beside: a graph that never runs at the same time: both then use the same memory for what is between input
        and output. Record the one with the larger inputs first.

    A call takes inputs on the CPU (copied through pinned memory, double-buffered: filling one does not wait
    for the copy out of the other) or on `device` (of the current stream). What it gives is the graph's own:
    good on the current stream until the next call, which writes there again.
    """

    def __init__(
        self,
        run: Callable[..., Made],
        example: Sequence[Tensor],
        device: torch.device,
        dtype: torch.dtype | None = None,
        *,
        beside: "Graph[Made] | None" = None,
    ) -> None:
        """Raises RuntimeError if `run` cannot be recorded, torch.OutOfMemoryError if memory runs out."""
        self._device = device
        self._stream: torch.cuda.Stream
        with torch.cuda.device(device), torch.inference_mode(), _ALONE, _best_kernels(dtype):
            self._stream = beside._stream if beside else torch.cuda.Stream(device)
            self._stream.wait_stream(torch.cuda.current_stream(device))  # weights may be on their way
            with torch.cuda.stream(self._stream):
                self._inputs = [_placed(x, device, dtype) for x in example]
                self._pinned = [[_pinned(x) for x in example] for _ in range(2)]
                for _ in range(_WARM):
                    run(*self._inputs)
                self._stream.synchronize()
                self._graph = torch.cuda.CUDAGraph()
                pool = beside._graph.pool() if beside else None
                # Only what this thread does is judged: other engines go on meanwhile.
                with torch.cuda.graph(self._graph, pool, self._stream, capture_error_mode="thread_local"):
                    self._output = run(*self._inputs)
        self._copied = [torch.cuda.Event() for _ in range(2)]
        self._turn = 0

    def __call__(self, *inputs: Tensor) -> Made:
        """Raises ValueError for inputs of other shapes than the example's."""
        for there, x in zip(self._inputs, inputs, strict=True):
            if there.shape != x.shape:  # copying would spread a smaller one
                raise ValueError(f"recorded for {tuple(there.shape)}, called with {tuple(x.shape)}")
        current = torch.cuda.current_stream(self._device)
        # The output's last reader, and whoever made inputs that are on the device already, come first.
        self._stream.wait_stream(current)
        with torch.inference_mode(), torch.cuda.stream(self._stream):
            self._turn ^= 1
            self._copied[self._turn].synchronize()
            for there, pinned, x in zip(self._inputs, self._pinned[self._turn], inputs, strict=True):
                there.copy_(pinned.copy_(x) if x.device.type == "cpu" else x, non_blocking=True)
            self._copied[self._turn].record(self._stream)
            self._graph.replay()
        current.wait_stream(self._stream)
        return self._output


def recorded(
    run: Callable[..., Made],
    example: Sequence[Tensor],
    device: torch.device,
    dtype: torch.dtype | None = None,
    *,
    beside: Callable[..., Made] | None = None,
) -> Callable[..., Made]:
    """A `Graph` of `run`; where it cannot be recorded, `run` fed in the same way, and a warning in the log.

    beside: what this gave for another `run`. Raises torch.OutOfMemoryError without memory.
    """
    try:
        return Graph(run, example, device, dtype, beside=beside if isinstance(beside, Graph) else None)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        reason = str(error).strip().partition("\n")[0][:200]
        log.warning("a network runs unrecorded, and slower, on %s: %s", device, reason)

    @torch.inference_mode()
    def unrecorded(*inputs: Tensor) -> Made:
        return run(*(_placed(x, device, dtype) for x in inputs))

    return unrecorded


def recording_alone() -> Lock:
    """To be held while doing what must not happen during a recording on any thread."""
    return _ALONE


def _pinned(x: Tensor) -> Tensor:
    """Memory like that of `x` on the CPU, from which the GPU reads by itself."""
    return torch.empty_like(x, device="cpu").pin_memory()


def _placed(x: Tensor, device: torch.device, dtype: torch.dtype | None) -> Tensor:
    """A copy of `x` as `run` takes it."""
    kind = dtype if dtype is not None and x.is_floating_point() else x.dtype
    layout = torch.channels_last if x.dim() == 4 and x.is_floating_point() else torch.contiguous_format
    return x.to(device, kind, copy=True, memory_format=layout)


@contextmanager
def _best_kernels(dtype: torch.dtype | None) -> Iterator[None]:
    """While open, cuDNN times its kernels for shapes it has not seen and takes the fastest.

    Not in float32, where results should be the same on every start.
    """
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = before or dtype in (torch.float16, torch.bfloat16)
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before
