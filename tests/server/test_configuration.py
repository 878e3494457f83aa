"""Settings: where they are read from, what counts more, and what is said of those that cannot be."""

import importlib
import json
import pkgutil
from pathlib import Path

import pytest

import core
import server
from core.config import OLD_NAMES, Settings
from core.engines.neural import NeuralSettings
from core.errors import BadInput
from server.cli import main
from server.configuration import MASK, Everything, check, page, show
from server.settings import ServerSettings
from tests.support import ROOT


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIPSTREAM_CONFIG", "")  # put back afterwards, whatever --config made of it
    return tmp_path


def test_a_later_place_counts_more(place, monkeypatch):
    (place / "lipstream.toml").write_text('jobs = 3\nwaiting = 3\nlines = 3\nhosts = ["a", "b"]\n')
    (place / ".env").write_text("LIPSTREAM_WAITING=4\nLIPSTREAM_LINES=4\nOTHERS=are left alone\n")
    monkeypatch.setenv("LIPSTREAM_LINES", "5")
    monkeypatch.setenv("LIPSTREAM_UPLOAD_MB", "")
    settings = ServerSettings(upload_mb=6)
    assert (settings.jobs, settings.waiting, settings.lines, settings.upload_mb) == (3, 4, 5, 6)
    assert settings.hosts == ("a", "b")
    origins = {one.name: (one.value, one.origin) for one in show()}
    assert origins["jobs"] == ("3", "lipstream.toml")
    assert origins["waiting"] == ("4", ".env (LIPSTREAM_WAITING)")
    assert origins["lines"] == ("5", "the environment (LIPSTREAM_LINES)")
    assert origins["upload_mb"] == ("512", "default")


def test_all_classes_of_settings_read_the_named_file(place, monkeypatch):
    (place / "mine.toml").write_text('data_dir = "here"\ndevice = "cpu"\nport = 9000\n')
    monkeypatch.setenv("LIPSTREAM_CONFIG", "mine.toml")
    assert Settings().data_dir == Path("here")
    assert NeuralSettings().device == "cpu"
    assert ServerSettings().port == 9000


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("lipstream.toml", "prot = 9000", "lipstream.toml: there is no setting 'prot'; did you mean 'port'?"),
        (
            "lipstream.toml",
            "zzz = 1",
            "lipstream.toml: there is no setting 'zzz'; all are listed by: lipstream config docs",
        ),
        ("lipstream.toml", "MODEL_PAHT = '/x'", "did you mean 'MODEL_PATH'"),
        ("lipstream.toml", "port = [", "lipstream.toml is not TOML"),
        ("lipstream.toml", "port = 99999", "less than or equal to 65535, not 99999 .lipstream.toml"),
        (".env", "LIPSTREAM_PROT=1", ".env: .* did you mean 'LIPSTREAM_PORT'"),
        (".env", "MODEL_PAHT=/x", ".env: .* did you mean 'MODEL_PATH'"),
        (".env", "LIPSTREAM_JOBS=many", "jobs: .* not 'many' ..env .LIPSTREAM_JOBS"),
        (".env", "LIPSTREAM_HOSTS=a,b", "hosts.*written as JSON"),
    ],
)
def test_what_cannot_be_is_said_with_its_place(place, capsys, file, text, message):
    (place / file).write_text(text + "\n")
    with pytest.raises(BadInput, match=message):
        check()
    assert main(["models", "list"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_file_that_is_not_there_is_said(capsys):
    assert main(["--config", "nowhere.toml", "models", "list"]) == 2
    assert "no file nowhere.toml" in capsys.readouterr().err


def test_names_of_older_services_are_understood(place, monkeypatch):
    (place / ".env").write_text(
        "MODEL_PATH=/old/wav2lip_gan.pth\nbert_path=/old/bert\nGPT_PATH=/old/my.ckpt\nsovits_path=\n"
    )
    monkeypatch.setenv("cnhubert_path", "/old/hubert")
    monkeypatch.setenv("LIPSTREAM_OWN_WEIGHTS", json.dumps({"gpt-sovits-t2s": "/new.ckpt"}))
    assert NeuralSettings().own_weights == {
        "wav2lip-gan": Path("/old/wav2lip_gan.pth"),
        "chinese-roberta": Path("/old/bert/pytorch_model.bin"),
        "chinese-roberta-tokens": Path("/old/bert/tokenizer.json"),
        "chinese-hubert": Path("/old/hubert/pytorch_model.bin"),
        "gpt-sovits-t2s": Path("/new.ckpt"),
    }
    (said,) = [one for one in show() if one.name == "own_weights"]
    assert said.origin == (
        "the environment (LIPSTREAM_OWN_WEIGHTS, CNHUBERT_PATH), .env (MODEL_PATH, BERT_PATH, GPT_PATH)"
    )


def test_a_name_that_means_nothing_any_more_is_a_warning(place, capsys):
    (place / ".env").write_text("WAV2LIP_URL=http://127.0.0.1:8000\n")
    assert main(["config", "show"]) == 0
    told = capsys.readouterr()
    assert told.err == "lipstream: WAV2LIP_URL in .env sets nothing: lips are made in this process\n"
    assert "data_dir" in told.out


def test_every_old_name_sets_what_there_is():
    for old in OLD_NAMES.values():
        for name in old.become("1") if old.become else ():
            assert name in Everything.model_fields


def test_all_settings_are_shown():
    for package in (core, server):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if module.name.endswith(("settings", "config", "neural", "configuration")):
                importlib.import_module(module.name)
    classes = [Settings]
    for kind in classes:
        classes += kind.__subclasses__()
    assert len(classes) >= 4
    for kind in classes:
        assert kind.model_fields.keys() <= Everything.model_fields.keys()


def test_secrets_are_not_shown(monkeypatch):
    from server.configuration import _masked

    assert _masked("x", "http://me:hidden@host/") == f"http://me:{MASK}@host/"


def test_the_page_of_settings_is_the_codes():
    written = ROOT / "docs/settings.md"
    assert written.read_text(encoding="utf-8") == page(), "lipstream config docs > docs/settings.md"


def test_a_secret_is_not_told_where_settings_do_not_go_together(monkeypatch, capsys):
    monkeypatch.setenv("LIPSTREAM_OSS_BUCKET", "results")
    monkeypatch.setenv("LIPSTREAM_OSS_ACCESS_KEY_SECRET", "hidden-from-all")
    assert main(["config", "show"]) == 2
    told = capsys.readouterr().err
    assert "hidden-from-all" not in told
    assert "oss_" in told
