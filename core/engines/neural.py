"""The settings that engines with networks share. No torch is needed to read them."""

from pathlib import Path
from typing import Literal

from pydantic import Field, JsonValue, SecretStr

from core.config import Settings
from core.weights.files import Installed, installed


class NeuralSettings(Settings):
    """The settings that only matter where networks run; read like all others (`LIPSTREAM_DEVICE` ...)."""

    device: str = "auto"
    """auto, cpu, mps, cuda or cuda:N. auto is the first of cuda, mps, cpu that is there. With several, like
    cuda:0,cuda:1, there is a lips engine on each, and jobs are shared out; other engines take the first."""

    enhance_devices: tuple[str, ...] = ()
    """Devices that make faces clearer side by side, a process each, as JSON: ["cuda:0", "cuda:1"], or "cpu"
    as often as processes are wanted. None: `device`, in this process."""

    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """What networks count in. auto is the fastest that the device does in hardware; float32 is exact. A
    format that the processor has no instructions for is an error."""

    compile: bool = False
    """Compile networks with torch.compile where that can make them faster, which is not on a CPU. The first
    start takes a minute and needs a C++ compiler; later ones find the result in `data_dir`/compiled."""

    own_weights: dict[str, Path] = Field(default_factory=dict)
    """The user's own checkpoints by the name of the published one they stand in for, as JSON:
    {"wav2lip": "/data/checkpoint_step000200000.pth"}."""

    weights_mirror: str = ""
    """Address of a folder that has the files of `lipstream models`, asked before their publishers. The
    environment's HF_ENDPOINT stands for the Hugging Face Hub alone, as in huggingface_hub."""

    wav2lip_offset: int = -1
    """Frames by which the sound Wav2Lip hears for a picture is later than the picture. -1 is how it was
    trained, and 40 ms sooner to the first picture; 0 is what the authors' inference.py does."""

    gpt_sovits_url: str = ""
    """A GPT-SoVITS server (api.py or api_v2.py) for the engine gpt-sovits-http, like http://127.0.0.1:9880."""

    speech_url: str = ""
    """A speech server of OpenAI's shape for the engine openai-http, up to its version: http://127.0.0.1:8880/v1."""

    speech_key: SecretStr = SecretStr("")
    """The key it wants, sent as `Authorization: Bearer`."""

    speech_model: str = "tts-1"
    """What it calls the model that is to speak."""

    speech_voices: tuple[str, ...] = ("alloy",)
    """What it calls its voices, as JSON; the first is the default."""

    speech_rate: int = Field(24_000, ge=8000, le=96_000)
    """Samples a second of the bare samples that it sends; a WAV says so itself."""

    speech_extra: dict[str, JsonValue] = Field(default_factory=dict)
    """What else is put into every request, as JSON: {"instructions": "Speak calmly."}."""

    diffusion_model: str = ""
    """What the engine stable-diffusion paints with: a folder, a .safetensors file, or a hub id such as
    stabilityai/sd-turbo, which is downloaded when it is first used."""

    @property
    def devices(self) -> tuple[str, ...]:
        """The names in `device`."""
        return tuple(name.strip() for name in self.device.split(","))

    @property
    def weights_dir(self) -> Path:
        """Where downloaded checkpoints lie."""
        return self.data_dir / "weights"

    def weights(self) -> Installed:
        """Names of the checkpoints that can be loaded, and of settings that an engine needs and that are set,
        as `core.engines.choose` wants them."""
        there = installed(self.weights_dir, self.own_weights)
        named = {name for name in ("gpt_sovits_url", "speech_url", "diffusion_model") if getattr(self, name)}
        return Installed(there | named, there.astray)
