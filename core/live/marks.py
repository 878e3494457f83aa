"""Marks of a chunk of speech, counted from somewhere else."""

from collections.abc import Callable
from dataclasses import replace

from core.types import AudioChunk, Phoneme, Word


def moved(chunk: AudioChunk, to: Callable[[int], int]) -> AudioChunk:
    """The chunk with its phonemes and words where `to` puts them; its samples stay."""
    told = chunk.phonemes
    return replace(
        chunk,
        phonemes=None if told is None else tuple(Phoneme(p.name, to(p.first)) for p in told),
        words=tuple(Word(to(w.first), w.start, w.stop) for w in chunk.words),
    )
