"""CN-HuBERT (TencentGameMate/chinese-hubert-base), through transformers: sound to features at 50 Hz."""

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from core.nets.huggingface import HubertConfig, HubertModel
from core.nets.weights import Weights, count, fold_weight_norm, load_strict, on_meta

RATE = 16_000
HEAD = 64  # channels of a head, in every HuBERT and BERT


class Hubert(nn.Module):
    """HubertModel with its positional convolution's weight norm folded; sizes from the shapes."""

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        inner, width = weights["encoder.layers.0.feed_forward.intermediate_dense.weight"].shape
        outputs, inputs, kernel = weights["encoder.pos_conv_embed.conv.weight"].shape
        convolutions = count(weights, "feature_extractor.conv_layers.{}.")
        name = "feature_extractor.conv_layers.{}.conv.weight"
        config = HubertConfig(
            hidden_size=width,
            num_hidden_layers=count(weights, "encoder.layers.{}."),
            num_attention_heads=max(1, width // HEAD),
            intermediate_size=inner,
            conv_dim=[weights[name.format(k)].shape[0] for k in range(convolutions)],
            num_conv_pos_embeddings=kernel,
            num_conv_pos_embedding_groups=outputs // inputs,
        )
        self.net = HubertModel(config)
        parametrize.remove_parametrizations(self.net.encoder.pos_conv_embed.conv, "weight")

    @classmethod
    def from_checkpoint(cls, weights: Weights) -> "Hubert":
        """The net of a `pytorch_model.bin`; the weight norm's pair may have either of its two names."""
        renamed = {
            key.replace("parametrizations.weight.original0", "weight_g").replace(
                "parametrizations.weight.original1", "weight_v"
            ): value
            for key, value in weights.items()
        }
        folded = fold_weight_norm(renamed)
        with on_meta():
            net = cls(folded)
        load_strict(net.net, folded)
        return net.eval()

    @torch.inference_mode()
    def forward(self, samples: Tensor) -> Tensor:
        """Features (1, 768, (n - 400) // 320 + 1) of samples float32 (n,), as they are: no normalisation."""
        y: Tensor = self.net(samples[None]).last_hidden_state.mT
        return y
