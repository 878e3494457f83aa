"""Which engine can run with which weights: sets of which one will do, and one's own files that are gone."""

import json

import pytest

from core.engines import ENGINES, choose
from core.engines.gpt_sovits.settings import installed_settings, parts
from core.engines.neural import NeuralSettings
from core.errors import EngineUnavailable
from core.weights.table import CHECKPOINTS, SETS

VOICE = ENGINES["speech"]["gpt-sovits"]


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Sets the user's own files; returns the names that can be loaded then."""
    monkeypatch.setenv("LIPSTREAM_DATA_DIR", str(tmp_path))

    def use(names, without=()):
        for name in names:
            (tmp_path / name).write_bytes(b"x")
        for name in without:
            (tmp_path / name).unlink(missing_ok=True)
        said = {name: str(tmp_path / name) for name in (*names, *without)}
        monkeypatch.setenv("LIPSTREAM_OWN_WEIGHTS", json.dumps(said))
        return NeuralSettings().weights()

    return use


def lacking(weights):
    """Of weights; this machine may lack packages too."""
    return [name for name in VOICE.missing(weights) if name not in VOICE.packages]


@pytest.mark.parametrize("version", ["v2proplus", "v2pro", "v2", "v1"])
def test_any_version_whose_set_is_whole_is_enough_and_is_what_voices_speak_with(own, tmp_path, version):
    weights = own(SETS[f"voice-{version}"])
    assert lacking(weights) == []
    settings = installed_settings()
    assert settings.sovits == tmp_path / f"gpt-sovits-{version}"
    assert settings.t2s == tmp_path / parts(weights)["t2s"]
    assert settings.t2s.is_file()


def test_of_several_whole_sets_the_best_is_taken(own, tmp_path):
    own([*SETS["voice-v1"], *SETS["voice-v2"]])
    assert installed_settings().sovits == tmp_path / "gpt-sovits-v2"
    own([*SETS["voice-v1"], *SETS["voice-v2"], *SETS["voice-v2proplus"]])
    assert installed_settings().sovits == tmp_path / "gpt-sovits-v2proplus"


def test_what_is_missing_is_what_the_set_lacks_that_is_nearly_whole(own):
    assert lacking(()) == list(SETS["voice-v2proplus"])
    weights = own([name for name in SETS["voice-v2"] if name != "chinese-roberta"])
    assert lacking(weights) == ["chinese-roberta"]
    assert "lipstream models download chinese-roberta" in VOICE.remedy(weights)


def test_a_file_of_ones_own_that_is_not_there_is_named_and_not_to_be_downloaded(own, tmp_path):
    names = [name for name in SETS["voice-v2proplus"] if name != "gpt-sovits-t2s"]
    weights = own(names, without=["gpt-sovits-t2s"])
    with pytest.raises(EngineUnavailable) as caught:
        choose("speech", "gpt-sovits", weights)
    place = str(tmp_path / "gpt-sovits-t2s")
    assert f"there is no file {place}: correct own_weights" in caught.value.message
    assert "models download" not in caught.value.message


def test_a_downloaded_file_does_not_stand_in_for_ones_own(own, tmp_path, monkeypatch):
    known = CHECKPOINTS["gpt-sovits-v2"]
    monkeypatch.setattr("core.weights.files._length", lambda path: known.size)  # as if all were downloaded
    assert "gpt-sovits-v2" in own(())
    weights = own((), without=["gpt-sovits-v2"])
    assert "gpt-sovits-v2" not in weights
    assert weights.astray == {"gpt-sovits-v2": tmp_path / "gpt-sovits-v2"}
