"""MuseTalk 1.5 (Zhang et al., 2024, https://arxiv.org/abs/2410.10122): a mouth drawn in one step among the
latents of Stable Diffusion's autoencoder, from what Whisper's encoder hears.

The networks are those of diffusers and transformers (both Apache-2.0), so parameter names are the published
ones (github.com/TMElyralab/MuseTalk, stabilityai/sd-vae-ft-mse, openai/whisper-tiny); every size is read from
the shapes, and the weights are loaded strictly. How they are joined follows MuseTalk's own inference (MIT).

Letters in shapes: B batch, S the side of the face picture (256 as trained), L = S / 8 that of its latents.
"""

import math
from collections.abc import Mapping

# First: diffusers imports transformers, and this does so without a torchvision that does not fit.
from core.nets.huggingface import WhisperConfig, WhisperEncoder

# isort: split
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor, nn
from torch.nn import functional

from core.nets.weights import Weights, count, on_meta

BANDS, COLUMNS = 80, 62
"""Size of the spectrogram that a frame hears: 0.6 s, and the columns behind it that its end is heard in."""
BEFORE, TOKENS = 16, 10
"""Of what Whisper makes of these 0.6 s, 50 tokens a second, so many are passed over, and then so many taken:
from 80 ms before the frame to 120 ms after it begins."""
SCALING = 0.18215
"""Stable Diffusion's factor between the autoencoder's latents and those that its networks see."""

Shapes = Mapping[str, tuple[int, ...]]
_BLOCKS = 4  # of Stable Diffusion 1's autoencoder: latents are an eighth of the picture
_HEADS = 8  # of every attention in Stable Diffusion 1
_HEAD = 64  # channels of a head, in every Whisper


def unet_of(shapes: Shapes) -> UNet2DConditionModel:
    """The empty network, on "meta", that a state dict of these shapes belongs to.

    Raises ValueError, saying what it has instead, if it is none of MuseTalk's.
    """
    blocks = count(shapes, "down_blocks.{}.")
    first = shapes.get("conv_in.weight", ())
    if not blocks or len(first) != 4 or "time_embedding.linear_1.weight" not in shapes:
        raise ValueError("no blocks of a Stable Diffusion UNet in it")
    if first[1] != 8:
        raise ValueError(f"it takes {first[1]} channels, MuseTalk 1.5 takes 8: two pictures' latents")
    if shapes["conv_out.weight"][0] != 4:
        raise ValueError(f"it draws {shapes['conv_out.weight'][0]} channels, MuseTalk 1.5 draws 4: latents")
    heard = [k for k in range(blocks) if f"down_blocks.{k}.attentions.0.norm.weight" in shapes]
    listens = "down_blocks.{}.attentions.0.transformer_blocks.0.attn2.to_k.weight"
    if not heard:
        raise ValueError("none of its blocks listens")
    with on_meta():
        return UNet2DConditionModel(
            in_channels=8,
            out_channels=shapes["conv_out.weight"][0],
            block_out_channels=tuple(
                shapes[f"down_blocks.{k}.resnets.0.conv1.weight"][0] for k in range(blocks)
            ),
            down_block_types=tuple(
                "CrossAttnDownBlock2D" if k in heard else "DownBlock2D" for k in range(blocks)
            ),
            up_block_types=tuple(
                "CrossAttnUpBlock2D" if k in heard else "UpBlock2D" for k in reversed(range(blocks))
            ),
            layers_per_block=count(shapes, "down_blocks.0.resnets.{}."),
            cross_attention_dim=shapes[listens.format(heard[0])][1],
            attention_head_dim=_HEADS,
        ).eval()


def autoencoder_of(shapes: Shapes) -> AutoencoderKL:
    """The same for the autoencoder, whose attention goes by its newer names (`newer_names`)."""
    blocks = count(shapes, "encoder.down_blocks.{}.")
    if not blocks or "post_quant_conv.weight" not in shapes:
        raise ValueError("no blocks of a Stable Diffusion autoencoder in it")
    latents = shapes["post_quant_conv.weight"][0]
    if latents != 4:
        raise ValueError(f"its latents have {latents} channels, those of Stable Diffusion 1 have 4")
    if blocks != _BLOCKS:
        raise ValueError(f"it has {blocks} blocks, that of Stable Diffusion 1 has {_BLOCKS}")
    with on_meta():
        return AutoencoderKL(
            latent_channels=4,
            block_out_channels=tuple(
                shapes[f"encoder.down_blocks.{k}.resnets.0.conv1.weight"][0] for k in range(blocks)
            ),
            down_block_types=("DownEncoderBlock2D",) * blocks,
            up_block_types=("UpDecoderBlock2D",) * blocks,
            layers_per_block=count(shapes, "encoder.down_blocks.0.resnets.{}."),
        ).eval()


def whisper_of(shapes: Shapes) -> WhisperEncoder:
    """The same for Whisper's encoder, `encoder_alone` of its state dict."""
    if "conv1.weight" not in shapes or "embed_positions.weight" not in shapes:
        raise ValueError("no encoder of a Whisper in it")
    width, bands, _ = shapes["conv1.weight"]
    if bands != BANDS:
        raise ValueError(f"it hears {bands} bands, MuseTalk {BANDS}")
    if 2 * shapes["embed_positions.weight"][0] < COLUMNS:
        raise ValueError(f"it hears {shapes['embed_positions.weight'][0]} moments, MuseTalk {COLUMNS // 2}")
    with on_meta():
        config = WhisperConfig(
            num_mel_bins=bands,
            d_model=width,
            encoder_layers=count(shapes, "layers.{}."),
            encoder_attention_heads=max(1, width // _HEAD),
            encoder_ffn_dim=shapes["layers.0.fc1.weight"][0],
            max_source_positions=shapes["embed_positions.weight"][0],
        )
        return WhisperEncoder(config).eval()


def newer_names(weights: Weights) -> dict[str, Tensor]:
    """An autoencoder's weights, its attention named as diffusers does since 0.13."""
    renamed = {
        ".query.": ".to_q.",
        ".key.": ".to_k.",
        ".value.": ".to_v.",
        ".proj_attn.": ".to_out.0.",
    }
    made = {}
    for key, value in weights.items():
        for old, new in renamed.items():
            key = key.replace(old, new) if ".attentions." in key else key
        # Older still, as published by CompVis: a convolution over single pixels.
        matrix = ".attentions." in key and value.dim() == 4
        made[key] = value[:, :, 0, 0] if matrix else value
    return made


def encoder_alone(weights: Weights) -> dict[str, Tensor]:
    """What a Whisper's state dict holds of the encoder, without the prefixes of the whole."""
    inner = {key.removeprefix("model."): value for key, value in weights.items()}
    part = {key: value for key, value in inner.items() if key.startswith("encoder.")}
    return {key.removeprefix("encoder."): value for key, value in part.items()}


class Speaking(nn.Module):
    """The mouth for what is heard: Whisper's encoder, the UNet, the autoencoder's decoder."""

    def __init__(
        self, whisper: WhisperEncoder, unet: UNet2DConditionModel, autoencoder: AutoencoderKL
    ) -> None:
        super().__init__()
        self.whisper, self.unet = whisper, unet
        self.widen, self.decoder = autoencoder.post_quant_conv, autoencoder.decoder
        layers, width = whisper.config.encoder_layers + 1, whisper.config.d_model
        self.places: Tensor
        # Not saved anywhere: MuseTalk tells its tokens' places by the sines of "Attention is all you need".
        self.register_buffer("places", _sines(TOKENS * layers, width), persistent=False)

    def forward(self, heard: Tensor, latents: Tensor) -> Tensor:
        """The lower halves of the faces, redrawn: (B, 3, S / 2, S), BGR, 0..1.

        heard: (B, 80, 62) of `core.engines.musetalk.hearing`. latents: (B, 8, L, L) of `Learning`.
        """
        step = latents.new_zeros(len(latents))  # of denoising; there is one, numbered 0
        made = self.unet(latents, step, encoder_hidden_states=self.tokens(heard), return_dict=False)[0]
        face = self.decoder(self.widen(made / SCALING))
        lower: Tensor = face[:, :, face.shape[2] // 2 :].flip(1)
        return (lower / 2 + 0.5).clamp(0, 1)

    def tokens(self, heard: Tensor) -> Tensor:
        """What the UNet listens to: (B, 10 x hidden states, width) of (B, 80, 62)."""
        # Whisper hears half a minute at a time; what is missing is silence, as quiet as it tells apart.
        silence = (heard.amax(dim=(1, 2), keepdim=True) - 2).clamp(min=-1.5)
        rest = 2 * self.whisper.config.max_source_positions - heard.shape[2]
        filled = torch.cat([heard, silence.expand(-1, heard.shape[1], rest)], dim=2)
        states = self.whisper(filled, output_hidden_states=True).hidden_states
        taken = torch.stack([state[:, BEFORE : BEFORE + TOKENS] for state in states], dim=2)
        return taken.flatten(1, 2) + self.places


class Learning(nn.Module):
    """What is drawn from, of a face: the latents of the picture without its lower half, and of the whole."""

    def __init__(self, autoencoder: AutoencoderKL) -> None:
        super().__init__()
        self.encoder, self.narrow = autoencoder.encoder, autoencoder.quant_conv

    def forward(self, faces: Tensor) -> Tensor:
        """(B, 8, L, L) of (B, 3, S, S), BGR, 0..1."""
        whole = faces.flip(1)
        upper = functional.pad(whole[:, :, : whole.shape[2] // 2], (0, 0, 0, whole.shape[2] // 2))
        return torch.cat([self._latents(upper), self._latents(whole)], dim=1)

    def _latents(self, faces: Tensor) -> Tensor:
        moments = self.narrow(self.encoder(faces * 2 - 1))
        # The mean, where MuseTalk takes a sample: the same picture always has the same latents.
        mean: Tensor = moments.chunk(2, dim=1)[0]
        return mean * SCALING


def _sines(length: int, width: int) -> Tensor:
    """(length, width): sines at even, cosines at odd places."""
    place = torch.arange(length)[:, None]
    speed = torch.exp(torch.arange(0, width, 2) * (-math.log(10_000.0) / width))
    return torch.stack([torch.sin(place * speed), torch.cos(place * speed)], dim=2).flatten(1)
