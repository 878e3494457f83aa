"""Resampling in pieces."""

import numpy as np
import pytest
import soxr
from hypothesis import given
from hypothesis import strategies as st

from core.media.resample import Resampler


@given(
    st.lists(st.integers(0, 3000), min_size=1, max_size=12),
    st.sampled_from([(96_000, 48_000), (44_100, 16_000), (16_000, 44_100), (32_000, 32_000), (6_000, 8_000)]),
)
def test_pieces_come_out_as_the_whole_does(cuts: list[int], rates: tuple[int, int]) -> None:
    sound = np.random.default_rng(1).uniform(-0.5, 0.5, sum(cuts)).astype(np.float32)
    resampler = Resampler(*rates)
    pieces = [resampler.push(piece) for piece in np.split(sound, np.cumsum(cuts)[:-1])]
    streamed = np.concatenate([*pieces, resampler.finish()])
    whole = soxr.resample(sound, *rates, quality="HQ") if len(sound) else sound
    assert len(streamed) == len(whole)
    np.testing.assert_allclose(streamed, whole, atol=1e-5)


@pytest.mark.parametrize("rate", [8_000, 22_050, 96_000])
def test_a_tone_keeps_its_pitch_and_loudness(rate: int) -> None:
    sound = (0.5 * np.sin(np.arange(rate) * (2 * np.pi * 440 / rate))).astype(np.float32)
    resampler = Resampler(rate, 16_000)
    out = np.concatenate([resampler.push(sound), resampler.finish()])
    assert len(out) == 16_000
    expected = 0.5 * np.sin(np.arange(16_000) * (2 * np.pi * 440 / 16_000))
    np.testing.assert_allclose(out[500:-500], expected[500:-500], atol=2e-3)
