"""Where the GPT-SoVITS voice finds its files, and how it computes."""

from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from core.engines.compute.quickest import FILE
from core.engines.neural import NeuralSettings
from core.weights.files import known
from core.weights.table import SETS

_LISTENING = {
    "hubert": "chinese-hubert",
    "bert": "chinese-roberta",
    "tokens": "chinese-roberta-tokens",
    "speaker": "gpt-sovits-speaker",
}
_PAIRS = {
    "voice-v2proplus": ("gpt-sovits-t2s", "gpt-sovits-v2proplus"),
    "voice-v2pro": ("gpt-sovits-t2s", "gpt-sovits-v2pro"),
    "voice-v2": ("gpt-sovits-t2s-v2", "gpt-sovits-v2"),
    "voice-v1": ("gpt-sovits-t2s-v1", "gpt-sovits-v1"),
}
"""The model pair of each set of weights, the best first."""


def parts(there: Container[str] = ()) -> dict[str, str]:
    """Files this engine reads, their names in `core.weights.table`; the best pair whose set is there."""
    whole = (name for name in _PAIRS if all(weights in there for weights in SETS[name]))
    t2s, sovits = _PAIRS[next(whole, next(iter(_PAIRS)))]
    return {**_LISTENING, "t2s": t2s, "sovits": sovits}


@dataclass(frozen=True, slots=True)
class GptSovitsSettings:
    """Places and choices.

    voices: folder of `core.engines.gpt_sovits.voices`.
    hubert, bert: `pytorch_model.bin` as published. tokens: BERT's tokenizer.json or vocab.txt, for Chinese.
    speaker: the speaker net, for v2Pro and v2ProPlus.
    t2s, sovits: the model pair of voices that name none.
    g2pw: folder of the g2pW model, which reads Chinese characters by their context; None does without.
    precision: "float32" is exact. "auto" has the generator in bfloat16 where the device is quick at that;
        tokens stay those of float32. "fast" also keeps the T2S matrices as int8, on a CPU that is quicker so.
    device: as in `NeuralSettings`. rows: sentences decoded at once. memory_mb: of model pairs kept loaded.
    quickest: file that keeps which way of computing is the quickest here; None tries none, and uses torch.
    """

    voices: Path
    hubert: Path
    bert: Path
    tokens: Path
    speaker: Path
    t2s: Path
    sovits: Path
    g2pw: Path | None = None
    precision: Literal["auto", "float32", "fast"] = "auto"
    device: str = "auto"
    rows: int = 16
    memory_mb: int = 4000
    quickest: Path | None = None


class VoiceSettings(NeuralSettings):
    """The settings of cloned voices; read like all others (`LIPSTREAM_REFERENCE_AUDIO` ...)."""

    reference_audio: Path | None = None
    """A recording of 3 to 10 s: makes the voice `default`, which is then the first."""

    reference_text: str = ""
    """What `reference_audio` says."""

    reference_language: Literal["zh", "en", "ja", "ko", "yue"] = "zh"
    """The language it speaks."""

    voice_models: Path | None = None
    """Folder of .ckpt and .pth files that voices added over HTTP may name; else `data_dir`/voice-models."""

    voice_memory_mb: int = Field(4000, ge=0)
    """MB of memory for model pairs of voices; beyond it the one not used for longest goes. One stays."""

    voice_rows: int = Field(16, ge=1, le=64)
    """Sentences, of all jobs, whose tokens are decoded at once; further ones wait."""

    g2pw: Path | None = None
    """Folder of the g2pW model (g2pW.onnx, POLYPHONIC_CHARS.txt ...), which reads Chinese characters by their
    context; `data_dir`/weights/G2PWModel is used if it is there."""

    @property
    def voices_dir(self) -> Path:
        """Where voices lie."""
        return self.data_dir / "voices"

    @property
    def voice_models_dir(self) -> Path:
        """Where models lie that voices added over HTTP may name."""
        return self.voice_models or self.data_dir / "voice-models"


def installed_settings() -> GptSovitsSettings:
    """Those of this installation: the downloaded checkpoints, or the user's own in their stead."""
    shared = VoiceSettings()
    precision: Literal["auto", "float32", "fast"] = "fast"
    if shared.precision in ("auto", "float32"):
        precision = "auto" if shared.precision == "auto" else "float32"
    g2pw = shared.weights_dir / "G2PWModel"
    places = {part: _place(shared, name) for part, name in parts(shared.weights()).items()}
    return GptSovitsSettings(
        **places,
        voices=shared.voices_dir,
        g2pw=shared.g2pw or (g2pw if g2pw.is_dir() else None),
        precision=precision,
        device=shared.device,
        rows=shared.voice_rows,
        memory_mb=shared.voice_memory_mb,
        quickest=shared.data_dir / FILE,
    )


def _place(shared: NeuralSettings, name: str) -> Path:
    """Where a file is or would be; whoever reads it says so if it is not."""
    return shared.own_weights.get(name) or shared.weights_dir / known(name).file
