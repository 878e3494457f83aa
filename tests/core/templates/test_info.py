"""Names and ids of templates: different names never become one id; what comes from a file is made to fit."""

import unicodedata
from pathlib import Path

import pytest

from core.engines.gpt_sovits.voices import check_new_voice
from core.errors import BadInput
from core.templates.info import (
    TemplateInfo,
    checked_name,
    keep_info,
    kept_info,
    name_of_file,
    new_id,
    template_id,
)
from core.templates.library import _ID, SAMPLE

DIFFERENT = [
    *("主播1", "模特1", "小王 2024", "小李 2024", "Аня 1", "Оля 1", "1", "2024", "A", "C", "C++", "C#"),
    *("C%", "Anna B", "annab", "Anna (B)", "🙂", "🙃", "?", "!", "٣", "３4", "ß", "s", "ｶ", "に"),
    *("x" * 64, "x" * 65, "x" * 100, "x" * 99 + "y", "a\u200db", "ab", "ﬁ1", "f1", "ø", "o"),
]
ALMOST = ["Müller", "Muller", "Anna B", "anna-b", "anna_b", "Anna.B", "Á", "Ä", "A"]


def test_different_names_never_become_one_id(tmp_path: Path) -> None:
    ids = {name: template_id(name) for name in DIFFERENT}
    assert len(set(ids.values())) == len(DIFFERENT)
    assert all(_ID.fullmatch(identity) and "_" not in identity for identity in ids.values())
    found = []
    for name in ALMOST:
        found.append(new_id(tmp_path, name))
        assert new_id(tmp_path, name) == found[-1]
        folder = tmp_path / found[-1]
        folder.mkdir()
        keep_info(TemplateInfo(found[-1], name, "video", "s", "", 1, 2, 2, 25, 1, 0), folder)
        assert new_id(tmp_path, name.upper()) == found[-1]
    assert len(set(found)) == len(ALMOST)


@pytest.mark.parametrize(
    ("name", "identity"), [("me", "me"), ("anna-b", "anna-b"), ("1", "1"), ("Emma Ö.", "emma-o")]
)
def test_a_plain_name_is_its_own_id(name: str, identity: str) -> None:
    assert template_id(name) == identity


@pytest.mark.parametrize("name", ["José", "Élise 2", "ガイド", "한국어"])
def test_one_name_written_in_two_ways_is_one_id(name: str) -> None:
    forms = {unicodedata.normalize(form, text) for form in ("NFC", "NFD") for text in (name, name.upper())}
    assert len(forms) > 1
    assert len({template_id(form) for form in forms}) == 1


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("me.mp4", "me"),
        ("Dr. Smith.mp4", "Dr. Smith"),
        (r"C:\fakepath\me.mp4", "me"),
        ("C:fakepathme.mp4", "me"),
        ("some/folder/me.mp4", "me"),
        ("me", "me"),
        ("👩\u200d🎤.mp4", "👩\u200d🎤"),
        (".mp4", "template"),
        ("", "template"),
        ("cafe\u0301.mp4", "café"),
        ("  two   words .mp4", "two words"),
    ],
)
def test_a_files_name_becomes_a_templates(file: str, name: str) -> None:
    assert name_of_file(file) == name


@pytest.mark.parametrize(
    "stem", ["x" * 120, "界" * 120, "a\x07b", "a\u200bb", "\x1b[31m", "b\udcff", "\ufeff"]
)
def test_what_no_name_may_have_is_cut_and_stays_different(stem: str) -> None:
    name = name_of_file(f"{stem}.mp4")
    assert checked_name(name) == name
    other = name_of_file(f"{stem}2.mp4")
    assert template_id(other) != template_id(name) != template_id(name_of_file("ab.mp4"))


def test_a_file_called_like_the_sample_does_not_take_its_place() -> None:
    assert template_id(name_of_file("Sample.mp4")) not in (SAMPLE, template_id(name_of_file("sample!.mp4")))


@pytest.mark.parametrize("name", ["", " ", "x" * 101, "a\x07b", "\u200b"])
def test_only_a_name_that_was_given_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match="1 to 100 printable characters"):
        checked_name(name)


def test_a_library_is_read_alike_in_every_locale(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("locale.getpreferredencoding", lambda *_: "gbk")
    info = '{"id": "x", "name": "我", "kind": "video", "source": "s", "sha256": "", "bytes": 1, "width": 2,'
    info += '"height": 2, "fps": 25, "duration_s": 1, "created_at": 0}'
    (tmp_path / "template.json").write_bytes(info.encode())
    assert kept_info(tmp_path).name == "我"


def test_voices_whose_names_some_file_systems_take_for_one_are_not_both_made(tmp_path) -> None:
    for name in ("Anna", "caf\u00e9"):
        (tmp_path / name).mkdir()
    for name in ("anna", "ANNA", "ａｎｎａ", "CAFÉ"):
        with pytest.raises(BadInput, match="there is a voice"):
            check_new_voice(tmp_path, name, "en")
    check_new_voice(tmp_path, "annab", "en")
    with pytest.raises(BadInput, match="no name for a voice"):
        check_new_voice(tmp_path, "𠀀" * 64, "zh")
