"""MuseTalk's three published files, made into its networks."""

from dataclasses import dataclass
from pathlib import Path

import torch

from core.digest import sha256_of
from core.engines.compute.checkpoints import load_net
from core.engines.compute.memory import check_free
from core.engines.neural import NeuralSettings
from core.errors import BadInput
from core.nets.musetalk import (
    Learning,
    Speaking,
    autoencoder_of,
    encoder_alone,
    newer_names,
    unet_of,
    whisper_of,
)
from core.weights.files import locate
from core.weights.table import SETS

SIDE = 256
"""Of the face picture that the published weights draw in, in pixels; no shape tells it."""
_V1 = 3_400_076_549
"""Bytes of the published UNet of MuseTalk 1.0: its shapes are those of 1.5, so nothing else tells."""
_ROOM = 1.5
"""Bytes needed, in bytes of the weights: a second copy of the largest, and what is between layers."""


@dataclass(frozen=True, slots=True)
class Networks:
    """MuseTalk's two halves. side: of the face picture that it draws in, in pixels.
    coder: which autoencoder's latents they know, as one word."""

    speaking: Speaking
    learning: Learning
    side: int
    coder: str = ""


def load_networks(settings: NeuralSettings, device: torch.device, dtype: torch.dtype) -> Networks:
    """The networks, their weights still in the files.

    Raises BadInput `weights_missing`, `weights_damaged`, `weights_unsafe` or `weights_wrong`, which name the
    file; Error if `device` has no room for them in `dtype`.
    """
    paths = {name: locate(name, settings.weights_dir, settings.own_weights) for name in SETS["musetalk"]}
    _check_version(paths["musetalk-unet"])
    # The files are in float32.
    size = sum(path.stat().st_size for path in paths.values()) * dtype.itemsize // 4
    check_free(int(_ROOM * size), device, "MuseTalk")
    unet = load_net(paths["musetalk-unet"], "MuseTalk 1.5's UNet", unet_of)
    autoencoder = load_net(
        paths["sd-vae-ft-mse"], "a Stable Diffusion autoencoder", autoencoder_of, newer_names
    )
    coder = sha256_of(paths["sd-vae-ft-mse"])[:12]
    whisper = load_net(paths["whisper-tiny"], "Whisper tiny", whisper_of, encoder_alone)
    listens, hears = unet.config.cross_attention_dim, whisper.config.d_model
    if listens != hears:
        raise BadInput(
            "weights_wrong",
            f"{paths['whisper-tiny']} says {hears} numbers of a moment, {paths['musetalk-unet']} listens to "
            f"{listens}: one of them is not MuseTalk 1.5's; get them with: "
            "lipstream models download musetalk",
        )
    return Networks(Speaking(whisper, unet, autoencoder).eval(), Learning(autoencoder).eval(), SIDE, coder)


def _check_version(path: Path) -> None:
    if path.stat().st_size == _V1:
        raise BadInput(
            "weights_wrong",
            f"{path} is the UNet of MuseTalk 1.0, and this engine is for 1.5; get it with: "
            "lipstream models download musetalk-unet",
        )
