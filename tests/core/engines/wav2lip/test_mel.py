"""What Wav2Lip hears. No network."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("transformers")

from core.engines.redrawing.sound import resample_reach, to_16k  # needs transformers
from core.engines.wav2lip.mel import (
    COLUMNS,
    HOP,
    MelStream,
    first_sample,
    last_sample,
    mel,
    mel_between,
    window_start,
    window_starts,
)
from tests.support import FIXTURES

pytestmark = pytest.mark.slow  # torch alone takes seconds to import

WAV2LIP = FIXTURES / "wav2lip"


def noise(count: int, seed: int = 0) -> np.ndarray:
    return (0.2 * np.random.default_rng(seed).standard_normal(count)).astype(np.float32)


@pytest.mark.parametrize(("padding", "suffix"), [("reflect", "mel"), ("zeros", "mel_zeropad")])
def test_columns_are_the_references(padding, suffix):
    with np.load(WAV2LIP / "mel.npz") as arrays:
        for name in ("silence", "speech", "chirp"):
            got = mel(arrays[f"{name}_pcm16"].astype(np.float32) / 32768, padding)
            np.testing.assert_allclose(got, arrays[f"{name}_{suffix}"], atol=1e-4, rtol=0)


def test_windows_start_where_the_references_do():
    with np.load(WAV2LIP / "mel_chunks.npz") as arrays:
        for name in (name for name in arrays if name.startswith("starts_len")):
            columns, _, rate = name.removeprefix("starts_len").partition("_fps")
            assert window_starts(int(columns), float(arrays["fps"][int(rate)])) == arrays[name].tolist()


@given(
    count=st.integers(0, 3000),
    cuts=st.lists(st.integers(0, 3000), max_size=12),
    padding=st.sampled_from(["reflect", "zeros"]),
)
def test_a_signal_cut_anywhere_gives_the_same_columns_bit_for_bit(count, cuts, padding):
    whole = noise(count)
    stream = MelStream(padding)
    parts = [stream.push(part) for part in np.split(whole, sorted(min(c, count) for c in cuts))]
    got = np.concatenate([*parts, stream.finish()], axis=1)
    assert got.shape[1] == (1 + count // HOP if count else 0)
    assert np.array_equal(got, mel(whole, padding))


def test_a_stretch_gives_the_columns_of_the_whole_bit_for_bit_silence_around_it():
    whole = noise(8000)
    columns = mel(np.pad(whole, 4000), "zeros")[:, 20:-20]
    around = np.pad(whole, 4000)
    for start, stop in ((0, 16), (3, 4), (11, 41), (25, 41), (-10, 6)):
        stretch = around[4000 + first_sample(start) : 4000 + last_sample(stop)]
        got = mel_between(stretch, start, stop)
        assert np.array_equal(got[:, max(0, -start) :], columns[:, max(0, start) : stop])
        assert (got[:, : max(0, -start - 2)] == -4).all()


@pytest.mark.parametrize("rate", [8000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000])
def test_a_tone_survives_resampling_and_a_stretch_is_resampled_as_the_whole(rate):
    time = np.arange(rate) / rate
    tone = (0.5 * np.sin(2 * np.pi * 700 * time) + 0.3 * np.sin(2 * np.pi * 2900 * time)).astype(np.float32)
    made = to_16k(tone, 0, rate, 0, 16_000)
    time = np.arange(16_000) / 16_000
    wanted = 0.5 * np.sin(2 * np.pi * 700 * time) + 0.3 * np.sin(2 * np.pi * 2900 * time)
    np.testing.assert_allclose(made[500:-500], wanted[500:-500], atol=3e-4)
    reach = resample_reach(rate)
    low, high = 5000 * rate // 16_000 - reach, 6000 * rate // 16_000 + reach + 1
    assert np.array_equal(to_16k(tone[low:high], low, rate, 5000, 6000), made[5000:6000])


def test_what_16_khz_cannot_carry_is_removed_not_folded_back():
    time = np.arange(48_000) / 48_000
    tone = np.sin(2 * np.pi * 11_000 * time).astype(np.float32)
    assert np.abs(to_16k(tone, 0, 48_000, 0, 16_000)[500:-500]).max() < 1e-3


def test_not_a_number_counts_as_silence():
    broken = np.full(16_000, np.nan, np.float32)
    assert (mel(to_16k(broken, 0, 16_000, 0, 16_000)) == -4).all()
    broken[:] = np.inf
    assert np.isfinite(mel(to_16k(broken, 0, 16_000, 0, 16_000))).all()


@pytest.mark.parametrize("fps", [10, 24, 25, 30, 50, 60])
def test_endless_windows_begin_as_the_references_and_an_offset_moves_them_whole_frames(fps):
    finite = window_starts(400, float(fps))[:-1]
    assert [window_start(k, fps, 0) for k in range(len(finite))] == finite
    assert [window_start(k, fps, -1) for k in range(1, 50)] == [window_start(k, fps, 0) for k in range(49)]


def test_a_window_looks_a_fifth_of_a_second_ahead_and_a_frame_less_as_trained():
    ahead = [
        max(last_sample(window_start(k, 25, offset) + COLUMNS) - k * 640 for k in range(100))
        for offset in (0, -1)
    ]
    assert ahead == [3400, 2760]  # 212.5 and 172.5 ms
