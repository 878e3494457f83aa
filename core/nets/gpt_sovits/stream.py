"""Convolutions that take their input as it comes, and give what they would have given for all of it at once.

A layer keeps the inputs its next outputs still need. So nothing is computed twice, no piece has an edge, and
the output lags behind the input by the layers' reach; the end of the input brings the rest. Streams run
along the last axis of (1, C, 1, T).
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

Push = Callable[[Tensor, bool], Tensor]
"""Takes the next input (1, C, 1, n) and whether it is the last; gives what can be given by now."""


class Delay:
    """Holds a stream back until another has caught up."""

    def __init__(self) -> None:
        self._kept: Tensor | None = None

    @property
    def length(self) -> int:
        """How much it holds."""
        return 0 if self._kept is None else self._kept.shape[3]

    def push(self, x: Tensor, count: int) -> Tensor:
        """Put in x (1, C, 1, n), take out the oldest `count`."""
        kept = x if self._kept is None else _join(self._kept, x)
        self._kept = kept[..., count:].clone()  # a view would keep all of it
        return kept[..., :count]


def _zeros(like: Tensor, length: int, channels: int = 0) -> Tensor:
    """(1, C, 1, length), channels last as everything here."""
    shape = (1, channels or like.shape[1], 1, length)
    return torch.zeros(shape, dtype=like.dtype, device=like.device).contiguous(
        memory_format=torch.channels_last
    )


def _join(one: Tensor, other: Tensor) -> Tensor:
    # Without empty ones: those do not count as channels last, and then `cat` reorders everything.
    parts = [x for x in (one, other) if x.shape[3]]
    return torch.cat(parts, dim=3) if len(parts) == 2 else [*parts, one][0]


def conv(layer: nn.Conv2d) -> Push:
    """`layer`, of stride 1 and "same" zero padding, on a stream."""
    reach = int(layer.padding[1])
    kept: list[Tensor] = []

    def push(x: Tensor, last: bool) -> Tensor:
        # The zeros before the first input and after the last are the layer's own padding.
        x = _join(kept.pop() if kept else _zeros(x, reach), x)
        x = _join(x, _zeros(x, reach)) if last else x
        kept.append(x[..., -2 * reach :].clone() if reach else x[..., :0])
        if x.shape[3] <= 2 * reach:
            return _zeros(x, 0, layer.out_channels)
        return functional.conv2d(x, layer.weight, layer.bias, dilation=layer.dilation)

    return push


def upsample(layer: nn.ConvTranspose2d) -> Push:
    """`layer`, whose output is its stride times as long as its input, on a stream."""
    rate, crop = int(layer.stride[1]), int(layer.padding[1])
    before = -(-int(layer.kernel_size[1]) // rate) - 1  # inputs that reach into what comes next
    kept: list[Tensor] = []
    seen = [0]

    def push(x: Tensor, last: bool) -> Tensor:
        joined = _join(kept.pop(), x) if kept else x
        first = max(0, seen[0] * rate - crop)
        seen[0] += x.shape[3]
        stop = seen[0] * rate - (0 if last else crop)
        kept.append(joined[..., max(0, joined.shape[3] - before) :].clone())
        if stop <= first:
            return _zeros(x, 0, layer.out_channels)
        # Without its cropping the layer's output begins at the first kept input's number times the rate.
        whole = functional.conv_transpose2d(joined, layer.weight, layer.bias, stride=layer.stride)
        start = (seen[0] - joined.shape[3]) * rate - crop
        return whole[..., first - start : stop - start]

    return push
