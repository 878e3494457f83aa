"""Where jieba keeps its dictionary, and how it is read again."""

import marshal
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from core.text.jieba_dictionary import load_dictionary

jieba = pytest.importorskip("jieba")


@pytest.mark.slow
def test_the_cache_is_the_users_own_and_nothing_is_read_or_written_where_everybody_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    everybodys = tmp_path / "tmp"
    everybodys.mkdir()
    (everybodys / "jieba.cache").write_bytes(b"laid down by somebody")
    monkeypatch.setattr(tempfile, "tempdir", str(everybodys))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    anew = SimpleNamespace(dt=jieba.Tokenizer(), setLogLevel=jieba.setLogLevel)
    load_dictionary(anew)
    assert anew.dt.lcut("我们今天去公园") == ["我们", "今天", "去", "公园"]
    assert [path.name for path in everybodys.iterdir()] == ["jieba.cache"]
    assert (everybodys / "jieba.cache").read_bytes() == b"laid down by somebody"
    (folder,) = (tmp_path / "cache").iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in folder.iterdir()] == ["jieba.cache"]

    monkeypatch.setattr(jieba.Tokenizer, "initialize", lambda self: None)  # from the cache alone, then
    again = SimpleNamespace(dt=jieba.Tokenizer(), setLogLevel=jieba.setLogLevel)
    load_dictionary(again)
    assert again.dt.FREQ == anew.dt.FREQ
    assert again.dt.lcut("我们今天去公园") == ["我们", "今天", "去", "公园"]


@pytest.mark.parametrize("damaged", [b"", b"no dictionary", marshal.dumps(7)[:-1], marshal.dumps(({}, 0, 0))])
def test_a_damaged_cache_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damaged: bytes
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "lipstream").mkdir()
    (tmp_path / "lipstream" / "jieba.cache").write_bytes(damaged)
    small = SimpleNamespace(dt=jieba.Tokenizer(), setLogLevel=jieba.setLogLevel)
    monkeypatch.setattr(jieba.Tokenizer, "gen_pfdict", lambda self, file: file.close() or ({"字": 3}, 3))
    load_dictionary(small)
    assert (small.dt.FREQ, small.dt.total) == ({"字": 3}, 3)
