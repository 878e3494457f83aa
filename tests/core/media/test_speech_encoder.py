import io

import av
import numpy as np
import pytest

from core.media.speech_encoder import RATE, TYPES, SpeechEncoder


def tone(rate, seconds=1.0):
    t = np.arange(int(rate * seconds)) / rate
    return (0.5 * np.sin(2 * np.pi * 440 * t)).astype(np.float32)


def encode(format, samples, rate, sizes):
    encoder, parts, at = SpeechEncoder(format, rate), [], 0
    for size in sizes:
        parts.append(encoder.add(samples[at : at + size]))
        at += size
    parts.append(encoder.add(samples[at:]))
    parts.append(encoder.finish())
    return parts


def decode(format, data):
    if format == "pcm":
        return np.frombuffer(data, "<i2").astype(np.float32) / 32768
    with av.open(io.BytesIO(data)) as file:
        assert file.streams.audio[0].codec_context.sample_rate in (RATE, 48_000)
        resampler = av.AudioResampler("s16", "mono", RATE)
        frames = [f for frame in file.decode(audio=0) for f in resampler.resample(frame)]
    return np.concatenate([f.to_ndarray()[0] for f in frames]).astype(np.float32) / 32768


@pytest.mark.parametrize("format", TYPES)
def test_every_format_is_what_it_says_and_sounds_the_same(format):
    samples = tone(22_050)
    heard = decode(format, b"".join(encode(format, samples, 22_050, [1024] * 20)))
    assert abs(len(heard) - RATE) < RATE * 0.12  # lossy codecs warm up and fill their last frame
    middle = heard[RATE // 4 : RATE * 3 // 4]
    spectrum = np.abs(np.fft.rfft(middle))
    assert np.argmax(spectrum) * RATE / len(middle) == pytest.approx(440, abs=3)
    assert np.sqrt((middle**2).mean()) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)


@pytest.mark.parametrize("format", TYPES)
def test_sound_leaves_while_it_is_made(format):
    samples = tone(16_000, 3.0)
    parts = encode(format, samples, 16_000, [3200] * 15)
    sent = sum(map(len, parts[:10]))
    assert sent > 0.4 * sum(map(len, parts))


@pytest.mark.parametrize("format", ["pcm", "wav", "flac"])
def test_cut_anywhere_lossless_formats_hold_the_same_samples(format):
    samples = tone(22_050)
    whole = decode(format, b"".join(encode(format, samples, 22_050, [])))
    cut = decode(format, b"".join(encode(format, samples, 22_050, [1, 7, 4000, 333, 2])))
    np.testing.assert_array_equal(whole, cut)
