"""T2S's layers as one graph of onnxruntime.

Its kernels lay a matrix out so that reading it is quick for one row as for many, and nothing is called for
between two layers, so on processors without AVX-512 a token takes half of what torch's layers take.
(Genie-TTS, github.com/High-Logic/Genie-TTS, showed that onnxruntime is quick at this.) The graph differs from
an exported one in that it never copies the cache: attention looks at what is there and at what is new apart,
and the new keys and values alone come out, to be put into the cache in place.
"""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor
from torch.nn import functional

from core.engines.compute.onnx import Session, session
from core.errors import Error
from core.nets.gpt_sovits.t2s import Cache, Layer

Precision = Literal["float32", "int8"]

_OPSET, _IR = 18, 8  # as old as can be, for old releases of onnxruntime
_BLOCK = 32  # inputs of a matrix of int8 that share a scale


class Graph:
    """The layers, on as many threads as torch has: a `core.nets.gpt_sovits.t2s.Body`. On the CPU alone."""

    def __init__(self, layers: Sequence[Layer], precision: Precision = "float32") -> None:
        """layers: not packed. precision: of the matrices; what "int8" ones multiply is rounded to int8, too.

        Raises DamagedFile if onnxruntime refuses the graph: old releases know no such products of int8; Error
        if there is no room for the weights in the folder for temporary files, where they lie meanwhile.
        """
        self._layers = len(layers)
        try:
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                with (Path(folder) / "weights").open("wb") as file:
                    model = _model(layers, _Writer(file, precision))
                    self.nbytes = file.tell()
                place = Path(folder) / "layers.onnx"
                place.write_bytes(model.SerializeToString())
                self._session: Session = session(place, torch.get_num_threads())
        except OSError as error:
            raise Error(
                f"temporary files cannot be written ({error}); set TMPDIR to a folder with room"
            ) from error

    def prefill(self, x: Tensor, seen: Tensor, cache: Cache, row: int) -> Tensor:
        """See `Body`."""
        length = x.shape[1]
        # Not all releases can do with nothing before: one position that nobody sees.
        before = [tensor[row : row + 1, :, :1].contiguous() for tensor in _alternately(cache)]
        hidden = torch.zeros(1, 1, length, length + 1)
        hidden[0, 0, :, 0] = -torch.inf
        hidden[0, 0, :, 1:].masked_fill_(~seen, -torch.inf)
        y, new = self._run(x, hidden, before)
        for tensor, part in zip(_alternately(cache), new, strict=True):
            tensor[row, :, :length] = part[0]
        return y

    def step(self, x: Tensor, lengths: Tensor, cache: Cache, stop: int) -> Tensor:
        """See `Body`."""
        rows, slots = len(x), cache.slots
        hidden = torch.zeros(rows, 1, 1, slots + 1)  # the last is the token itself
        hidden[:, 0, 0, :slots].masked_fill_(torch.arange(slots) >= lengths[:, None], -torch.inf)
        y, new = self._run(x, hidden, [tensor[:rows] for tensor in _alternately(cache)])
        places = lengths.tolist()
        for tensor, part in zip(_alternately(cache), new, strict=True):
            array = tensor.numpy()
            for row, place in enumerate(places):
                array[row, :, place] = part[row, :, 0].numpy()
        return y

    def _run(self, x: Tensor, hidden: Tensor, before: Sequence[Tensor]) -> tuple[Tensor, Sequence[Tensor]]:
        """Output, and each layer's new keys and values. hidden: (B, 1, T, S + T). before: (B, H, S, D)."""
        fed = {f"before{k}": tensor.numpy() for k, tensor in enumerate(before)}
        split = np.array([before[0].shape[2], x.shape[1]])
        y, new = self._session.run(None, {"x": x.numpy(), "hidden": hidden.numpy(), "split": split, **fed})
        return torch.from_numpy(y), torch.from_numpy(new).chunk(2 * self._layers, dim=1)


def _alternately(cache: Cache) -> Iterator[Tensor]:
    """Keys and values of the first layer, of the second ..."""
    for keys, values in zip(cache.keys, cache.values, strict=True):
        yield from (keys, values)


class _Writer:
    """Nodes one after the other, each named by its output; matrices go to a file at once."""

    def __init__(self, weights: BinaryIO, precision: Precision) -> None:
        self._weights, self._precision = weights, precision
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[TensorProto] = []

    def __call__(self, kind: str, *inputs: str, **attributes: Any) -> str:
        return self.several(1, kind, *inputs, **attributes)[0]

    def several(self, count: int, kind: str, *inputs: str, **attributes: Any) -> list[str]:
        """A node with several outputs."""
        names = [f"{kind}{len(self.nodes)}_{k}" for k in range(count)]
        self.nodes.append(helper.make_node(kind, inputs, names, **attributes))
        return names

    def constant(self, value: NDArray[np.generic]) -> str:
        """A small one, inside the model."""
        name = f"constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def linear(self, x: str, weight: Tensor, bias: Tensor | None) -> str:
        """x W^T + b."""
        weight = weight.detach()
        if self._precision == "int8":
            product = self._int8(x, weight)
        else:
            product = self("MatMul", x, self._outside(weight.T))
        return product if bias is None else self("Add", product, self.constant(bias.detach().numpy()))

    def _int8(self, x: str, weight: Tensor) -> str:
        """x W^T, a scale for every so many inputs of an output."""
        outputs, inputs = weight.shape
        blocks = functional.pad(weight, (0, -inputs % _BLOCK)).view(outputs, -1, _BLOCK)
        scales = blocks.abs().amax(2, keepdim=True).clamp_min(1e-12) / 127
        codes = (blocks / scales).round().add(128).byte()  # 128 stands for 0
        shape = {"K": inputs, "N": outputs, "bits": 8, "block_size": _BLOCK, "accuracy_level": 4}
        matrix = self._outside(codes), self._outside(scales.flatten())
        return self("MatMulNBits", x, *matrix, domain="com.microsoft", **shape)

    def _outside(self, tensor: Tensor) -> str:
        """A large constant, in the file."""
        array, place = tensor.contiguous().numpy(), self._weights.tell()
        array.tofile(self._weights)
        kind = helper.np_dtype_to_tensor_dtype(array.dtype)
        name = f"constant{len(self.constants)}"
        outside = TensorProto(name=name, data_type=kind, dims=array.shape, data_location=TensorProto.EXTERNAL)
        for key, value in (("location", "weights"), ("offset", place), ("length", array.nbytes)):
            outside.external_data.add(key=key, value=str(value))
        self.constants.append(outside)
        return name

    def norm(self, x: str, norm: torch.nn.LayerNorm) -> str:
        """A layer norm over the last axis."""
        scale, shift = (self.constant(part.detach().numpy()) for part in (norm.weight, norm.bias))
        return self("LayerNormalization", x, scale, shift, axis=-1, epsilon=norm.eps)


def _model(layers: Sequence[Layer], write: "_Writer") -> onnx.ModelProto:
    """Inputs x (b, t, width), hidden (b, 1, t, s + t), split (2,), which is (s, t), and before0, before1 ...
    (b, H, s, D), keys and values in turn. Outputs y, as x, and new (b, 2 L H, t, D)."""
    heads, width = layers[0].heads, layers[0].norm1.normalized_shape[0]
    apart = write.constant(np.array([0, 0, 3 * heads, width // heads]))
    together = write.constant(np.array([0, 0, width]))
    x, new = "x", []
    for k, layer in enumerate(layers):
        attention = layer.self_attn
        # The query is scaled by its matrix, not at every step.
        scale = torch.ones(3 * width, 1)
        scale[:width] = (width // heads) ** -0.5
        bias = attention.in_proj.bias
        fused = write.linear(
            x, attention.in_proj.weight * scale, None if bias is None else bias * scale[:, 0]
        )
        fused = write("Transpose", write("Reshape", fused, apart), perm=[0, 2, 1, 3])
        query, key, value = write.several(3, "Split", fused, axis=1, num_outputs=3)
        scores = [
            write("MatMul", query, write("Transpose", keys, perm=[0, 1, 3, 2]))
            for keys in (f"before{2 * k}", key)
        ]
        shares = write("Softmax", write("Add", write("Concat", *scores, axis=-1), "hidden"), axis=-1)
        old, own = write.several(2, "Split", shares, "split", axis=-1)
        mixed = write("Add", write("MatMul", old, f"before{2 * k + 1}"), write("MatMul", own, value))
        mixed = write("Reshape", write("Transpose", mixed, perm=[0, 2, 1, 3]), together)
        out = write.linear(mixed, attention.out_proj.weight, attention.out_proj.bias)
        x = write.norm(write("Add", x, out), layer.norm1)
        inner = write("Relu", write.linear(x, layer.linear1.weight, layer.linear1.bias))
        inner = write.linear(inner, layer.linear2.weight, layer.linear2.bias)
        x = write.norm(write("Add", x, inner), layer.norm2)
        new += [key, value]
    write.nodes.append(helper.make_node("Identity", [x], ["y"]))
    write.nodes.append(helper.make_node("Concat", new, ["new"], axis=1))
    number: int = TensorProto.FLOAT
    before: list[str | int | None] = ["b", heads, "s", width // heads]
    inputs = [
        helper.make_tensor_value_info("x", number, ["b", "t", width]),
        helper.make_tensor_value_info("hidden", number, ["b", 1, "t", "all"]),
        helper.make_tensor_value_info("split", TensorProto.INT64, [2]),
        *(helper.make_tensor_value_info(f"before{k}", number, before) for k in range(2 * len(layers))),
    ]
    outputs = [
        helper.make_tensor_value_info("y", number, ["b", "t", width]),
        helper.make_tensor_value_info("new", number, ["b", 2 * heads * len(layers), "t", width // heads]),
    ]
    graph = helper.make_graph(write.nodes, "layers", inputs, outputs, write.constants)
    opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=_IR)
