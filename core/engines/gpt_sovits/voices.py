"""Voices on disk: a reference recording, what is said in it, and which models speak with it.

A folder per voice: `voice.json`, `reference.wav`, perhaps `aux-1.wav` ..., and the features computed from
them (`features-*.npz`), which may be deleted at any time.
"""

import errno
import json
import logging
import re
import shutil
import unicodedata
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.engines.gpt_sovits.recordings import LONGEST_S, check_reference
from core.errors import BadInput
from core.types import Samples

log = logging.getLogger(__name__)

LANGUAGES = ("zh", "en", "ja", "ko", "yue")
LONGEST_TEXT = 500
"""Characters that anybody could say in that time."""

_NAME = re.compile(r"[\w-]{1,64}")
_OFFSET = 0.01  # of full scale, from which on it is taken away
_LONGEST = 200  # bytes, as file systems count them; drafts have longer names


@dataclass(frozen=True, slots=True)
class VoiceRecord:
    """A voice as it lies in its folder.

    text: what the reference says; "" if nobody knows, then the voice speaks without a prompt.
    language: of the reference. t2s, sovits: its own models, or None for the engine's.
    source: what a voice was made of that the settings name; "" for one that somebody added.
    """

    name: str
    folder: Path
    text: str
    language: str
    aux: int = 0
    t2s: Path | None = None
    sovits: Path | None = None
    source: str = ""

    @property
    def about(self) -> str:
        """One line for people."""
        return f"a cloned voice; its reference speaks {self.language}"

    @property
    def seconds(self) -> float:
        """How long the reference lasts."""
        from scipy.io import wavfile

        rate, samples = wavfile.read(self.folder / "reference.wav", mmap=True)
        return len(samples) / int(rate)

    def reference(self) -> tuple[Samples, int]:
        """The recording and its rate."""
        return _read_wav(self.folder / "reference.wav")

    def auxiliary(self) -> list[tuple[Samples, int]]:
        """Further recordings of the speaker, whose timbre is averaged in."""
        return [_read_wav(self.folder / f"aux-{k}.wav") for k in range(1, self.aux + 1)]


def check_new_voice(folder: Path, name: str, language: str) -> None:
    """Raises BadInput `bad_voice_name`, `voice_exists` or `unknown_language`."""
    if not _NAME.fullmatch(name) or len(name.encode()) > _LONGEST:
        raise BadInput(
            "bad_voice_name",
            f"{name[:80]!r} is no name for a voice; use up to 64 letters, digits, - and _",
            "name",
        )
    # Some file systems take names that differ in case, or in how Unicode writes them, for one.
    there = next((path.name for path in folder.glob("*/") if _alike(path.name) == _alike(name)), None)
    if there is not None:
        raise _exists(there)
    if language not in LANGUAGES:
        raise BadInput(
            "unknown_language",
            f"{language[:80]!r} is none of the languages {', '.join(LANGUAGES)}",
            "language",
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
    source: str = "",
) -> VoiceRecord:
    """Keep a voice in `folder`, whole or not at all.

    reference, aux: samples (mono) and their rate. source: see `VoiceRecord`.
    Raises BadInput like `check_new_voice` and `check_reference`, `text_too_long`, or `weights_missing` for a
    model that is not there.
    """
    check_new_voice(folder, name, language)
    if len(text) > LONGEST_TEXT:
        raise BadInput(
            "text_too_long",
            f"{len(text)} characters cannot be said in {LONGEST_S:g} s; write what the recording says",
            "text",
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
        said = {"text": text.strip(), "language": language, "aux": len(aux), "source": source}
        models = {key: str(path.absolute()) for key, path in (("t2s", t2s), ("sovits", sovits)) if path}
        (draft / "voice.json").write_text(json.dumps(said | models, ensure_ascii=False), encoding="utf-8")
        draft.rename(folder / name)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):  # somebody else was quicker
            raise _exists(name) from error
        raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return find_voice(folder, name)


def list_voices(folder: Path) -> list[VoiceRecord]:
    """All voices in `folder` that can be read, by name."""
    found = []
    for path in sorted(folder.glob("*/voice.json")) if folder.is_dir() else ():
        try:
            found.append(find_voice(folder, path.parent.name))
        except BadInput as error:
            log.warning("voice left out: %s", error.message)
    return found


def find_voice(folder: Path, name: str) -> VoiceRecord:
    """The voice `name`. Raises BadInput `unknown_voice`, or `voice_damaged` if its record cannot be read."""
    path = folder / name / "voice.json"
    try:
        said = json.loads(path.read_text(encoding="utf-8")) if _NAME.fullmatch(name) else None
    except FileNotFoundError:
        said = None
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from error
    if said is None:
        raise BadInput(
            "unknown_voice", f"there is no voice {name[:80]!r}; see: lipstream voices list", "voice"
        )
    try:
        models = {key: Path(said[key]) if key in said else None for key in ("t2s", "sovits")}
        return VoiceRecord(
            name,
            path.parent,
            said["text"],
            said["language"],
            said["aux"],
            source=said.get("source", ""),
            **models,
        )
    except (TypeError, KeyError, AttributeError) as error:
        raise _damaged(path, error) from error


def remove_voice(folder: Path, name: str) -> None:
    """Delete the voice `name` and its features. Raises BadInput `unknown_voice`."""
    if not _NAME.fullmatch(name) or not (folder / name / "voice.json").is_file():
        raise BadInput(
            "unknown_voice", f"there is no cloned voice {name[:80]!r}; see: lipstream voices list", "voice"
        )
    gone = folder / f".{name}.{uuid.uuid4().hex[:8]}"
    (folder / name).rename(gone)  # at once: nobody finds half a voice
    shutil.rmtree(gone)


def _alike(name: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def _exists(name: str) -> BadInput:
    return BadInput("voice_exists", f"there is a voice {name} already; remove it first", "name")


def _damaged(path: Path, error: Exception) -> BadInput:
    return BadInput(
        "voice_damaged", f"{path} cannot be read ({error!r}); remove the voice and add it again", "voice"
    )


def _write_wav(path: Path, samples: Samples, rate: int) -> None:
    """Keep a recording, without the offset that some sound cards add."""
    from scipy.io import wavfile  # scipy takes half a second to load, and no start of a program should

    offset = float(samples.mean())
    wavfile.write(path, rate, np.asarray(samples - offset if abs(offset) > _OFFSET else samples, np.float32))


def _read_wav(path: Path) -> tuple[Samples, int]:
    from scipy.io import wavfile

    rate, samples = wavfile.read(path)
    return np.asarray(samples, np.float32), int(rate)
