"""Which speech engine `auto` means for a text."""

import asyncio
import logging
import time

import pytest

from core.engines import ENGINES, EngineSpec, voices_of
from core.errors import BadInput
from core.serving.engine_pool import EnginePool
from core.serving.verdicts import KEPT_S, Verdicts
from core.types import Voice

VOICES = (Voice("slow", ("zh", "en", "ja")),)


class Slow:
    """A voice that measured how slow it is."""

    rate = 24_000
    version = "1"
    loaded = 0
    real_time_factor = 1.1

    def __init__(self) -> None:
        type(self).loaded += 1

    def voices(self):
        return VOICES

    def too_slow(self):
        return "1.10 s a second" if self.real_time_factor > 0.6 else ""

    def close(self) -> None:
        """Nothing to close."""


@pytest.fixture
def engines(monkeypatch, tmp_path):
    monkeypatch.setenv("LIPSTREAM_DATA_DIR", str(tmp_path))
    known = ENGINES["speech"]
    monkeypatch.setattr("core.engines.builtin.voice.Slow", Slow, raising=False)
    monkeypatch.setattr("core.engines.builtin.voice.SLOW", VOICES, raising=False)
    slow = EngineSpec("core.engines.builtin.voice:Slow", "", voices="core.engines.builtin.voice:SLOW")
    monkeypatch.setitem(
        ENGINES, "speech", {"hibari": known["hibari"], "slow": slow, "builtin": known["builtin"]}
    )
    monkeypatch.setattr(Slow, "loaded", 0)


def chosen(*asked):
    async def main():
        async with EnginePool(weights=()) as pool:
            told = [pool.choose_speech(*one) for one in asked]
            return told, [(await pool.speech(*one)).name for one in asked]

    return asyncio.run(main())


@pytest.mark.slow
def test_the_first_engine_that_reads_all_languages_speaks(engines, monkeypatch):
    monkeypatch.setattr(Slow, "real_time_factor", 0.3)
    asked = [
        ("auto", None, {"en"}),
        ("auto", None, {"zh"}),
        ("auto", None, {"en", "zh"}),
        ("auto", None, {"ko"}),
    ]
    told, given = chosen(*asked, ("auto", None, set()), ("auto", "female", {"en"}), ("hibari", None, {"zh"}))
    assert given == ["hibari", "slow", "slow", "builtin", "hibari", "builtin", "hibari"]
    assert told == given


def test_an_engine_that_is_too_slow_is_passed_over_and_said_once(engines, caplog):
    with caplog.at_level(logging.WARNING):
        _, given = chosen(*[("auto", None, {"zh"})] * 3, ("auto", "slow"), ("slow", None, {"zh"}))
    assert given == ["builtin"] * 3 + ["slow"] * 2
    assert [record.message for record in caplog.records] == ["auto does not take slow: 1.10 s a second"]
    assert Slow.loaded == 1


def test_the_next_command_of_the_day_does_not_load_it_to_find_that_out_again(engines, caplog, monkeypatch):
    assert chosen(("auto", None, {"zh"}))[1] == ["builtin"]
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        assert chosen(("auto", None, {"zh"}), ("slow", None, {"zh"}))[1] == ["builtin", "slow"]
    assert [record.message for record in caplog.records] == ["auto does not take slow: 1.10 s a second"]
    assert Slow.loaded == 2  # by its name alone
    now = time.time()
    monkeypatch.setattr("core.serving.verdicts.time.time", lambda: now + KEPT_S + 1)
    monkeypatch.setattr(Slow, "real_time_factor", 0.3)
    assert chosen(("auto", None, {"zh"}))[1] == ["slow"]


@pytest.mark.parametrize("damaged", [b"", b"[]", b"{", b'{"x": 1}', b"\xff"])
def test_a_damaged_record_of_verdicts_is_none(tmp_path, damaged):
    (tmp_path / "verdicts.json").write_bytes(damaged)
    verdicts = Verdicts(tmp_path)
    assert verdicts.why("slow") == ""
    verdicts.keep("slow", "it crawls")
    assert Verdicts(tmp_path).why("slow") == "it crawls"
    assert Verdicts(tmp_path).why("fast") == ""


@pytest.mark.slow
def test_nothing_is_loaded_to_know_that_an_engine_lacks_a_voice(engines):
    _, given = chosen(("auto", "heart"), ("auto", "female"))
    assert given == ["hibari", "builtin"]
    assert Slow.loaded == 0
    assert [voice.name for voice in voices_of("slow")] == ["slow"]


def test_a_voice_that_is_nowhere_is_told_with_the_one_that_was_meant_or_those_that_read_the_text(engines):
    for voice, told in (("femal", "did you mean female?"), ("xyzzy", "there are: slow, female,")):
        with pytest.raises(BadInput) as refused:
            chosen(("auto", voice, {"ja"}))
        assert refused.value.code == "unknown_voice"
        assert refused.value.message.startswith(f"there is no voice {voice!r}; {told}")
        assert "heart" not in refused.value.message  # it reads no Japanese
