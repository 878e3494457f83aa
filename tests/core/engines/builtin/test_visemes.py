from itertools import pairwise

import numpy as np
import pytest

from core.engines.builtin.mouth.visemes import PRESSED, mouth_track, span
from core.types import Phoneme, Speech, frame_start
from tests.support.faces import frames_of, heard, sentence

FPS = 25


def track_of(samples, rate, phonemes, fps=FPS, sizes=(10_000,)):
    """The track of all frames, drawn in runs of the given sizes, each from its own speech alone."""
    frames, rows, k = frames_of(samples, rate, fps), [], 0
    while k < len(frames):
        run = frames[k : k + sizes[len(rows) % len(sizes)]]
        rows.append(mouth_track(run, fps, heard(samples, rate, run, fps, phonemes)))
        k += len(run)
    return np.concatenate(rows)


def moment(frame, rate, fps=FPS):
    """The sample that a frame shows: the mouth leads by 40 ms."""
    return frame_start(frame, rate, fps) + rate * (0.5 / fps + 0.04)


@pytest.mark.parametrize("spoken", [True, False])
@pytest.mark.parametrize("sizes", [(1,), (3, 8, 1), (16,)])
@pytest.mark.parametrize("fps", [24, 25, 60])
def test_a_track_is_the_same_however_frames_are_grouped(spoken, sizes, fps):
    samples, rate, phonemes = sentence()
    samples, phonemes = samples[: 2 * rate], phonemes if spoken else None
    whole = track_of(samples, rate, phonemes, fps)
    assert np.array_equal(whole, track_of(samples, rate, phonemes, fps, sizes))
    assert whole[:, 0].max() > 0.3


@pytest.mark.parametrize("spoken", [True, False])
def test_nothing_outside_the_span_is_listened_to(spoken):
    samples, rate, phonemes = sentence()
    frame = 40
    start, stop = span(frame, rate, FPS)
    other = np.random.default_rng(0).uniform(-1, 1, len(samples)).astype(np.float32)
    other[max(0, start) : stop] = samples[max(0, start) : stop]
    mine, others = (
        heard(x, rate, range(30, 50), FPS, phonemes if spoken else None) for x in (samples, other)
    )
    if spoken:
        late = tuple(p for p in phonemes if p.first < stop)
        others = Speech(
            others.samples, rate, others.first, (*late, Phoneme("a", stop), Phoneme("b", stop + 9))
        )
    run = range(frame, frame + 1)
    assert np.array_equal(mouth_track(run, FPS, mine), mouth_track(run, FPS, others))


@pytest.mark.parametrize("spoken", [True, False])
def test_the_mouth_opens_with_the_voice(spoken):
    samples, rate, phonemes = sentence()
    gap = track_of(samples, rate, phonemes if spoken else None)[:, 0]
    padded = np.pad(samples, (0, rate))
    starts = [frame_start(k, rate, FPS) for k in range(len(gap) + 1)]
    loud = [np.sqrt((padded[a:b] ** 2).mean()) for a, b in pairwise(starts)]
    assert np.corrcoef(gap, loud)[0, 1] > 0.35
    assert 0.45 < gap.max() < 0.95


@pytest.mark.parametrize("spoken", [True, False])
def test_the_mouth_is_shut_in_silence(spoken):
    samples, rate, phonemes = sentence()
    gap = track_of(samples, rate, phonemes if spoken else None)[:, 0]
    quiet = 0
    for first, last in ((1.625, 1.957), (0.452, 0.67)):
        for k in range(len(gap)):
            # 0.03 of the face's height is 0.21 half mouth widths; the kernels reach 110 ms.
            if (first + 0.09) * rate < moment(k, rate) < (last - 0.09) * rate:
                quiet += 1
                assert gap[k] < 0.15
    assert quiet > 4


def test_lips_meet_at_p_b_and_m():
    samples, rate, phonemes = sentence()
    gap = track_of(samples, rate, phonemes, 100)[:, 0]
    shown = np.array([moment(k, rate, 100) for k in range(len(gap))])
    met = 0
    for one, later in pairwise(phonemes):
        if one.name in ("p", "b", "m"):
            met += 1
            during = gap[(shown >= one.first) & (shown < max(later.first, one.first + 0.04 * rate))]
            assert during.min() < 0.5 * PRESSED
    assert met >= 7


def test_round_and_spread_vowels_differ_in_width():
    rate = 16_000
    silence = np.zeros(rate, np.float32)
    width = {
        name: track_of(silence, rate, (Phoneme(name, 0), Phoneme("", 8000)))[5, 1] for name in ("u", "i", "a")
    }
    assert width["u"] < -0.15 < width["a"] < 0.05 < width["i"]


def test_a_last_sound_does_not_last_for_ever():
    rate = 16_000
    gap = track_of(np.zeros(2 * rate, np.float32), rate, (Phoneme("a", 0),))[:, 0]
    assert gap[5] > 0.5
    assert not gap[25:].any()


@pytest.mark.parametrize("rate", [8000, 11_025, 22_050, 44_100, 48_000, 96_000])
def test_the_sound_driver_works_at_any_rate(rate):
    samples, low, _ = sentence()
    at = np.arange(int(1.2 * rate)) * (low / rate)
    louder = np.interp(at, np.arange(len(samples)), samples).astype(np.float32)
    track = track_of(louder, rate, None)
    reference = track_of(samples[: int(1.2 * low)], low, None)
    assert np.isfinite(track).all()
    assert np.corrcoef(track[:, 0], reference[: len(track), 0])[0, 1] > 0.8


@pytest.mark.parametrize("loudness", [0.05, 1.0])
def test_the_sound_driver_does_not_mind_how_loud_the_voice_is(loudness):
    samples, rate, _ = sentence()
    peak = float(np.abs(samples).max())
    quiet = track_of(samples * np.float32(loudness / peak), rate, None)
    assert np.abs(quiet - track_of(samples, rate, None)).mean() < 0.08


def test_what_is_no_number_is_no_sound():
    samples, rate, _ = sentence()
    broken = samples[: 2 * rate].copy()
    broken[rate // 2 : rate // 2 + 300] = np.nan
    broken[rate : rate + 300] = np.inf
    healed = np.where(np.isfinite(broken), broken, 0).astype(np.float32)
    assert np.array_equal(track_of(broken, rate, None), track_of(healed, rate, None))


@pytest.mark.parametrize("noise", [0.0, 1e-4, 2e-3])
def test_a_hum_in_a_pause_opens_no_mouth(noise):
    rate = 16_000
    hum = np.random.default_rng(0).normal(0, noise, 4 * rate).astype(np.float32)
    assert track_of(hum, rate, None)[:, 0].max() < 0.012


@pytest.mark.parametrize(("rate", "fps"), [(8000, 25), (22_050, 30), (44_100, 60), (24_000, 24)])
def test_a_span_moves_with_its_frame_and_looks_little_ahead(rate, fps):
    offsets = np.array([np.subtract(span(k, rate, fps), frame_start(k, rate, fps)) for k in range(100)])
    assert (np.ptp(offsets, axis=0) == 0).all()
    assert offsets[0, 1] <= 0.26 * rate


@pytest.mark.parametrize("told", [True, False])
def test_the_mouth_is_half_open_within_40_ms_of_the_sound(told):
    rate, fps = 22_050, 25
    time = np.arange(4 * rate) / rate
    vowel = 0.15 * np.sign(np.sin(2 * np.pi * 150 * time)) + 0.2 * np.sin(2 * np.pi * 1500 * time)
    sound = np.where((time >= 2.0) & (time < 2.3), vowel, 0).astype(np.float32)
    phonemes = (Phoneme("", 0), Phoneme("a", 2 * rate), Phoneme("", round(2.3 * rate))) if told else None
    gap = mouth_track(range(90), fps, Speech(sound, rate, 0, phonemes))[:, 0]
    before = int(np.flatnonzero(gap > gap.max() / 2)[0]) - 1
    part = (gap.max() / 2 - gap[before]) / (gap[before + 1] - gap[before])
    assert abs((before + part + 0.5) / fps - 2.0) < 0.04


def test_lips_go_no_faster_than_lips_do():
    samples, rate, phonemes = sentence()
    gap = track_of(samples, rate, phonemes)[:, 0]
    assert np.abs(np.diff(gap)).max() < 0.4, "half mouths in a frame at 25 fps"


def test_lips_meet_at_most_p_b_and_m_by_the_sound_alone():
    samples, rate, phonemes = sentence()
    gap = track_of(samples, rate, None, 100)[:, 0]
    shown = np.array([moment(k, rate, 100) for k in range(len(gap))])
    met = [
        gap[(shown >= one.first - 0.03 * rate) & (shown < later.first + 0.03 * rate)].min() < 0.03
        for one, later in pairwise(phonemes)
        if one.name in ("p", "b", "m")
    ]
    assert np.mean(met) >= 0.6, f"{sum(met)} of {len(met)}"
    told = track_of(samples, rate, phonemes, 100)[:, 0]
    assert np.mean(gap < 0.03) < np.mean(told < 0.03) + 0.15, "and are not shut all the time"
