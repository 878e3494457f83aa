"""SynthesizerTrn of v1, v2, v2Pro and v2ProPlus: semantic tokens, phones and a voice in, sound out.

The parts are in `encoder`, `flow`, `generator` and `voice`; this joins them under the published key names.
What training alone needs (`enc_q`) is not loaded.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from core.nets.gpt_sovits.encoder import PriorEncoder
from core.nets.gpt_sovits.flow import Flow
from core.nets.gpt_sovits.generator import Generator, as_pictures
from core.nets.gpt_sovits.voice import MelStyleEncoder
from core.nets.packed import PackedConvolution
from core.nets.weights import Weights, fold_weight_norm, load_strict, on_meta

FRAMES_PER_TOKEN = 2
SAMPLES_PER_FRAME = 640
RATE = 32_000


class Codebook(nn.Module):
    """The rows of the quantiser; the other three entries are what training counted in."""

    def __init__(self, rows: int, width: int) -> None:
        super().__init__()
        self.register_buffer("inited", torch.empty(1))
        self.register_buffer("cluster_size", torch.empty(rows))
        self.register_buffer("embed", torch.empty(rows, width))
        self.register_buffer("embed_avg", torch.empty(rows, width))
        self.embed: Tensor


class QuantizerLayer(nn.Module):
    """Holds `_codebook` under its published name."""

    def __init__(self, rows: int, width: int) -> None:
        super().__init__()
        self._codebook = Codebook(rows, width)


class Quantizer(nn.Module):
    """One codebook: features to the numbers of the nearest rows, and back."""

    def __init__(self, weights: Weights, prefix: str = "quantizer.") -> None:
        super().__init__()
        rows, width = weights[prefix + "vq.layers.0._codebook.embed"].shape
        self.vq = nn.ModuleDict({"layers": nn.ModuleList([QuantizerLayer(rows, width)])})

    @property
    def rows(self) -> Tensor:
        return self.vq["layers"][0]._codebook.embed  # type: ignore[index, no-any-return]  # made above

    def encode(self, features: Tensor) -> Tensor:
        """int64 (T,) of features (1, C, T)."""
        x = features[0].T
        distance = x.square().sum(1, keepdim=True) - 2 * x @ self.rows.T + self.rows.square().sum(1)
        return distance.argmin(1)

    def decode(self, codes: Tensor) -> Tensor:
        """(1, C, T) of int64 (T,)."""
        return functional.embedding(codes, self.rows).T[None]


class Synthesizer(nn.Module):
    """See the module's docstring. Run it under `torch.inference_mode`."""

    def __init__(self, weights: Weights, config: Mapping[str, Any]) -> None:
        super().__init__()
        model = config.get("model", {})
        self.enc_p = PriorEncoder(weights)
        self.dec = Generator(weights, model)
        self.flow = Flow(weights)
        self.ref_enc = MelStyleEncoder(weights)
        width, inputs, kernel = weights["ssl_proj.weight"].shape
        self.ssl_proj = nn.Conv1d(inputs, width, kernel, stride=kernel)
        self.quantizer = Quantizer(weights)
        self.latent = weights["flow.flows.0.pre.weight"].shape[1] * 2
        """Channels of the latents."""
        self.speaker = "sv_emb.weight" in weights
        """Whether it wants a speaker vector (v2Pro and v2ProPlus)."""
        if self.speaker:
            rows, inputs = weights["sv_emb.weight"].shape
            self.sv_emb = nn.Linear(inputs, rows)
            self.ge_to512 = nn.Linear(rows, weights["ge_to512.weight"].shape[0])
            self.prelu = nn.PReLU(rows)

    @classmethod
    def from_checkpoint(cls, weights: Weights, config: Mapping[str, Any]) -> "Synthesizer":
        """The net of a `.pth`'s `weight` and `config` dicts.

        Raises RuntimeError that names what is missing or too much, KeyError if it is another net altogether.
        """
        kept = {key: value for key, value in weights.items() if not key.startswith("enc_q.")}
        folded = as_pictures(fold_weight_norm(kept))
        with on_meta():
            net = cls(folded, config)
        return load_strict(net, folded)

    @property
    def bytes(self) -> int:
        """Memory that its weights take."""
        packed = [layer.nbytes for layer in self.modules() if isinstance(layer, PackedConvolution)]
        tensors: list[int] = [tensor.nbytes for tensor in self.state_dict().values()]
        return sum(packed) + sum(tensors)

    def prompt(self, features: Tensor) -> Tensor:
        """Semantic tokens int64 (F // 2,) of HuBERT features (1, 768, F) at 50 Hz."""
        return self.quantizer.encode(self.ssl_proj(features))

    def voice(self, spectrograms: Sequence[Tensor], speakers: Sequence[Tensor] = ()) -> Tensor:
        """The voice vector (1, G, 1): the mean over references.

        spectrograms: (1025, T) each, of `voice.spectrogram`. speakers: (20480,) each, where `self.speaker`.
        """
        styles = []
        for k, spectrogram in enumerate(spectrograms):
            style = self.ref_enc(spectrogram)
            if self.speaker:
                style = self.prelu((style + self.sv_emb(speakers[k]))[None])[0]
            styles.append(style)
        return torch.stack(styles).mean(0)[None, :, None]

    def prior(self, codes: Tensor, text: Tensor, voice: Tensor, speed: float = 1.0) -> tuple[Tensor, Tensor]:
        """Mean and log deviation (1, C, frames) of the prior.

        codes: int64 (T,). text: of `enc_p.text`. voice: of `self.voice`. There are 2 T frames; at another
        speed than 1, int(2 T / speed) + 1.
        """
        features = self.features(codes, text, voice)
        if speed != 1.0:
            frames = int(features.shape[-1] / speed) + 1
            features = functional.interpolate(features, size=frames, mode="linear")
        return self.split(features)

    def features(self, codes: Tensor, text: Tensor, voice: Tensor) -> Tensor:
        """The prior encoder's features (1, C, 2 T), before speed and `split`."""
        quantised = self.quantizer.decode(codes).repeat_interleave(FRAMES_PER_TOKEN, dim=2)
        if self.speaker:
            voice = self.ge_to512(voice[:, :, 0])[:, :, None]
        return self.enc_p.features(quantised, text, voice)

    def split(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log deviation, (1, C, T) each, of features (1, C, T)."""
        mean, deviation = self.enc_p.proj(features).chunk(2, dim=1)
        return mean, deviation

    def decode(
        self, codes: Tensor, phones: Tensor, voice: Tensor, noise: Tensor | float = 0.0, speed: float = 1.0
    ) -> Tensor:
        """float32 (samples,) in [-1, 1] of a whole sentence at once.

        noise: standard normal (1, C, frames), already scaled, or 0.
        """
        mean, deviation = self.prior(codes, self.enc_p.text(phones), voice, speed)
        samples: Tensor = self.dec(self.flow(mean + noise * deviation.exp(), voice), voice)
        return samples
