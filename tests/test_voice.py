import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from core.engines.base import Style
from core.engines.builtin.voice import EspeakVoice, VoiceFailed
from core.errors import BadInput
from core.text import sentences


@pytest.fixture(scope="module")
def voice():
    engine = EspeakVoice()
    yield engine
    engine.close()


def said(engine, text, name="female", **style):
    pieces = [piece for sentence in sentences(text) for piece in engine.speak(sentence, name, Style(**style))]
    return np.concatenate([piece.samples for piece in pieces]), pieces


SPOKEN = {
    "zh": "大家好，我是数字主持人。",
    "en": "Hello there, this is a test.",
    "ja": "こんにちは、きょうはいいてんきです。",
    "ko": "안녕하세요, 반갑습니다.",
}


@pytest.mark.parametrize("language", SPOKEN)
def test_every_language_is_spoken_with_sounds_and_words(voice, language):
    sound, pieces = said(voice, SPOKEN[language])
    assert 1.0 < len(sound) / voice.rate < 6.0
    assert 0.2 < np.abs(sound).max() < 1.0
    assert sum(len(piece.phonemes) for piece in pieces) > 8
    assert sum(len(piece.words) for piece in pieces) >= 2


def test_every_voice_speaks_and_no_two_sound_alike(voice):
    sounds = {v.name: said(voice, "Hello there.", v.name)[0].tobytes() for v in voice.voices()}
    assert len(set(sounds.values())) == len(sounds)


def test_the_same_text_sounds_the_same_every_time(voice):
    first, _ = said(voice, SPOKEN["zh"])
    said(voice, "Something else in between.")
    again, _ = said(voice, SPOKEN["zh"])
    assert np.array_equal(first, again)


def test_marks_lie_within_the_sound_and_in_order(voice):
    sound, pieces = said(voice, "One two three, four five.")
    firsts = [p.first for piece in pieces for p in piece.phonemes]
    assert firsts == sorted(firsts)
    assert 0 <= firsts[0] <= firsts[-1] < len(sound)
    words = [w for piece in pieces for w in piece.words]
    assert ["One two three, four five."[w.start : w.stop] for w in words] == [
        "One",
        "two",
        "three",
        "four",
        "five",
    ]


def test_sentences_meet_in_silence(voice):
    sound, _ = said(voice, SPOKEN["en"])
    assert np.abs(sound[:4]).max() < 0.01
    assert not sound[-int(0.25 * voice.rate) :].any()


def test_speed_and_pitch_do_what_they_say(voice):
    normal = len(said(voice, SPOKEN["en"])[0])
    assert len(said(voice, SPOKEN["en"], speed=1.6)[0]) < 0.8 * normal
    assert _pitch(said(voice, SPOKEN["en"], pitch=5)[0]) > 1.2 * _pitch(said(voice, SPOKEN["en"])[0])


def _pitch(sound, rate=22_050):
    """Median fundamental frequency by autocorrelation, in Hz."""
    found = []
    for at in range(0, len(sound) - 1024, 512):
        window = sound[at : at + 1024].astype(np.float64)
        if np.sqrt((window**2).mean()) > 0.03:
            match = np.correlate(window, window, "full")[1023:]
            lag = rate // 400 + int(match[rate // 400 : rate // 60].argmax())
            found.append(rate / lag)
    return np.median(found)


def test_an_unknown_voice_is_refused_by_name(voice):
    with pytest.raises(BadInput, match="no voice 'nobody'; there are: female, male"):
        said(voice, "Hi.", "nobody")


def test_a_killed_voice_process_is_replaced_in_mid_job(voice):
    before, _ = said(voice, "Hello there.")
    os.kill(voice._child.pid, signal.SIGKILL)
    after, _ = said(voice, "Hello there.")
    assert np.array_equal(before, after)


def test_a_sentence_that_kills_the_process_twice_fails_with_its_text(monkeypatch):
    engine = EspeakVoice()
    dies = [sys.executable, "-c", "import sys; sys.stdin.buffer.read(4)"]
    pipe = subprocess.PIPE
    monkeypatch.setattr(engine, "_start", lambda: subprocess.Popen(dies, stdin=pipe, stdout=pipe))
    engine.close()
    with pytest.raises(VoiceFailed, match="Hello"):
        said(engine, "Hello there.")
    engine.close()


def test_the_voice_process_ends_with_its_parent():
    code = (
        "from core.engines.builtin.voice import EspeakVoice; import os;"
        "e = EspeakVoice(); print(e._child.pid, flush=True); os._exit(0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    pid = int(done.stdout)
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail("the voice process outlived its parent")
