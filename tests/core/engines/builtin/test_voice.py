import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from core.engines.builtin.voice import EspeakVoice
from core.engines.builtin.voice import child as voice_child
from core.errors import BadInput, VoiceFailed
from core.protocols import Style
from core.text import sentences
from core.types import Sentence


@pytest.fixture(scope="module")
def voice():
    engine = EspeakVoice()
    yield engine
    engine.close()


def said(engine, text, name="female", language="auto", **style):
    pieces = [
        piece
        for sentence in sentences(text, language)
        for piece in engine.speak(sentence, name, Style(**style))
    ]
    return np.concatenate([piece.samples for piece in pieces]), pieces


SPOKEN = {
    "zh": "大家好，我是数字主持人。",
    "en": "Hello there, this is a test.",
    "ja": "こんにちは、きょうはいいてんきです。",
    "ko": "안녕하세요, 반갑습니다.",
    "fr": "Bonjour à tous, il est 12h30.",
    "de": "Guten Tag, das kostet 1.234,50 Euro.",
    "es": "Hola, buenos días a todos.",
    "it": "Buongiorno a tutti, come va?",
    "pt": "Bom dia a todos, como vai?",
    "ru": "Здравствуйте, добро пожаловать.",
}


@pytest.mark.parametrize("language", SPOKEN)
def test_every_language_is_spoken_with_sounds_and_words(voice, language):
    sound, pieces = said(voice, SPOKEN[language], language=language)
    assert 1.0 < len(sound) / voice.rate < 6.0
    assert 0.2 < np.abs(sound).max() < 1.0
    assert sum(len(piece.phonemes) for piece in pieces) > 8
    assert sum(len(piece.words) for piece in pieces) >= 2


@pytest.mark.parametrize(
    ("language", "text", "words"),
    [
        ("de", "Das kostet 1.234,50 € im Jahr 2026.", ["Das", "kostet", "1.234,50", "im", "Jahr", "2026"]),
        ("fr", "L'été, à 12h30.", ["L'été", "à", "12h30"]),
        ("ru", "Это 2026 год, ёж.", ["Это", "2026", "год", "ёж"]),
    ],
)
def test_a_number_is_one_word_however_the_voice_reads_it(voice, language, text, words):
    (sentence,) = sentences(text, language)
    found = [word for piece in voice.speak(sentence, "female", Style()) for word in piece.words]
    assert [sentence.spoken[word.start : word.stop] for word in found] == words


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
    assert np.abs(sound[:4]).max() < 0.001
    assert np.abs(sound[-4:]).max() < 0.001
    assert np.abs(sound[-int(0.25 * voice.rate) :]).max() < 0.01  # the first voice has an echo


def test_speed_and_pitch_do_what_they_say(voice):
    normal = len(said(voice, SPOKEN["en"])[0])
    assert len(said(voice, SPOKEN["en"], speed=1.6)[0]) < 0.8 * normal
    assert _pitch(said(voice, SPOKEN["en"], pitch=5)[0]) > 1.2 * _pitch(said(voice, SPOKEN["en"])[0])


@pytest.mark.parametrize("language", SPOKEN)
@pytest.mark.parametrize("name", ["female", "male", "female-2", "male-2"])
def test_voices_are_equally_loud_and_never_clipped(voice, language, name):
    sound, _ = said(voice, SPOKEN[language], name)
    speaking = sound[np.abs(sound) > 0.01]
    assert -23 < 20 * np.log10(np.sqrt((speaking**2).mean())) < -18
    assert np.abs(sound).max() <= 0.95


def test_a_full_stop_is_a_longer_pause_than_a_comma_and_a_faster_voice_pauses_less(voice):
    def silence(text, **style):
        sound, _ = said(voice, text, "male", **style)
        return (len(sound) - 1 - np.flatnonzero(np.abs(sound) > 0.01)[-1]) / voice.rate

    assert silence("你好。") == pytest.approx(0.3, abs=0.002)
    assert silence("你好，") == pytest.approx(0.12, abs=0.002)
    assert silence("你好") == pytest.approx(0.05, abs=0.002)
    assert silence("你好。😀") == pytest.approx(0.3, abs=0.002)
    assert silence("你好。", speed=2) == pytest.approx(0.15, abs=0.002)


def sounds(engine, text):
    return "".join(p.name.strip("ˈˌ") for piece in said(engine, text)[1] for p in piece.phonemes)


@pytest.mark.parametrize(
    ("text", "heard"),
    [("熊猫", "ɕjonɡ"), ("英雄", "ɕjonɡ"), ("兄弟", "ɕjonɡ"), ("穷人", "tɕhjonɡ"), ("窘迫", "tɕjonɡ")],
)
def test_syllables_that_espeak_takes_for_english_are_chinese(voice, text, heard):
    assert heard in sounds(voice, text).replace("ˈ", "")


@pytest.mark.parametrize("text", ["这儿", "一会儿", "女儿", "孙女儿", "老頭兒", "花儿", "儿子", "兒子"])
def test_er_is_chinese_wherever_it_stands(voice, text):
    heard = sounds(voice, text)
    assert "ər" in heard
    assert "faɪv" not in heard


def test_letters_are_called_by_their_names(voice):
    english = sentences("The API of a VIP.")[0]
    heard = "".join(p.name for piece in voice.speak(english, "female", Style()) for p in piece.phonemes)
    assert "eɪ" in heard  # not the article
    assert "vˈiː" in heard


def test_a_change_of_language_is_not_a_sound(voice):
    _, pieces = said(voice, "我们用Python写代码，打开API。")
    names = [p.name for piece in pieces for p in piece.phonemes]
    assert names
    assert not [name for name in names if "(" in name]


@pytest.mark.parametrize(
    "text",
    [
        "今天天气很好，我们用Python写程序。",
        "It's well-known, isn't it? The DVDs and APIs of 5 o'clock.",
        "这儿的英雄有2024个兄弟。",
        "안녕하세요, 오늘은 좋은 날입니다.",
    ],
)
def test_words_are_in_order_apart_and_not_of_marks(voice, text):
    for sentence in sentences(text):
        words = [w for piece in voice.speak(sentence, "female", Style()) for w in piece.words]
        assert words[0].start == 0
        for word, later in zip(words, [*words[1:], None], strict=True):
            assert sentence.spoken[word.start].isalnum()
            assert sentence.spoken[word.stop - 1].isalnum()
            assert word.start < word.stop <= (later.start if later else len(sentence.spoken))
        # Between two words there are only marks: every character is in one.
        covered = {k for w in words for k in range(w.start, w.stop)}
        assert all(k in covered for k, c in enumerate(sentence.spoken) if c.isalnum())


def speak_all(engine, text, language):
    return [list(engine.speak(sentence, "female", Style())) for sentence in sentences(text, language)]


@pytest.mark.parametrize(
    ("text", "language", "character"),
    [("にほんの東京です", "ja", "東"), ("这是𠮷野家", "zh", "𠮷")],
)
def test_a_character_it_cannot_read_is_named(voice, text, language, character):
    with pytest.raises(BadInput, match=character) as caught:
        speak_all(voice, text, language)
    assert caught.value.code == "unreadable_text"


@pytest.mark.parametrize("text", ["[[", "]]x[[a]]", "a\0b", "<speak>", "\x07", "x" * 5000])
def test_no_text_gets_at_espeaks_own_signs(voice, text):
    sentence = Sentence(0, text, 0, text, tuple(range(len(text) + 1)), "en")
    pieces = list(voice.speak(sentence, "female", Style()))
    assert all(np.isfinite(piece.samples).all() for piece in pieces)


def test_the_seed_changes_the_breath_and_nothing_else_does(voice):
    first, again, other = (said(voice, SPOKEN["zh"], "female", seed=seed)[0] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_marks_are_exact_to_the_sample(voice):
    """The same sound whether the marks are looked at or not: where a pause ends, sound begins."""
    sentence = sentences("Stop, go.")[0]
    pieces = list(voice.speak(sentence, "male", Style()))
    sound = np.concatenate([piece.samples for piece in pieces])
    go = [w for piece in pieces for w in piece.words][-1]
    before = np.abs(sound[go.first - 220 : go.first]).max()
    after = np.abs(sound[go.first : go.first + 2205]).max()
    assert before < 0.02 < after


@pytest.mark.slow
@pytest.mark.parametrize("speed", [0.7, 1.0, 1.5])
@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("zh", "爸爸买了面包和苹果，不要把票忘了。"),
        ("en", "Keep a paper cup at the top."),
        ("ru", "Папа потом купил пакет."),
    ],
)
def test_p_t_and_k_begin_when_the_sound_is_shut(voice, language, text, speed):
    levels = []
    for sentence in sentences(text, language):
        pieces = list(voice.speak(sentence, "female", Style(speed=speed)))
        sound = np.concatenate([piece.samples for piece in pieces])
        for mark in (mark for piece in pieces for mark in piece.phonemes):
            if mark.name.lstrip("ˈˌ")[:1] in ("p", "t", "k") and mark.first > 0.1 * voice.rate:
                before, shut = (mark.first + round(off * voice.rate) for off in (-0.03, 0.012))
                levels.append([np.square(sound[at : at + 130]).mean() + 1e-7 for at in (before, shut)])
    before, shut = 10 * np.log10(np.median(levels, axis=0))
    assert len(levels) > 4
    assert shut < before - 9


def test_a_text_that_never_ends_ends_the_fork():
    code = (
        "import io, sys; from core.engines.builtin.voice import child as c; c.LONGEST_S = 1\n"
        "class Endless:\n"
        "    def __getattr__(self, name):\n"
        "        return lambda *given: self.loop() if name == 'espeak_Synth' else 0\n"
        "    def loop(self):\n"
        "        while True: pass\n"
        "order = c.ORDER.pack(175, 50, 60, 1, 2, 2) + b'enHi'\n"
        "c.serve(Endless(), 22050, io.BytesIO(order), sys.stdout.buffer)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert "eSpeak NG died" in done.stderr


def test_it_starts_without_anything_heavy():
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import child;"
        "print([m for m in ('typing', 're', 'json', 'numpy', 'enum') if m in sys.modules])"
    )
    folder = str(Path(voice_child.__file__).parent)
    run = [sys.executable, "-I", "-S", "-c", code, folder]
    assert subprocess.run(run, capture_output=True, text=True, check=True).stdout.strip() == "[]"


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


@pytest.mark.slow
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
