"""Chinese RoBERTa (hfl/chinese-roberta-wwm-ext-large), through transformers; only the layers that are used.

The phones of Chinese get the hidden states two layers below the last. The two layers above, the pooler and
the masked-word head never run, so they are not loaded.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from core.nets.gpt_sovits.hubert import HEAD
from core.nets.huggingface import BertConfig, BertModel
from core.nets.weights import Weights, count, load_strict, on_meta

UNUSED_LAYERS = 2


class Bert(nn.Module):
    """BertModel cut off below the last two layers; sizes from the shapes."""

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        words, width = weights["embeddings.word_embeddings.weight"].shape
        config = BertConfig(
            vocab_size=words,
            hidden_size=width,
            num_hidden_layers=count(weights, "encoder.layer.{}."),
            num_attention_heads=max(1, width // HEAD),
            intermediate_size=weights["encoder.layer.0.intermediate.dense.weight"].shape[0],
            max_position_embeddings=weights["embeddings.position_embeddings.weight"].shape[0],
            type_vocab_size=weights["embeddings.token_type_embeddings.weight"].shape[0],
        )
        self.net = BertModel(config, add_pooling_layer=False)

    @classmethod
    def from_checkpoint(cls, weights: Weights) -> "Bert":
        """The net of a `pytorch_model.bin`."""
        inner = {key.removeprefix("bert."): value for key, value in weights.items()}
        layers = count(inner, "encoder.layer.{}.")
        above = range(layers - UNUSED_LAYERS, layers)
        unused = ("cls.", "pooler.", *(f"encoder.layer.{k}." for k in above))
        # Published files of BERT name the gains and offsets of norms as TensorFlow does.
        kept = {
            key.replace("LayerNorm.gamma", "LayerNorm.weight").replace(
                "LayerNorm.beta", "LayerNorm.bias"
            ): value.float()
            for key, value in inner.items()
            if not key.startswith(unused) and not key.endswith("position_ids")
        }
        with on_meta():
            net = cls(kept)
        load_strict(net.net, kept)
        # Not in the file: they are numbers 0, 1, ... and zeros.
        numbers = torch.arange(net.net.config.max_position_embeddings)[None]
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
