"""The GPT-SoVITS decoder step and generator written down plainly: eager float32, nothing prepared.

What `bench.speech` compares with. The cache grows by concatenation, convolutions are one-dimensional.
"""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

Weights = Mapping[str, Tensor]
RATES = (10, 8, 2, 2, 2)


class PlainDecoder:
    """One row of the T2S transformer after its prefill, stepped token by token."""

    def __init__(self, weights: Weights, keys: list[Tensor], values: list[Tensor]) -> None:
        """keys, values: (1, 16, T, 32) for each layer."""
        self.weights = weights
        self.keys, self.values = keys, values

    def step(self, token: int, position: Tensor) -> Tensor:
        """Logits (1, 1025). position: the row of the table, (512,)."""
        w = self.weights
        x = functional.embedding(torch.tensor([token]), w["model.ar_audio_embedding.word_embeddings.weight"])
        x = (x + position)[None]
        for k in range(len(self.keys)):
            p = f"model.h.layers.{k}."
            fused = functional.linear(x, w[p + "self_attn.in_proj_weight"], w[p + "self_attn.in_proj_bias"])
            query, key, value = (part.view(1, 1, 16, 32).transpose(1, 2) for part in fused.chunk(3, dim=-1))
            self.keys[k] = torch.cat([self.keys[k], key], dim=2)
            self.values[k] = torch.cat([self.values[k], value], dim=2)
            mixed = functional.scaled_dot_product_attention(query, self.keys[k], self.values[k])
            mixed = mixed.transpose(1, 2).reshape(1, 1, 512)
            mixed = functional.linear(
                mixed, w[p + "self_attn.out_proj.weight"], w[p + "self_attn.out_proj.bias"]
            )
            x = functional.layer_norm(x + mixed, (512,), w[p + "norm1.weight"], w[p + "norm1.bias"])
            inner = functional.linear(x, w[p + "linear1.weight"], w[p + "linear1.bias"]).relu()
            inner = functional.linear(inner, w[p + "linear2.weight"], w[p + "linear2.bias"])
            x = functional.layer_norm(x + inner, (512,), w[p + "norm2.weight"], w[p + "norm2.bias"])
        return functional.linear(x[0], w["model.ar_predict_layer.weight"])


def generated(w: Weights, latents: Tensor, voice: Tensor) -> Tensor:
    """Samples (1, 1, 640 T) of the generator. w: weight norm folded, kernels (out, in, k)."""
    x = functional.conv1d(latents, w["dec.conv_pre.weight"], w["dec.conv_pre.bias"], padding=3)
    x = x + functional.conv1d(voice, w["dec.cond.weight"], w["dec.cond.bias"])
    for level, rate in enumerate(RATES):
        up = w[f"dec.ups.{level}.weight"]
        x = functional.conv_transpose1d(
            functional.leaky_relu(x, 0.1), up, w[f"dec.ups.{level}.bias"], rate, (up.shape[2] - rate) // 2
        )
        x = sum((_block(w, f"dec.resblocks.{3 * level + k}.", x) for k in range(3)), torch.zeros(())) / 3
    x = functional.leaky_relu(x, 0.01)
    return functional.conv1d(x, w["dec.conv_post.weight"], padding=3).tanh()


def _block(w: Weights, prefix: str, x: Tensor) -> Tensor:
    for k, dilation in enumerate((1, 3, 5)):
        inner = x
        for part, spread in (("convs1", dilation), ("convs2", 1)):
            kernel = w[f"{prefix}{part}.{k}.weight"]
            inner = functional.conv1d(
                functional.leaky_relu(inner, 0.1),
                kernel,
                w[f"{prefix}{part}.{k}.bias"],
                padding=spread * (kernel.shape[2] // 2),
                dilation=spread,
            )
        x = x + inner
    return x
