"""Run a network on batches of any size as fast as its device can.

On the CPU: batch norm folded, channels last, weights laid out for oneDNN. On a GPU: fixed batch sizes, each a
captured CUDA graph fed from pinned memory. Compiled: fixed sizes, the compiler's work cached on disk.
"""

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from core.engines.compute.graphs import recorded
from core.nets.packed import can_pack, folded, laid_out, packed

SIZES = (1, 2, 4, 16)
"""Batch sizes for devices that want them fixed: the small ones for one picture each of one or two jobs. More
than 16 is no faster per picture, on CPU or GPU."""

Run = Callable[..., Tensor]


def worth_compiling(device: torch.device) -> bool:
    """Whether the compiler could make a network faster there: a CPU gets the kernels that `packed` calls
    without it, takes a minute for that, and is some per cent slower in the end."""
    return device.type != "cpu" or not can_pack()


class Batches:
    """A network, ready for calls; on the CPU, uncompiled, from several threads at once.

    example: float32 inputs of batch size 1, as the network takes them. compiled: folder that keeps what the
    compiler makes, or None to do without it. sizes: of the batches it is run as where those are fixed: the
    first ones of `SIZES`; (1,), for a large network that gains nothing by more, fixes them on the CPU, too.
    """

    def __init__(
        self,
        net: nn.Module,
        example: tuple[Tensor, ...],
        device: torch.device,
        dtype: torch.dtype,
        compiled: Path | None = None,
        sizes: Sequence[int] = SIZES,
    ) -> None:
        self.device, self.dtype, self._sizes = device, dtype, sizes
        self._threads = torch.get_num_threads()
        self._fixed = compiled is not None or device.type == "cuda" or len(sizes) == 1
        if device.type == "cuda":
            torch.cuda.set_device(device)  # of this thread, the engine's
        with warnings.catch_warnings(), _freezing(compiled is not None and device.type == "cpu"):
            warnings.simplefilter("ignore", DeprecationWarning)  # torch's compiler, about parts of torch
            self._runs = self._built(net, example, compiled)
            for size in self._runs:  # warm up: what is allocated, chosen or compiled on first use, is now
                self(*_repeated(example, size))

    def _built(self, net: nn.Module, example: tuple[Tensor, ...], compiled: Path | None) -> dict[int, Run]:
        if self.device.type == "cpu" and compiled is None and can_pack():
            # oneDNN wants one layout for a single picture on several threads, another for all else.
            kinds = self._sizes if self._fixed else (1, 16)
            return {size: packed(net, _repeated(example, size), self.dtype) for size in kinds}
        plain = laid_out(folded(net), self.device, self.dtype)
        run = plain if compiled is None else _compiled(plain, self.device, compiled)
        if self.device.type != "cuda":
            return {size: run for size in (self._sizes if self._fixed else (1, 16))}
        runs: dict[int, Run] = {}
        for size in reversed(self._sizes):  # the largest first: the others use its memory
            largest = runs.get(self._sizes[-1])
            runs[size] = recorded(run, _repeated(example, size), self.device, self.dtype, beside=largest)
        return runs

    def __call__(self, *inputs: Tensor) -> Tensor:
        """The network's output for `inputs` of any one batch size, float32, on `device`."""
        with torch.inference_mode():
            if self._fixed:
                return self._piecewise(inputs)
            alone = len(inputs[0]) == 1 and torch.get_num_threads() == self._threads
            run = self._runs[1 if alone else 16]
            return run(*(self._ready(x) for x in inputs)).float()

    def _piecewise(self, inputs: tuple[Tensor, ...]) -> Tensor:
        outputs = []
        for start, stop, size in pieces(len(inputs[0]), self._sizes):
            part = (_filled(x[start:stop], size) for x in inputs)
            made = self._runs[size](*(self._ready(x) for x in part))[: stop - start]
            outputs.append(made.to(torch.float32, copy=True))  # a graph writes into one place again and again
        return torch.cat(outputs)

    def _ready(self, x: Tensor) -> Tensor:
        if self.device.type == "cuda":
            return x  # the graph has its own buffers
        x = x.to(self.device, self.dtype)
        pictures = self.device.type == "cpu" and x.dim() == 4
        return x.contiguous(memory_format=torch.channels_last) if pictures else x


def pieces(count: int, sizes: Sequence[int] = SIZES) -> Iterator[tuple[int, int, int]]:
    """Cut `count` items into stretches (start, stop, size of the batch it is run as), the last filled up.

    sizes: `SIZES`, or its first ones.

    >>> list(pieces(7))
    [(0, 4, 4), (4, 7, 4)]
    >>> list(pieces(18))
    [(0, 16, 16), (16, 18, 2)]
    >>> list(pieces(30))
    [(0, 16, 16), (16, 30, 16)]
    >>> list(pieces(6, (1, 2, 4)))
    [(0, 4, 4), (4, 6, 2)]
    """
    start = 0
    while start < count:
        left = count - start
        size = min(16 if left > 12 else 4 if left > 2 else left, sizes[-1])
        yield start, min(start + size, count), size
        start += size


def _repeated(example: tuple[Tensor, ...], size: int) -> tuple[Tensor, ...]:
    return tuple(x.expand(size, *x.shape[1:]).clone() for x in example)


def _filled(x: Tensor, size: int) -> Tensor:
    """`x` with its last item repeated up to `size`."""
    return x if len(x) == size else torch.cat([x, x[-1:].expand(size - len(x), *x.shape[1:])])


def _compiled(net: nn.Module, device: torch.device, folder: Path) -> Run:
    """`net` for torch.compile, which compiles once a batch size and finds its work in `folder` later."""
    folder.mkdir(parents=True, exist_ok=True)
    # Read when the compiler starts; a user who has set it wants it where he said.
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(folder))
    from torch._dynamo import config  # takes half a second

    # Every size of every network counts; beyond the limit it goes on uncompiled, with a warning only.
    config.recompile_limit = max(config.recompile_limit, 64)
    run: Run = torch.compile(net, dynamic=False)
    return run


@contextmanager
def _freezing(wanted: bool) -> Iterator[None]:
    """While open, what is compiled has its weights built in, laid out for oneDNN: three times faster.

    The compiler looks at its own settings alone: as an option of torch.compile it goes unheard.
    """
    if not wanted:
        yield
        return
    from torch._inductor import config  # takes half a second

    with config.patch(freezing=True):
        yield
