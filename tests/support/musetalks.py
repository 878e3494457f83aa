"""A MuseTalk small enough for tests: random weights in the published files' form, under their keys."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from core.engines.musetalk.checkpoints import Networks
from core.nets.huggingface import WhisperConfig, WhisperEncoder
from core.nets.musetalk import AutoencoderKL, Learning, Speaking, UNet2DConditionModel

SIDE = 32
WIDTH = 64
"""Of what Whisper hears."""


def unet(channels: int = 8) -> UNet2DConditionModel:
    """As MuseTalk configures it, but narrower, and half as deep."""
    torch.manual_seed(1)
    return UNet2DConditionModel(
        sample_size=SIDE // 8,
        in_channels=channels,
        out_channels=4,
        block_out_channels=(32, 64),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=1,
        cross_attention_dim=WIDTH,
        attention_head_dim=8,
    ).eval()


def autoencoder() -> AutoencoderKL:
    """As Stable Diffusion configures it, but for the widths."""
    torch.manual_seed(2)
    return AutoencoderKL(
        latent_channels=4,
        block_out_channels=(32, 32, 32, 64),
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
        layers_per_block=1,
    ).eval()


def whisper() -> WhisperEncoder:
    """As OpenAI configures it, but narrower and for a second of sound."""
    torch.manual_seed(3)
    config = WhisperConfig(
        d_model=WIDTH,
        encoder_layers=2,
        encoder_attention_heads=1,
        encoder_ffn_dim=64,
        max_source_positions=50,
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
    coder = autoencoder()
    return Networks(Speaking(whisper(), unet(), coder).eval(), Learning(coder).eval(), SIDE)


@contextmanager
def installed(folder: Path) -> Iterator[None]:
    """While open, the engine `musetalk` can run, with files that lie in `folder`."""
    paths = {name: str(path) for name, path in write(folder).items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIPSTREAM_OWN_WEIGHTS", json.dumps(paths))
        patch.setattr("core.engines.musetalk.checkpoints.SIDE", SIDE)
        yield
