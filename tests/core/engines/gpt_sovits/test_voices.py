"""Voices on disk: what is kept, what is refused, and that features are computed once."""

import numpy as np
import pytest

from core.engines.builtin.voice import EspeakVoice
from core.engines.gpt_sovits.recordings import check_reference
from core.engines.gpt_sovits.voices import add_voice, find_voice, list_voices, remove_voice
from core.errors import BadInput
from core.protocols import Style
from core.text import sentences
from tests.support.recordings import recording


def test_a_voice_that_was_added_is_listed_found_and_gone_when_removed(tmp_path):
    samples, rate = recording()
    model = tmp_path / "x.ckpt"
    model.write_bytes(b"PK")
    aux = [recording(3.5, 16_000)]
    made = add_voice(
        tmp_path / "v", "小美", (samples, rate), text=" 你好。 ", language="zh", aux=aux, t2s=model
    )
    add_voice(tmp_path / "v", "anna", (samples, rate), text="", language="en")
    assert [voice.name for voice in list_voices(tmp_path / "v")] == ["anna", "小美"]
    found = find_voice(tmp_path / "v", "小美")
    assert found == made
    assert (found.text, found.language, found.t2s, found.sovits) == ("你好。", "zh", model, None)
    kept, kept_rate = found.reference()
    assert kept_rate == rate
    np.testing.assert_array_equal(kept, samples)
    assert [len(sound) / rate for sound, rate in found.auxiliary()] == [3.5]
    remove_voice(tmp_path / "v", "小美")
    assert [voice.name for voice in list_voices(tmp_path / "v")] == ["anna"]
    with pytest.raises(BadInput, match="小美"):
        find_voice(tmp_path / "v", "小美")


def test_no_voices_folder_means_no_voices(tmp_path):
    assert list_voices(tmp_path / "none") == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda x: x[: len(x) // 2], "reference_too_short"),
        (lambda x: np.tile(x, 4), "reference_too_long"),
        (lambda x: x * 0.01, "reference_silent"),
        (lambda x: np.zeros_like(x), "reference_silent"),
        (lambda x: (x * 20).clip(-1, 1), "reference_clipped"),
        (lambda x: x * np.nan, "reference_silent"),
        (lambda x: np.full_like(x, 0.5), "reference_silent"),  # an offset
        (lambda x: (x * 20).clip(-0.5, 0.5), "reference_clipped"),  # flat below full scale
        (
            lambda x: np.where(np.arange(len(x)) == 900, 0.9, 1e-4 * x),
            "reference_too_little_speech",
        ),  # a click
        (lambda x: x * (np.arange(len(x)) < 22_050), "reference_too_little_speech"),  # 1 s of 4
        (lambda x: 0.1 * np.random.default_rng(0).standard_normal(len(x)), "reference_steady"),
        (lambda x: 0.3 * np.sin(np.arange(len(x)) * 0.125), "reference_steady"),
        (lambda x: np.where(np.arange(len(x)) == 900, 0.9, 0.0), "reference_too_little_speech"),
        (
            lambda x: 0.2 * np.sin(np.arange(len(x)) * 0.1) * (1.5 + np.sin(np.arange(len(x)) * 1e-3)),
            "reference_steady",
        ),
    ],
)
def test_an_unusable_recording_is_refused_and_nothing_is_kept(tmp_path, change, code):
    samples, rate = recording()
    check_reference(samples, rate)
    with pytest.raises(BadInput) as caught:
        add_voice(tmp_path, "a", (change(samples), rate), text="", language="en")
    assert caught.value.code == code
    assert list(tmp_path.iterdir()) == []


def test_a_recording_is_kept_without_its_offset(tmp_path):
    samples, rate = recording()
    kept, _ = add_voice(tmp_path, "a", (samples + 0.3, rate), text="", language="en").reference()
    assert kept == pytest.approx(samples - samples.mean(), abs=1e-4)


def test_what_is_spoken_can_be_cloned_from():
    engine = EspeakVoice()
    try:
        for text, voice in (
            ("我们今天去公园散步，顺便买一点水果回家。", "female"),
            ("The box was thrown beside it.", "male"),
        ):
            pieces = [p.samples for s in sentences(f"{text} {text}") for p in engine.speak(s, voice, Style())]
            check_reference(np.concatenate(pieces)[: 9 * engine.rate], engine.rate)
    finally:
        engine.close()


def test_a_length_is_not_rounded_up_to_what_is_asked_for():
    samples, rate = recording()
    with pytest.raises(BadInput, match=r"lasts 2\.99 s"):
        check_reference(samples[: int(2.999 * rate)], rate)
    check_reference(samples + np.float32(0.2), rate)  # an offset is no fault


@pytest.mark.parametrize(
    ("name", "language", "code"),
    [
        ("../a", "en", "bad_voice_name"),
        ("", "en", "bad_voice_name"),
        ("a b", "en", "bad_voice_name"),
        (".hidden", "en", "bad_voice_name"),
        ("x" * 65, "en", "bad_voice_name"),
        ("a", "fr", "unknown_language"),
    ],
)
def test_names_that_are_no_folders_and_unknown_languages_are_refused(tmp_path, name, language, code):
    with pytest.raises(BadInput) as caught:
        add_voice(tmp_path, name, recording(), text="", language=language)
    assert caught.value.code == code


def test_a_voice_is_not_replaced_unasked_and_its_models_must_be_there(tmp_path):
    add_voice(tmp_path, "a", recording(), text="", language="en")
    with pytest.raises(BadInput, match="there is a voice a already"):
        add_voice(tmp_path, "a", recording(), text="", language="en")
    with pytest.raises(BadInput, match=r"none\.pth"):
        add_voice(tmp_path, "b", recording(), text="", language="en", sovits=tmp_path / "none.pth")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("name", ["../a", "a/b", "none", ""])
def test_only_a_voice_can_be_found_or_removed(tmp_path, name):
    folder = tmp_path / "voices"
    add_voice(folder, "b", recording(), text="", language="en")
    for act in (find_voice, remove_voice):
        with pytest.raises(BadInput) as caught:
            act(folder, name)
        assert caught.value.code == "unknown_voice"
