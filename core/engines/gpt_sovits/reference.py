"""What a model knows a voice by, computed once from its recording and kept beside it."""

import hashlib
from dataclasses import dataclass

import numpy as np
import soxr
import torch
from torch import Tensor

from core.engines.gpt_sovits.models import Models, Pair
from core.engines.gpt_sovits.recordings import check_reference
from core.engines.gpt_sovits.voices import VoiceRecord
from core.errors import Error
from core.nets.gpt_sovits.voice import spectrogram
from core.types import Samples

_VERSION = 1  # of these computations: part of the name under which features are kept
_SILENCE = 9600  # zeros after the recording, at 16 kHz: 0.6 s, as published


@dataclass(frozen=True, slots=True)
class Reference:
    """prompt: the recording's semantic tokens. voice: float32 (1, G, 1), the mean over all recordings."""

    prompt: tuple[int, ...]
    voice: Tensor


def reference_of(record: VoiceRecord, models: Models, pair: Pair) -> Reference:
    """The voice's features for this pair, computed now or the last time.

    Raises BadInput for a recording that cannot be used (`check_reference`) or missing weights.
    """
    recordings = [record.reference(), *record.auxiliary()]
    name = _name(recordings, pair)
    path = record.folder / f"features-{name}.npz"
    if path.is_file():
        with np.load(path) as kept:
            voice = torch.from_numpy(kept["voice"]).to(models.device)
            return Reference(tuple(int(token) for token in kept["prompt"]), voice)
    for samples, rate in recordings:
        check_reference(samples, rate)
    found = compute(recordings, models, pair)
    draft = path.with_suffix(".part.npz")
    np.savez(draft, prompt=np.array(found.prompt), voice=found.voice.cpu().numpy())
    draft.replace(path)
    return found


@torch.inference_mode()
def compute(recordings: list[tuple[Samples, int]], models: Models, pair: Pair) -> Reference:
    """Features of recordings (samples, rate), the first one the prompt's. Raises Error if a net gives NaN."""
    at_16 = [_at(samples, rate, 16_000, models) for samples, rate in recordings]
    at_32 = [_quiet(_at(samples, rate, 32_000, models)) for samples, rate in recordings]
    heard = torch.cat([at_16[0], at_16[0].new_zeros(_SILENCE)])
    features = models.hubert(heard)
    prompt = pair.sovits.prompt(features)
    speakers = [models.speaker(samples) for samples in at_16] if pair.sovits.speaker else []
    voice = pair.sovits.voice([spectrogram(samples) for samples in at_32], speakers)
    # Tokens are numbers of the nearest code: what is not a number would be taken for the first.
    for what, made in (("HuBERT", features), ("speaker", voice)):
        if not bool(torch.isfinite(made).all()):
            raise Error(f"the {what} network gave numbers that are not finite: a damaged checkpoint?")
    return Reference(tuple(prompt.tolist()), voice)


def _at(samples: Samples, rate: int, wanted: int, models: Models) -> Tensor:
    changed = samples if rate == wanted else soxr.resample(samples, rate, wanted, quality="HQ")
    return torch.from_numpy(np.ascontiguousarray(changed, np.float32)).to(models.device)


def _quiet(samples: Tensor) -> Tensor:
    """As published: what overshoots full scale is brought back, by half at most."""
    peak = float(samples.abs().max())
    return samples / min(2.0, peak) if peak > 1 else samples


def _name(recordings: list[tuple[Samples, int]], pair: Pair) -> str:
    digest = hashlib.sha256(f"{_VERSION} {pair.key}".encode())
    for samples, rate in recordings:
        digest.update(f"{rate} ".encode() + samples.tobytes())
    return digest.hexdigest()[:16]
