"""The voice that the settings name, and the engine that a voice is found in."""

import asyncio

import pytest

from core.engines.gpt_sovits.settings import VoiceSettings
from core.engines.gpt_sovits.voices import add_voice, list_voices
from core.errors import BadInput
from core.serving.engine_pool import EnginePool
from core.serving.voice_cloning import clone, take_default
from tests.support.recordings import recording
from tests.support.samples import write_sound
from tests.support.serving import data_dir, library

__all__ = ["data_dir", "library"]  # fixtures


@pytest.fixture
def audio(tmp_path):
    samples, rate = recording()
    return write_sound(tmp_path / "me.wav", samples, rate)


def settings(tmp_path, **given):
    return VoiceSettings(data_dir=tmp_path / "data", **given)


def take(made):
    asyncio.run(take_default(made))
    return list_voices(made.voices_dir)


@pytest.mark.slow
def test_the_default_voice_is_what_the_settings_say_now(tmp_path, audio):
    first = settings(tmp_path, reference_audio=audio, reference_text="Hello.", reference_language="en")
    (voice,) = take(first)
    assert (voice.name, voice.text, voice.language, round(voice.seconds)) == ("default", "Hello.", "en", 4)
    kept = (voice.folder / "reference.wav").stat().st_mtime_ns
    (same,) = take(first)
    assert (same.folder / "reference.wav").stat().st_mtime_ns == kept
    (changed,) = take(settings(tmp_path, reference_audio=audio, reference_text="Good day."))
    assert (changed.name, changed.text, changed.language) == ("default", "Good day.", "zh")
    samples, rate = recording(5.0)
    write_sound(audio, samples, rate)
    (longer,) = take(settings(tmp_path, reference_audio=audio, reference_text="Good day."))
    assert round(longer.seconds) == 5
    assert take(settings(tmp_path)) == []


def test_a_voice_that_somebody_added_is_never_replaced_by_the_default(tmp_path, audio):
    made = settings(tmp_path, reference_audio=audio)
    add_voice(made.voices_dir, "default", recording(), text="mine", language="zh")
    with pytest.raises(BadInput, match="reference_audio cannot be used: there is a voice default already"):
        take(made)
    assert [voice.text for voice in list_voices(made.voices_dir)] == ["mine"]
    assert len(take(settings(tmp_path))) == 1


def test_a_name_that_an_engine_has_is_refused_and_the_text_tells_the_language(tmp_path, audio):
    for name in ("heart", "Heart"):
        with pytest.raises(BadInput, match="is a voice of the engine hibari") as refused:
            asyncio.run(clone(tmp_path / "voices", name, audio, text="Hello.", language=None))
        assert refused.value.code == "voice_exists"
    for text, language in (("What she says there.", "en"), ("你好。", "zh"), ("", "zh")):
        voice = asyncio.run(clone(tmp_path / "voices", f"anna-{len(text)}", audio, text=text, language=None))
        assert voice.language == language


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "No such file"), (b"nonsense", "reference_audio"), (b"", "reference_audio")],
)
def test_a_default_that_cannot_be_used_says_which_setting_is_wrong(tmp_path, content, message):
    path = tmp_path / "bad.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadInput, match=message) as caught:
        take(settings(tmp_path, reference_audio=path))
    assert caught.value.param == "reference_audio"


@pytest.mark.slow
async def test_a_voice_is_found_in_whichever_engine_has_it(data_dir):
    async with EnginePool(weights=()) as pool:
        assert pool.choose_speech("auto", "f440") == "choir"  # as long as nothing is loaded
        found = {voice: (await pool.speech("auto", voice)).name for voice in ("f440", "female")}
        assert found == {"f440": "choir", "female": "builtin"}
        with pytest.raises(BadInput, match="there is no voice 'nobody'; there are: f440, "):
            await pool.speech("auto", "nobody")
        assert pool.choose_speech("auto", "female") == "builtin"
        assert (await pool.speech("slow", "female")).name == "slow"  # a named engine is taken at its word
