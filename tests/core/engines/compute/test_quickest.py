"""Ways of doing the same are timed once, and the quickest is remembered."""

import time

import pytest

from core.engines.compute.quickest import quickest, remembered
from core.errors import DamagedFile


class Way:
    """Takes so many seconds a turn, and counts how often it was made ready."""

    def __init__(self, seconds: float, error: Exception | None = None) -> None:
        self.seconds, self.error, self.made = seconds, error, 0

    def __call__(self):
        self.made += 1
        if self.error:
            raise self.error
        return lambda: time.sleep(self.seconds)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "data" / "quickest.json"


def test_the_quickest_way_is_found_once_and_remembered(file):
    slow, quick = Way(0.02), Way(0.002)
    for _ in range(2):
        assert quickest("work", {"slow": slow, "quick": quick}, file) == "quick"
    assert (slow.made, quick.made) == (1, 1)
    assert remembered(file)["work"]["slow"] > 2 * remembered(file)["work"]["quick"] > 0
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_other_work_and_another_processor_are_timed_for_themselves(file, monkeypatch):
    slow, quick = Way(0.02), Way(0.002)
    ways = {"slow": slow, "quick": quick}
    quickest("work", ways, file)
    quickest("other work", ways, file)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX")
    assert remembered(file) == {}
    quickest("work", ways, file)
    assert quick.made == 3
    monkeypatch.undo()
    assert set(remembered(file)) == {"work", "other work"}


def test_the_first_way_is_kept_where_another_is_hardly_quicker(file):
    file.parent.mkdir()
    quickest("work", {"first": Way(0), "second": Way(0)}, file)
    for second, wanted in ((9.5, "first"), (8.5, "second")):
        text = file.read_text()
        kept = remembered(file)["work"]
        for way, ms in {"first": 10.0, "second": second}.items():
            text = text.replace(f'"{way}": {kept[way]}', f'"{way}": {ms}')
        file.write_text(text)
        assert quickest("work", {"first": Way(0), "second": Way(0)}, file) == wanted


def test_a_way_that_is_not_to_be_had_here_is_passed_over(file):
    lacking, refused, there = Way(0, ImportError("no such")), Way(0, DamagedFile("refused")), Way(0)
    assert quickest("work", {"lacking": lacking, "refused": refused, "there": there}, file) == "there"
    with pytest.raises(DamagedFile, match="refused"):
        quickest("more", {"lacking": lacking, "refused": refused}, file)
    with pytest.raises(RuntimeError):
        quickest("wrong", {"wrong": Way(0, RuntimeError("damaged weights")), "there": there}, file)


def test_a_way_that_is_gone_has_the_others_timed_again(file):
    quickest("work", {"gone": Way(0), "there": Way(0)}, file)
    there = Way(0)
    assert quickest("work", {"there": there}, file) == "there"
    assert there.made == 1


@pytest.mark.parametrize(
    "content", [b"", b"\xff\x00", b"[]", b'{"a": {"b": 3}}', b'{"a": {"b": {"c": "d"}}}']
)
def test_a_file_that_says_nothing_is_written_anew(file, content):
    file.parent.mkdir()
    file.write_bytes(content)
    assert quickest("work", {"a": Way(0), "b": Way(0)}, file) in ("a", "b")
    assert set(remembered(file)["work"]) == {"a", "b"}


def test_a_folder_that_cannot_be_written_is_done_without(tmp_path):
    (tmp_path / "data").write_text("a file")
    for _ in range(2):
        assert quickest("work", {"only": Way(0)}, tmp_path / "data" / "quickest.json") == "only"
