"""Where the GPT-SoVITS voice finds its files, and how it computes."""

from dataclasses import dataclass, field
from pathlib import Path

from core.config import Settings


def _weights() -> Path:
    return Settings().data_dir / "weights"


def _voices() -> Path:
    return Settings().data_dir / "voices"


@dataclass(frozen=True, slots=True)
class GptSovitsSettings:
    """Places and choices; every default is derived from `core.config.Settings`.

    voices: folder of `core.engines.gpt_sovits.voices`.
    hubert, bert: folders as published, with config.json and pytorch_model.bin (bert: vocab.txt too).
    speaker: the speaker net's file, for v2Pro and v2ProPlus.
    g2pw: folder of the g2pW model, which reads Chinese characters by their context; None does without.
    t2s, sovits: the model pair of voices that name none.
    precision: "float32" gives the published net's very tokens; "fast" keeps the T2S matrices as int8 and
        runs the generator in bfloat16.
    device: where torch computes. rows: sentences decoded at once. memory_mb: of the model pairs kept loaded.
    """

    voices: Path = field(default_factory=_voices)
    hubert: Path = field(default_factory=lambda: _weights() / "chinese-hubert-base")
    bert: Path = field(default_factory=lambda: _weights() / "chinese-roberta-wwm-ext-large")
    speaker: Path = field(default_factory=lambda: _weights() / "pretrained_eres2netv2w24s4ep4.ckpt")
    t2s: Path = field(default_factory=lambda: _weights() / "s1v3.ckpt")
    sovits: Path = field(default_factory=lambda: _weights() / "s2Gv2ProPlus.pth")
    g2pw: Path | None = None
    precision: str = "float32"
    device: str = "cpu"
    rows: int = 16
    memory_mb: int = 4000
