"""What fragments carry, for WebRTC."""

import av
import numpy as np

from core.media.fmp4 import LiveEncoder
from core.media.packets import OPUS_RATE, Repacker

FPS, RATE, SECONDS = 25, 24_000, 3


def test_pictures_and_sound_come_out_as_they_went_in_however_they_are_joined():
    encoder = LiveEncoder(64, 64, FPS, RATE)
    tone = (0.5 * np.sin(2 * np.pi * 440 * np.arange(SECONDS * RATE) / RATE)).astype(np.float32)
    made = []
    for k, sound in enumerate(tone.reshape(-1, RATE // FPS)):
        made += [encoder.video(np.full((96, 64), 60 + k, np.uint8)), *encoder.audio(sound)]
    encoder.close()
    data = [fragment.data for fragment in made]
    repacker = Repacker(encoder.init.data)
    found = [one for piece in data for one in repacker.push(piece)]
    joined = Repacker(encoder.init.data).push(b"".join(data))
    assert [bytes(one.packet) for one in joined] == [bytes(one.packet) for one in found]

    pictures = [one for one in found if one.kind == "video"]
    assert [k for k, one in enumerate(pictures) if one.key] == [0, FPS, 2 * FPS]
    # From any key frame on: the parameter sets are in it.
    decoder = av.CodecContext.create("h264", "r")
    shown = [frame for one in pictures[FPS:] for frame in decoder.decode(one.packet)]
    assert [round(float(frame.to_ndarray()[:64].mean())) for frame in shown[:10]] == list(range(85, 95))
    assert [float(f.pts * f.time_base) for f in shown[:3]] == [1.0, 1.04, 1.08]

    sounds = [one.packet for one in found if one.kind == "audio"]
    assert set(np.diff([packet.pts for packet in sounds])) == {OPUS_RATE // 50}
    hearing = av.CodecContext.create("libopus", "r")
    hearing.sample_rate, hearing.layout = OPUS_RATE, "mono"
    heard = np.concatenate([f.to_ndarray()[0] for packet in sounds for f in hearing.decode(packet)])
    spectrum = np.abs(np.fft.rfft(heard[-OPUS_RATE:].astype(np.float32)))
    assert spectrum.argmax() == 440
    begins = np.flatnonzero(np.abs(heard) > 0.1 * np.abs(heard).max())[0] + sounds[0].pts
    assert begins / OPUS_RATE < 0.02
