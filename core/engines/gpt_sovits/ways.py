"""The ways of running the T2S network on a processor, and the choice among them."""

import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch

from core.engines.compute.quickest import quickest
from core.errors import Error
from core.nets.gpt_sovits.t2s import Text2Semantic
from core.nets.weights import Weights

Build = Callable[[Weights, Mapping[str, Any]], Text2Semantic]
"""The network of a checkpoint's weights and config."""

_LAYERS = 6  # of those that are timed: 75 MB of weights as published, so that they come from memory
_POSITIONS = 256


def _graph(
    weights: Weights, config: Mapping[str, Any], precision: Literal["float32", "int8"] = "float32"
) -> Text2Semantic:
    from core.engines.gpt_sovits.graph import Graph  # needs onnx, which the extra `neural` brings

    net = Text2Semantic.from_checkpoint(weights, config, None)
    net.ar_predict_layer.pack("float32")
    net.run_by(Graph(net.h.each(), precision))
    return net


def _packed(precision: str) -> Build:
    return partial(Text2Semantic.from_checkpoint, precision=precision)


WAYS: dict[str, dict[str, Build]] = {
    "float32": {"onnxruntime": _graph, "torch": _packed("float32")},
    "fast": {
        "onnxruntime": _graph,
        "onnxruntime int8": partial(_graph, precision="int8"),
        "torch int8": _packed("int8"),
    },
}
"""By precision. "fast" allows for matrices of int8; where exact ones are as quick, they are taken."""


def quickest_talker(
    weights: Weights, config: Mapping[str, Any], precision: str, file: Path | None
) -> Text2Semantic:
    """The T2S network of a checkpoint, on this processor, in the quickest of the ways of `precision`.

    file: where the answer is kept; None for the last of the ways, untimed, which is also what is left if the
        quickest is no longer to be had.
    """
    ways = WAYS[precision]
    if file is None:
        return list(ways.values())[-1](weights, config)
    few = {key: value for key, value in weights.items() if _among_first(key)}
    width = weights["model.ar_predict_layer.weight"].shape[1]
    work = f"GPT-SoVITS, a token, {precision}, width {width}"
    way = quickest(work, {name: partial(_turn, build, few, config) for name, build in ways.items()}, file)
    try:
        return ways[way](weights, config)
    except (ImportError, Error):  # it worked when it was tried: the disk is full, or a package is gone
        return list(ways.values())[-1](weights, config)


def _among_first(key: str) -> bool:
    found = re.match(r"model\.h\.layers\.(\d+)\.", key)
    return found is None or int(found[1]) < _LAYERS


def _turn(build: Build, weights: Weights, config: Mapping[str, Any]) -> Callable[[], object]:
    """A token of one sentence."""
    net = build(weights, config)
    token, place, length = (torch.tensor([number]) for number in (0, _POSITIONS // 2, _POSITIONS - 1))
    return partial(net.step, token, place, length, net.cache(1, _POSITIONS), _POSITIONS)
