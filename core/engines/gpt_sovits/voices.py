"""Voices on disk: a reference recording, what is said in it, and which models speak with it.

A folder per voice: `voice.json`, `reference.wav`, perhaps `aux-1.wav` ..., and the features computed from
them (`features-*.npz`), which may be deleted at any time.
"""

import json
import re
import shutil
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.io import wavfile

from core.errors import BadInput
from core.types import Samples

LANGUAGES = ("zh", "en", "ja", "ko", "yue")
SHORTEST_S, LONGEST_S = 3.0, 10.0
"""Length of a reference recording that the models were trained for."""

_NAME = re.compile(r"[\w-]{1,64}")
_QUIETEST = 0.01  # peak of a usable recording: -40 dB
_CLIPPED_SHARE = 0.01  # of samples at full scale


@dataclass(frozen=True, slots=True)
class VoiceRecord:
    """A voice as it lies in its folder.

    text: what the reference says; "" if nobody knows, then the voice speaks without a prompt.
    language: of the reference. t2s, sovits: its own models, or None for the engine's.
    """

    name: str
    folder: Path
    text: str
    language: str
    aux: int = 0
    t2s: Path | None = None
    sovits: Path | None = None

    def reference(self) -> tuple[Samples, int]:
        """The recording and its rate."""
        return _read_wav(self.folder / "reference.wav")

    def auxiliary(self) -> list[tuple[Samples, int]]:
        """Further recordings of the speaker, whose timbre is averaged in."""
        return [_read_wav(self.folder / f"aux-{k}.wav") for k in range(1, self.aux + 1)]


def check_reference(samples: Samples, rate: int, param: str = "audio") -> None:
    """Raise BadInput unless these are 3 to 10 s of audible, unclipped sound.

    Codes: `reference_too_short`, `reference_too_long`, `reference_silent`, `reference_clipped`.
    """
    seconds = len(samples) / rate
    if seconds < SHORTEST_S:
        raise BadInput(
            "reference_too_short",
            f"the reference lasts {seconds:.1f} s; give {SHORTEST_S:g} to {LONGEST_S:g} s of one speaker",
            param,
        )
    if seconds > LONGEST_S:
        raise BadInput(
            "reference_too_long",
            f"the reference lasts {seconds:.1f} s; cut out {SHORTEST_S:g} to {LONGEST_S:g} s of it",
            param,
        )
    size = np.abs(samples)
    if not float(size.max()) >= _QUIETEST:
        raise BadInput(
            "reference_silent",
            f"the reference is silent (its loudest sample is {float(size.max()):.4f} of full scale); "
            "give a recording of someone speaking",
            param,
        )
    if float((size >= 0.999).mean()) > _CLIPPED_SHARE:
        raise BadInput(
            "reference_clipped",
            "the reference is clipped: too many samples are at full scale; record it again, quieter",
            param,
        )


def add_voice(
    folder: Path,
    name: str,
    reference: tuple[Samples, int],
    *,
    text: str,
    language: str,
    aux: Sequence[tuple[Samples, int]] = (),
    t2s: Path | None = None,
    sovits: Path | None = None,
) -> VoiceRecord:
    """Keep a voice in `folder`, whole or not at all.

    reference, aux: samples (mono) and their rate. Raises BadInput `bad_voice_name`, `voice_exists`,
    `unknown_language`, those of `check_reference`, or `weights_missing` for a model that is not there.
    """
    if not _NAME.fullmatch(name):
        raise BadInput(
            "bad_voice_name",
            f"{name!r} is no name for a voice; use up to 64 letters, digits, - and _",
            "name",
        )
    if (folder / name).exists():
        raise BadInput("voice_exists", f"there is a voice {name} already; remove it first", "name")
    if language not in LANGUAGES:
        raise BadInput(
            "unknown_language", f"{language!r} is none of the languages {', '.join(LANGUAGES)}", "language"
        )
    check_reference(*reference)
    for samples, rate in aux:
        check_reference(samples, rate, "aux")
    for path in (t2s, sovits):
        if path is not None and not path.is_file():
            raise BadInput("weights_missing", f"there is no file {path}; give the right place of the model")
    draft = folder / f".{name}.{uuid.uuid4().hex[:8]}"
    draft.mkdir(parents=True)
    try:
        _write_wav(draft / "reference.wav", *reference)
        for k, (samples, rate) in enumerate(aux, start=1):
            _write_wav(draft / f"aux-{k}.wav", samples, rate)
        said = {"text": text.strip(), "language": language, "aux": len(aux)}
        models = {key: str(path.absolute()) for key, path in (("t2s", t2s), ("sovits", sovits)) if path}
        (draft / "voice.json").write_text(json.dumps(said | models, ensure_ascii=False), encoding="utf-8")
        draft.rename(folder / name)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return find_voice(folder, name)


def list_voices(folder: Path) -> list[VoiceRecord]:
    """All voices in `folder`, by name."""
    found = sorted(folder.glob("*/voice.json")) if folder.is_dir() else []
    return [find_voice(folder, path.parent.name) for path in found if _NAME.fullmatch(path.parent.name)]


def find_voice(folder: Path, name: str) -> VoiceRecord:
    """The voice `name`. Raises BadInput `unknown_voice`."""
    path = folder / name / "voice.json"
    if not _NAME.fullmatch(name) or not path.is_file():
        raise BadInput("unknown_voice", f"there is no voice {name!r}; see: lipstream voices list", "voice")
    said = json.loads(path.read_text(encoding="utf-8"))
    models = {key: Path(said[key]) if key in said else None for key in ("t2s", "sovits")}
    return VoiceRecord(name, path.parent, said["text"], said["language"], said["aux"], **models)


def remove_voice(folder: Path, name: str) -> None:
    """Delete the voice `name` and its features. Raises BadInput `unknown_voice`."""
    shutil.rmtree(find_voice(folder, name).folder)


def _write_wav(path: Path, samples: Samples, rate: int) -> None:
    wavfile.write(path, rate, np.asarray(samples, np.float32))


def _read_wav(path: Path) -> tuple[Samples, int]:
    rate, samples = wavfile.read(path)
    return np.asarray(samples, np.float32), int(rate)
