"""Convolutions that take their input as it comes, and give what they would have given for all of it at once.

A layer keeps the inputs its next outputs still need. So nothing is computed twice, no piece has an edge, and
the output lags behind the input by the layers' reach; the end of the input brings the rest. Streams run
along the last axis of (1, C, 1, T), channels last.

What a layer keeps and what comes next lie in one piece of memory, into which the activation before the layer
writes: joining them costs nothing, and the layers need no padding, which kernels are slower with.
"""

from collections.abc import Callable

import torch
from torch import Tensor

Layer = Callable[[Tensor], Tensor]
Push = Callable[[Tensor, bool], Tensor]
"""Takes the next input (1, C, 1, n) and whether it is the last; gives what can be given by now."""


class Ahead:
    """A stream that is added to one which lags behind it."""

    def __init__(self) -> None:
        self._kept: Tensor | None = None

    def onto(self, late: Tensor, x: Tensor) -> None:
        """Add to `late` (1, C, 1, n), in place, what belongs there; x: what comes next of this stream."""
        kept = x[..., :0] if self._kept is None else self._kept
        head, count = min(kept.shape[3], late.shape[3]), late.shape[3]
        late[..., :head] += kept[..., :head]
        late[..., head:] += x[..., : count - head]
        rest = x[..., count - head :]
        # A view would keep all of x.
        self._kept = torch.cat([kept[..., head:], rest], 3) if head < kept.shape[3] else rest.clone()


def _empty(like: Tensor, length: int, channels: int) -> Tensor:
    """Room for (1, C, 1, length)."""
    return like.new_empty(1, 1, length, channels).permute(0, 3, 1, 2)


def _joined(before: Tensor | int, x: Tensor, after: int, slope: float) -> Tensor:
    """`before`, or so many zeros; x, past a leaky ReLU of `slope`; `after` zeros."""
    head = before if isinstance(before, int) else before.shape[3]
    whole = _empty(x, head + x.shape[3] + after, x.shape[1])
    if isinstance(before, int):
        whole[..., :head].zero_()
    else:
        whole[..., :head].copy_(before)
    middle = whole[..., head : head + x.shape[3]]
    if slope == 1.0:
        middle.copy_(x)
    else:
        torch.ops.aten.leaky_relu.out(x, slope, out=middle)
    whole[..., head + x.shape[3] :].zero_()
    return whole


def conv(layer: Layer, reach: int, channels: int, slope: float = 1.0) -> Push:
    """A convolution of stride 1 on a stream; what it is given is zero before its beginning and after its end.

    layer: without padding. reach: of its kernel to either side. channels: of its output. slope: of the leaky
        ReLU that its input passes first; 1 for none.
    """
    kept: list[Tensor] = []

    def push(x: Tensor, last: bool) -> Tensor:
        whole = _joined(kept.pop() if kept else reach, x, reach if last else 0, slope)
        length = whole.shape[3]
        kept.append(whole[..., max(0, length - 2 * reach) :].clone())
        return layer(whole) if length > 2 * reach else _empty(x, 0, channels)

    return push


def upsample(layer: Layer, rate: int, kernel: int, channels: int, slope: float) -> Push:
    """A transposed convolution on a stream, whose output is `rate` times as long as its input.

    layer: without padding. kernel: its width. channels, slope: as of `conv`.
    """
    crop = (kernel - rate) // 2
    before = -(-kernel // rate) - 1  # inputs that reach into what comes next
    kept: list[Tensor] = []
    seen = [0]

    def push(x: Tensor, last: bool) -> Tensor:
        joined = _joined(kept.pop() if kept else 0, x, 0, slope)
        length = joined.shape[3]
        first = max(0, seen[0] * rate - crop)
        seen[0] += x.shape[3]
        stop = seen[0] * rate - (0 if last else crop)
        kept.append(joined[..., max(0, length - before) :].clone())
        if stop <= first:
            return _empty(x, 0, channels)
        # The layer's output begins at the first kept input's number times the rate, less what is cropped.
        start = (seen[0] - length) * rate - crop
        return layer(joined)[..., first - start : stop - start]

    return push
