"""Decode a foreign file's sound to mono. Runs in the child process (`core.sandbox`) only."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from core.errors import BadInput
from core.media.info import Limits
from core.media.resample import Resampler
from core.sandbox.picture import picture_info
from core.sandbox.reader import (
    Faults,
    audio_stream,
    check_duration,
    check_faults,
    decode,
    malformed,
    open_container,
    signature,
)
from core.types import Samples

# Rates of AAC (ISO/IEC 14496-3, table 1.18) that engines and players take.
RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_BLOCK_S = 0.1
_CANCELLED = 1e-3
"""Of the power of the channels, what is left of it in their mean where they cancel each other."""
_LOUDEST = 100.0
"""Full scale is 1; floats that go so far beyond are whole numbers."""


def read_sound(path: Path, rate: int | None, limits: Limits) -> tuple[int, Iterator[Samples]]:
    """The rate of the sound, and the sound: mono, 100 ms at a time.

    rate: what to bring it to; None is its own, or the next lower one AAC knows.
    Raises BadInput for what cannot be used; iterating raises it for what turns out to be damaged.
    """
    if signature(path) == "picture":
        picture_info(path, limits)  # which says if not even that can be read
        raise BadInput("no_audio", f"{path.name} is a picture; give a file with speech in it")
    container = open_container(path)
    stream = audio_stream(container, path, limits)
    faults = Faults()
    frames = (f for f in decode(container, stream, faults) if isinstance(f, AudioFrame))
    first = next(frames, None)
    if first is None and not faults.bad:
        raise BadInput("no_audio", f"{path.name} has no sound in it, not a moment; record it again")
    if first is None:
        raise malformed(path, "no sound in it can be decoded")
    # The header may say half of it: the decoder knows whether AAC was coded in its high-efficiency form.
    own = first.sample_rate
    rate = rate or max((r for r in RATES if r <= own), default=RATES[0])
    return rate, _blocks(_mono(path, first, frames), path, (own, rate), faults, limits)


def _mono(path: Path, first: AudioFrame, rest: Iterator[AudioFrame]) -> Iterator[Samples]:
    """Each frame mixed down, finite and within [-1, 1]."""
    # More than two channels are first brought to stereo: FFmpeg knows their weights, a mean does not.
    layout = "stereo" if first.layout.nb_channels > 2 else first.layout
    to_float = AudioResampler(format="fltp", layout=layout, rate=first.sample_rate)
    frame: AudioFrame | None = first
    flipped = False
    while frame is not None:
        if frame.sample_rate != first.sample_rate:
            raise malformed(path, f"its rate changes from {first.sample_rate} to {frame.sample_rate} Hz")
        frame.pts = None
        for piece in to_float.resample(frame):
            channels = np.nan_to_num(piece.to_ndarray(), nan=0.0, posinf=0.0, neginf=0.0)
            mono = channels.mean(axis=0, dtype=np.float32)
            # Where one channel is the other upside down (a wrongly wired microphone), one alone is heard.
            flipped = flipped or np.square(mono).mean() < _CANCELLED * np.square(channels).mean()
            if flipped:
                mono = channels[0].astype(np.float32)
            if (loudest := float(np.abs(mono).max(initial=0.0))) > _LOUDEST:
                raise malformed(path, f"its samples go up to {loudest:g}; floats go from -1 to 1")
            yield mono.clip(-1, 1)
        frame = next(rest, None)


def _blocks(
    pieces: Iterator[Samples], path: Path, rates: tuple[int, int], faults: Faults, limits: Limits
) -> Iterator[Samples]:
    """`pieces` resampled and cut into blocks of one length, the last perhaps shorter."""
    resampler = Resampler(*rates)
    block = int(rates[1] * _BLOCK_S)
    kept = np.zeros(0, np.float32)
    heard = 0

    def cut(more: Samples) -> Iterator[Samples]:
        nonlocal kept
        kept = np.concatenate([kept, more])
        while len(kept) >= block:
            yield kept[:block]
            kept = kept[block:]

    for piece in pieces:
        heard += len(piece)
        check_duration(path, heard / rates[0] - 1, limits)
        yield from cut(resampler.push(piece))
    yield from cut(resampler.finish())
    if len(kept):
        yield kept
    check_faults(path, faults, heard / rates[0])
