"""Where jieba keeps its dictionary."""

import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from core.text.jieba_cache import keep_to_oneself

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
    keep_to_oneself(anew)
    assert anew.dt.lcut("我们今天去公园") == ["我们", "今天", "去", "公园"]
    assert [path.name for path in everybodys.iterdir()] == ["jieba.cache"]
    assert (everybodys / "jieba.cache").read_bytes() == b"laid down by somebody"
    (folder,) = (tmp_path / "cache").iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in folder.iterdir()] == ["jieba.cache"]
