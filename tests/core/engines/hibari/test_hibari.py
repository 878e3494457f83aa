import importlib.util
import os
import shutil
import subprocess
import sys
import weakref
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from core.engines.builtin.mouth.visemes import mouth_track
from core.engines.compute.onnx import session
from core.engines.hibari.alphabet import Reading
from core.engines.hibari.engine import HibariVoice
from core.engines.hibari.graph import checked, with_output
from core.engines.hibari.timing import UNIT, marks
from core.errors import BadInput, DamagedFile, EngineUnavailable
from core.protocols import Style
from core.text import sentences
from core.types import Phoneme, Speech
from tests.support import ROOT
from tests.support.voice_quality import HARVARD, level, word_error_rate, worst_step

ASSETS = Path(importlib.util.find_spec("hibari").origin).parent / "assets"


@pytest.fixture(scope="module")
def voice():
    engine = HibariVoice()
    yield engine
    engine.close()


def said(engine, text, language="auto", **style):
    pieces = [piece for s in sentences(text, language) for piece in engine.speak(s, "heart", Style(**style))]
    return np.concatenate([piece.samples for piece in pieces]), pieces


def sounds(pieces):
    return [phoneme for piece in pieces for phoneme in piece.phonemes]


@pytest.mark.slow
def test_a_recogniser_understands_three_words_in_four(voice):
    heard = [said(voice, line)[0] for line in HARVARD]
    assert word_error_rate(HARVARD, heard, voice.rate) <= 0.25
    sound = np.concatenate(heard)
    assert level(sound) == pytest.approx(-20, abs=1)
    # Pulses reach 12, a little more or less by how a processor rounds; a click of 3 % where it is silent, 30.
    assert worst_step(sound) < 15
    sound[np.abs(sound).argmin()] += 0.03
    assert worst_step(sound) > 15


def test_pieces_are_short_and_their_marks_within_them(voice):
    text = "One two three, four five."
    _, pieces = said(voice, text)
    at = 0
    for piece in pieces:
        assert 0 < len(piece.samples) <= voice.rate // 10
        stop = at + len(piece.samples)
        assert all(at <= mark.first < stop for mark in (*piece.phonemes, *piece.words))
        at = stop
    firsts = [phoneme.first for phoneme in sounds(pieces)]
    assert firsts == sorted(firsts)
    assert firsts[0] < 0.05 * voice.rate
    words = [text[w.start : w.stop] for piece in pieces for w in piece.words]
    assert words == ["One", "two", "three", "four", "five"]


@pytest.mark.slow
def test_the_mouth_shuts_while_the_sound_is_shut(voice):
    """The durations of the network come late; their correction puts closures where there is least to hear."""
    heard = {-1560: [], 0: [], 1560: []}
    for line in HARVARD:
        sound, pieces = said(voice, line)
        found = sounds(pieces)
        for phoneme, later in pairwise(found):
            middle = (phoneme.first + later.first) // 2
            if phoneme.name in ("p", "t", "k", "b") and middle + 1800 < len(sound):
                for off, levels in heard.items():
                    window = sound[max(0, middle + off - 240) : middle + off + 240]
                    levels.append(10 * np.log10(np.square(window).mean() + 1e-7))
    assert len(heard[0]) > 30
    assert np.mean(heard[0]) < min(np.mean(heard[-1560]), np.mean(heard[1560])) - 6


def test_durations_add_up_to_the_sound_to_a_sample(voice):
    part = voice._english.read("People buy maps, and pay for them.")
    sound, durations = voice._sound(part, Style(), np.random.default_rng(0))
    assert len(durations) == len(part.symbols) + 2
    assert durations.sum() * UNIT == len(sound)


def test_the_same_text_sounds_the_same_and_another_seed_only_hisses_differently(voice):
    first, _ = said(voice, "Hello there.", seed=1)
    said(voice, "Something else in between.")
    assert np.array_equal(first, said(voice, "Hello there.", seed=1)[0])
    other, _ = said(voice, "Hello there.", seed=2)
    assert len(other) == pytest.approx(len(first), abs=0.01 * voice.rate)
    assert not np.array_equal(first[:5000], other[:5000])


def test_speed_and_pitch_do_what_they_say_at_the_same_level(voice):
    text = "We were away all year."
    plain, _ = said(voice, text)
    assert len(said(voice, text, speed=1.6)[0]) < 0.72 * len(plain)
    high, _ = said(voice, text, pitch=6)
    assert len(high) == pytest.approx(len(plain), abs=0.02 * voice.rate)
    assert _pitch(high, voice.rate) == pytest.approx(_pitch(plain, voice.rate) * 2**0.5, rel=0.06)
    assert level(high) == pytest.approx(level(plain), abs=1)


def _pitch(sound, rate):
    """Hz, the median over the voiced windows of 40 ms."""
    size, found = int(0.04 * rate), []
    for at in range(0, len(sound) - size, size // 2):
        window = sound[at : at + size]
        echo = np.correlate(window, window, "full")[size - 1 :]
        low, high = rate // 500, rate // 120
        best = low + int(echo[low:high].argmax())
        if echo[0] > 0.5 and echo[best] > 0.6 * echo[0]:
            found.append(rate / best)
    return float(np.median(found))


@pytest.mark.parametrize(
    ("text", "heard"),
    [
        ("the U.S.A. and the API", "jˈuˈɛsˈeɪ|ˈeɪpˈiˌaɪ"),  # letters, and no article among them
        ("isn’t it naïve?", "nt|ˈi"),
        ("a zorblax", "zˈɔɹblæks"),  # in no dictionary
        ("judge", "dʒˈʌdʒ"),
    ],
)
def test_words_are_read_as_people_do(voice, text, heard):
    names = "".join(phoneme.name for phoneme in sounds(said(voice, text)[1]))
    assert all(part in names for part in heard.split("|")), names


@pytest.mark.parametrize("ending", [".", ",", ""])
def test_sentences_meet_in_silence_as_long_as_their_marks_ask_for(voice, ending):
    sound, _ = said(voice, f"Hello there{ending}")
    assert np.abs(sound[:4]).max() < 0.001
    silence = (len(sound) - 1 - np.flatnonzero(np.abs(sound) > 0.01)[-1]) / voice.rate
    assert silence == pytest.approx({".": 0.3, ",": 0.12, "": 0.05}[ending], abs=0.01)


def test_other_scripts_and_other_voices_are_refused(voice):
    with pytest.raises(BadInput, match="cannot read"):
        next(voice.speak(replace(sentences("Hello.")[0], spoken="Hello 你好"), "heart", Style()))
    with pytest.raises(BadInput, match="heart"):
        next(voice.speak(sentences("Hello.")[0], "female", Style()))


def test_a_text_without_a_full_stop_is_cut_where_there_is_a_mark_or_a_space(voice):
    part = voice._english.read(" ".join(["Round and round we went, over the hill and home again"] * 12))
    parts = part.parts(280)
    assert len(parts) > 1
    assert all(len(one.symbols) <= 280 for one in parts)
    assert "".join(one.symbols for one in parts) == part.symbols
    assert all(one.symbols[-1] in ", " or one is parts[-1] for one in parts)


def test_marks_and_modifiers_become_pauses_and_parts_of_sounds():
    reading = Reading("ðə, bˈɔː", (0, 0, -1, -1, 1, 1, 1, 1), ((0, 3), (5, 8)))
    durations = np.array([2, 1, 1, 3, 2, 1, 1, 4, 2, 2])
    phonemes, words = marks(reading, durations, 24_000, 1.0)
    late = 1560
    assert phonemes == [
        Phoneme("ð", 2 * UNIT - late),
        Phoneme("ə", 3 * UNIT - late),
        Phoneme("", 4 * UNIT - late),
        Phoneme("b", 9 * UNIT - late),
        Phoneme("ˈɔː", 10 * UNIT - late),
        Phoneme("", 17 * UNIT - late),
    ]
    assert [(word.first, word.start, word.stop) for word in words] == [
        (2 * UNIT - late, 0, 3),
        (9 * UNIT - late, 5, 8),
    ]


def test_every_sound_moves_the_mouth(voice):
    sound, pieces = said(voice, "Joy, how may a shy boat go over the church?")
    track = mouth_track(
        range(len(sound) * 25 // voice.rate), 25, Speech(sound, voice.rate, 0, tuple(sounds(pieces)))
    )
    assert track[:, 0].max() > 0.3
    assert track[:, 0].min() < 0


def test_files_that_are_not_the_expected_ones_are_told(monkeypatch, tmp_path):
    package = tmp_path / "hibari"
    shutil.copytree(ASSETS.parent, package, ignore=shutil.ignore_patterns("*_gb_*", "__pycache__"))
    model = package / "assets" / "hibari.onnx"
    model.write_bytes(model.read_bytes()[:-1] + b"x")
    spec = importlib.util.spec_from_file_location("hibari", package / "__init__.py")
    monkeypatch.setattr("core.engines.hibari.engine.importlib.util.find_spec", lambda name: spec)
    with pytest.raises(EngineUnavailable, match=r"sha256.*force-reinstall"):
        HibariVoice()
    monkeypatch.setattr("core.engines.hibari.engine.importlib.util.find_spec", lambda name: None)
    with pytest.raises(EngineUnavailable, match="pip install"):
        HibariVoice()
    with pytest.raises(DamagedFile, match="cannot be read"):
        checked([tmp_path / "nowhere"], "")
    with pytest.raises(DamagedFile, match="cannot load"):
        session(with_output(b"no network", "durations"), threads=1)


def test_the_networks_runtime_writes_nothing_about_this_machine_and_its_user(tmp_path):
    code = (
        "from core.engines.compute.onnx import session\n"
        "try: session(b'', threads=1)\n"
        "except Exception: import onnxruntime, sys; assert 'onnxruntime' in sys.modules"
    )
    places = {name: str(tmp_path / name) for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME")}
    for place in places.values():
        Path(place).mkdir()
    environment = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"} | places
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, env=environment)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.slow
def test_a_closed_voice_lets_its_network_go_though_somebody_still_knows_it():
    engine = HibariVoice()
    network = weakref.ref(engine._network)
    engine.close()
    assert network() is None
    engine.close()


def test_nothing_heavy_is_loaded_to_know_the_voice():
    code = (
        "import sys; from core.engines import voices_of; assert voices_of('hibari')[0].name == 'heart';"
        "assert not {'onnxruntime', 'hibari', 'torch'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
