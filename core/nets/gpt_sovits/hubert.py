"""CN-HuBERT (TencentGameMate/chinese-hubert-base), through transformers: sound to features at 50 Hz."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from transformers import HubertConfig, HubertModel

from core.nets.gpt_sovits.weights import Weights, fold_weight_norm, load_strict, on_meta

RATE = 16_000
POSITIONAL = "encoder.pos_conv_embed.conv."


class Hubert(nn.Module):
    """HubertModel with its positional convolution's weight norm folded."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.net = HubertModel(HubertConfig(**config))
        parametrize.remove_parametrizations(self.net.encoder.pos_conv_embed.conv, "weight")

    @classmethod
    def from_checkpoint(cls, weights: Weights, config: dict[str, Any] | None = None) -> "Hubert":
        """The net of a `pytorch_model.bin`; the weight norm's pair may have either of its two names.

        config: the folder's config.json; without it, HuBERT base.
        """
        renamed = {
            key.replace("parametrizations.weight.original0", "weight_g").replace(
                "parametrizations.weight.original1", "weight_v"
            ): value
            for key, value in weights.items()
        }
        with on_meta():
            net = cls(config or {})
        load_strict(net.net, fold_weight_norm(renamed))
        return net.eval()

    @torch.inference_mode()
    def forward(self, samples: Tensor) -> Tensor:
        """Features (1, 768, (n - 400) // 320 + 1) of samples float32 (n,), as they are: no normalisation."""
        y: Tensor = self.net(samples[None]).last_hidden_state.mT
        return y
