"""Pictures from words by Stable Diffusion (Rombach et al., CVPR 2022), through diffusers (Apache-2.0).

Any text-to-image checkpoint of the family that diffusers reads: SD 1.5 and 2, SDXL, and their turbo variants,
as a folder, a single file or a hub id (which is downloaded when first used). Whatever safety checker a
checkpoint brings stays in place.
"""

import json
import struct
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.engines.compute.devices import device_of, dtype_of
from core.engines.compute.memory import enough_memory
from core.engines.neural import NeuralSettings
from core.errors import BadInput, Stopped
from core.nets.diffusion import AutoPipelineForText2Image, StableDiffusionPipeline, StableDiffusionXLPipeline
from core.protocols import Painting, PaintOrder

_STEPS, _GUIDANCE = 28, 7.0
_TURBO_STEPS, _TURBO_GUIDANCE = 4, 0.0
"""Distilled checkpoints want few steps and no guidance (stabilityai/sd-turbo, sdxl-turbo)."""

_GRID = 64
"""Sides of a picture are multiples of this."""

_MOST_OBLONG = 2.0
"""What is longer than twice its height comes out with two heads; it is cut from a picture of this shape."""


class StableDiffusion:
    """`core.protocols.Painter` by the checkpoint that the setting `diffusion_model` names."""

    def __init__(self, settings: NeuralSettings | None = None) -> None:
        """Raises BadInput `weights_missing` or `malformed_weights` for a checkpoint that cannot be loaded."""
        settings = settings or NeuralSettings()
        device = device_of(settings.device)
        self._pipe = _load(settings.diffusion_model, dtype_of(settings.precision, device))
        with _memory(f"the checkpoint on {device}"):
            self._pipe.to(device)
        self._pipe.set_progress_bar_config(disable=True)
        self._device = device
        self.version = f"1-{Path(settings.diffusion_model).name}"

    def paint(
        self, order: PaintOrder, report: Callable[[int, int], None], stopped: Callable[[], bool]
    ) -> Painting:
        """See `Painter`. Raises BadInput `unsafe_picture` if the checkpoint's safety checker withholds it."""
        turbo = self._pipe.scheduler.config.get("timestep_spacing") == "trailing"
        steps = order.steps or (_TURBO_STEPS if turbo else _STEPS)
        guidance = order.guidance if order.guidance is not None else _TURBO_GUIDANCE if turbo else _GUIDANCE
        width, height = self._size(order.width, order.height)

        def on_step(_pipe: object, step: int, _time: object, kept: dict[str, Any]) -> dict[str, Any]:
            if stopped():
                raise Stopped("painting was stopped")
            report(min(step + 1, steps), steps)
            return kept

        if stopped():
            raise Stopped("painting was stopped")
        with _memory(f"a picture of {width}x{height} on {self._device}"):
            made = self._pipe(
                prompt=order.prompt,
                negative_prompt=order.negative or None,
                width=width,
                height=height,
                num_inference_steps=steps,
                guidance_scale=guidance,
                # On the processor: the same seed is the same picture on any device.
                generator=torch.Generator("cpu").manual_seed(order.seed),
                output_type="np",
                callback_on_step_end=on_step,
            )
        if any(getattr(made, "nsfw_content_detected", None) or ()):
            raise BadInput(
                "unsafe_picture",
                "the checkpoint's safety checker withheld the picture; word the prompt otherwise, or try "
                "another seed",
                "prompt",
            )
        levels = np.rint(made.images[0][..., ::-1] * 255)
        picture = np.ascontiguousarray(np.clip(levels, 0, 255).astype(np.uint8))
        return Painting(picture, f"{order.prompt[:60]} (seed {order.seed}, {steps} steps)")

    def _size(self, width: int, height: int) -> tuple[int, int]:
        """A size of about these proportions with as many pixels as the checkpoint was made for."""
        native = self._pipe.unet.config.sample_size * self._pipe.vae_scale_factor
        side = native if isinstance(native, int) else max(native)
        slope = min(_MOST_OBLONG, max(1 / _MOST_OBLONG, width / height)) ** 0.5
        return (
            max(_GRID, round(side * slope / _GRID) * _GRID),
            max(_GRID, round(side / slope / _GRID) * _GRID),
        )


def _load(model: str, dtype: torch.dtype) -> Any:
    """The pipeline in a folder, a single file, or under a hub id."""
    path = Path(model).expanduser()
    try:
        if path.is_file():
            kind = StableDiffusionXLPipeline if is_xl(path) else StableDiffusionPipeline
            return kind.from_single_file(str(path), torch_dtype=dtype)
        source = str(path) if path.exists() else model
        return AutoPipelineForText2Image.from_pretrained(source, torch_dtype=dtype)
    except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
        reason = str(error).strip().splitlines()
        raise BadInput(
            "weights_missing" if isinstance(error, OSError) else "malformed_weights",
            f"{model} cannot be loaded as a text-to-image checkpoint ({(reason or ['?'])[0][:200]}); get one "
            "with: hf download stabilityai/sd-turbo --local-dir sd-turbo && "
            "export LIPSTREAM_DIFFUSION_MODEL=$PWD/sd-turbo",
            "engine",
        ) from error


def is_xl(path: Path) -> bool:
    """Whether a single-file checkpoint is an SDXL: its second text encoder gives it away.

    Reads the header of a .safetensors file (its format: eight bytes of length, then JSON) and no more.
    """
    if path.suffix != ".safetensors":
        return "xl" in path.stem.lower()
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if length > 100 << 20:
            raise ValueError("its header is too long for a .safetensors file")
        return any(name.startswith("conditioner.embedders.1.") for name in json.loads(file.read(length)))


def _memory(what: str) -> AbstractContextManager[None]:
    return enough_memory(
        what,
        "set LIPSTREAM_DEVICE=cpu or LIPSTREAM_PRECISION=bfloat16, use a smaller checkpoint, or give a "
        "picture instead of a prompt",
    )
