"""A MuseTalk small enough for tests: random weights in the published files' form, under their keys."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel

from core.engines.musetalk.checkpoints import Networks
from core.nets.huggingface import WhisperConfig, WhisperEncoder
from core.nets.musetalk import Learning, Speaking

SIDE = 32
WIDTH = 64
"""Of what Whisper hears."""


def unet(
    channels: int = 8, widths: Sequence[int] = (32, 64), depth: int = 1, heard: int = WIDTH
) -> UNet2DConditionModel:
    """As MuseTalk configures it; by default narrow, and half as deep."""
    above = len(widths) - 1
    torch.manual_seed(1)
    return UNet2DConditionModel(
        sample_size=SIDE // 8,
        in_channels=channels,
        out_channels=4,
        block_out_channels=tuple(widths),
        down_block_types=(*["CrossAttnDownBlock2D"] * above, "DownBlock2D"),
        up_block_types=("UpBlock2D", *["CrossAttnUpBlock2D"] * above),
        layers_per_block=depth,
        cross_attention_dim=heard,
        attention_head_dim=8,
    ).eval()


def autoencoder(widths: Sequence[int] = (32, 32, 32, 64), depth: int = 1) -> AutoencoderKL:
    """As Stable Diffusion configures it; by default narrow, and half as deep."""
    torch.manual_seed(2)
    return AutoencoderKL(
        latent_channels=4,
        block_out_channels=tuple(widths),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=depth,
    ).eval()


def whisper(width: int = WIDTH, layers: int = 2, positions: int = 50) -> WhisperEncoder:
    """As OpenAI configures it; by default narrow, and for a second of sound."""
    torch.manual_seed(3)
    config = WhisperConfig(
        d_model=width,
        encoder_layers=layers,
        encoder_attention_heads=max(1, width // 64),
        encoder_ffn_dim=4 * width,
        max_source_positions=positions,
    )
    return WhisperEncoder(config).eval()


def write(folder: Path) -> dict[str, Path]:
    """The three files, by the names that `own_weights` knows them by."""
    folder.mkdir(parents=True, exist_ok=True)
    heard = {f"model.encoder.{key}": value for key, value in whisper().state_dict().items()}
    contents = {
        "musetalk-unet": unet().state_dict(),
        "sd-vae-ft-mse": autoencoder().state_dict(),
        "whisper-tiny": {**heard, "model.decoder.embed_tokens.weight": torch.zeros(4, WIDTH)},
    }
    for name, content in contents.items():
        torch.save(content, folder / name)
    return {name: folder / name for name in contents}


def small() -> Networks:
    """The networks themselves."""
    return joined(whisper(), unet(), autoencoder(), SIDE)


def published(share: int = 1) -> Networks:
    """With random weights, as wide and deep as the published ones, or that many times narrower."""
    drawing, coding = (
        [width // share // 32 * 32 for width in widths]  # norms have 32 groups
        for widths in ((320, 640, 1280, 1280), (128, 256, 512, 512))
    )
    coder = autoencoder(coding, depth=2)
    return joined(whisper(384, 4, 1500), unet(widths=drawing, depth=2, heard=384), coder, 256)


def joined(listens: WhisperEncoder, draws: UNet2DConditionModel, coder: AutoencoderKL, side: int) -> Networks:
    """The halves made of these."""
    return Networks(Speaking(listens, draws, coder).eval(), Learning(coder).eval(), side)


@contextmanager
def installed(folder: Path) -> Iterator[None]:
    """While open, the engine `musetalk` can run, with files that lie in `folder`."""
    paths = {name: str(path) for name, path in write(folder).items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIPSTREAM_OWN_WEIGHTS", json.dumps(paths))
        patch.setattr("core.engines.musetalk.checkpoints.SIDE", SIDE)
        yield
