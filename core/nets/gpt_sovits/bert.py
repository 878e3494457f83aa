"""Chinese RoBERTa (hfl/chinese-roberta-wwm-ext-large), through transformers; only the layers that are used.

The phones of Chinese get the hidden states two layers below the last. The two layers above, the pooler and
the masked-word head never run, so they are not loaded.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel

from core.nets.gpt_sovits.weights import Weights, load_strict, on_meta

UNUSED_LAYERS = 2


class Bert(nn.Module):
    """BertModel cut off below the last two layers."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        layers = config["num_hidden_layers"] - UNUSED_LAYERS
        self.net = BertModel(BertConfig(**{**config, "num_hidden_layers": layers}), add_pooling_layer=False)

    @classmethod
    def from_checkpoint(cls, weights: Weights, config: dict[str, Any]) -> "Bert":
        """The net of the folder's `pytorch_model.bin` and config.json."""
        layers = config["num_hidden_layers"]
        above = range(layers - UNUSED_LAYERS, layers)
        unused = ("pooler.", *(f"encoder.layer.{k}." for k in above))
        kept = {
            key.removeprefix("bert."): value.float()
            for key, value in weights.items()
            if not key.startswith("cls.")
        }
        # Published files of BERT name the gains and offsets of norms as TensorFlow does.
        kept = {
            key.replace("LayerNorm.gamma", "LayerNorm.weight").replace(
                "LayerNorm.beta", "LayerNorm.bias"
            ): value
            for key, value in kept.items()
            if not key.startswith(unused) and not key.endswith("position_ids")
        }
        with on_meta():
            net = cls(config)
        load_strict(net.net, kept)
        # Not in the file: they are numbers 0, 1, ... and zeros.
        numbers = torch.arange(config["max_position_embeddings"])[None]
        net.net.embeddings.register_buffer("position_ids", numbers, persistent=False)
        net.net.embeddings.register_buffer("token_type_ids", torch.zeros_like(numbers), persistent=False)
        return net.eval()

    @torch.inference_mode()
    def forward(self, ids: Tensor, word2ph: Sequence[int]) -> Tensor:
        """Features (width, sum(word2ph)): that of each character, repeated for its phones.

        ids: int64 (len(word2ph) + 2,) with [CLS] in front and [SEP] behind.
        """
        hidden = self.net(ids[None]).last_hidden_state[0, 1:-1]
        y: Tensor = hidden.repeat_interleave(torch.tensor(word2ph, device=hidden.device), dim=0).T
        return y
