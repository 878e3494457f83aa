"""Lines of a file, said in a session; and half an hour of it in a few seconds."""

import asyncio
import os
from pathlib import Path

import pytest

from core.errors import BadInput
from core.live.playlist import play, read_lines, say_in_turn
from tests.support.stage import FPS, STEP, staged, until


def resident():
    """Bytes of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Reader:
    """What `play` needs of a session."""

    def __init__(self, script):
        self.script, self.said = script, []

    def say(self, line):
        self.said.append(line)
        return self.script.say(line)

    async def room(self):
        await self.script.room()


@pytest.mark.slow
def test_lines_are_said_in_order_and_none_far_ahead(tmp_path):
    lines = [f"This is line number {k} of a script that is long." for k in range(20)]
    (tmp_path / "a.txt").write_text("\ufeff" + "\r\n\n".join(lines), encoding="utf-8")

    async def play_it(stage):
        reader = Reader(stage.script)
        playing = asyncio.create_task(play(reader, tmp_path / "a.txt", loop=False))
        await until(lambda: stage.script._waiting_s() > 10)
        await asyncio.sleep(0)
        assert len(reader.said) < 10  # of some 2 s each
        while not playing.done() or not stage.script.empty:
            await stage.frames(1)
        assert reader.said == lines
        assert [ended[3] for ended in stage.ended] == lines

    staged(play_it)


def test_lines_that_cannot_be_spoken_hold_nothing_up(tmp_path):
    (tmp_path / "a.txt").write_text("!!!\n...\nOne.", encoding="utf-8")

    async def play_it(stage):
        async with asyncio.timeout(20):
            await play(Reader(stage.script), tmp_path / "a.txt", loop=False)
        await stage.spoken()
        await stage.frames(10)
        assert [ended[:2] for ended in stage.ended] == [(1, False), (2, False), (3, False)]
        assert [number for number, _ in stage.troubles] == [1, 2]

    staged(play_it)


@pytest.mark.slow
def test_a_line_waits_for_room_and_one_too_long_for_any_is_refused(tmp_path):
    lines = ["!" * 6000 for _ in range(4)]

    async def say_all(stage):
        reader = Reader(stage.script)
        async with asyncio.timeout(20):
            for line in lines:
                await say_in_turn(reader, line)
            with pytest.raises(BadInput, match="at most 20000"):
                await say_in_turn(reader, "a" * 20_001)
        await stage.spoken()
        assert len(stage.troubles) == len(lines)
        assert len(reader.said) > len(lines) + 1  # some had to be said again

    staged(say_all)


@pytest.mark.slow
def test_a_loop_reads_the_file_anew(tmp_path):
    script = tmp_path / "a.txt"
    script.write_text("One.", encoding="utf-8")

    async def play_it(stage):
        reader = Reader(stage.script)
        playing = asyncio.create_task(play(reader, script, loop=True))
        await until(lambda: reader.said == ["One."])
        script.write_text("Two.", encoding="utf-8")
        while reader.said != ["One.", "Two."]:
            await stage.frames(1)
        playing.cancel()

    staged(play_it)


def test_a_script_without_text_is_refused(tmp_path):
    for name, data, code in (
        ("none.txt", None, "missing_file"),
        ("empty.txt", b" \n\0\n", "empty_text"),
        ("other.txt", b"\xff\xfe", "not_text"),
        ("long.txt", b"a" * (1 << 21), "text_too_long"),
    ):
        if data is not None:
            (tmp_path / name).write_bytes(data)
        with pytest.raises(BadInput) as refused:
            read_lines(tmp_path / name)
        assert (refused.value.code, refused.value.param) == (code, "script")
        assert name in refused.value.message


@pytest.mark.slow
def test_half_an_hour_of_speech_and_silence_neither_drifts_nor_grows():
    text = "About a second of it."
    frames, every = 30 * 60 * FPS, 10 * FPS

    async def play_it(stage):
        sizes, samples, said = [], 0, 0
        for frame in range(frames):
            if frame % every == 0:
                stage.script.say(text)
                await stage.spoken()
            chunk = await anext(stage.chunks)
            assert chunk.first == samples
            samples += len(chunk.samples)
            if frame % every == every - 1:
                said += len(stage.ended)
                for kept in (stage.ended, stage.heard, stage.words):
                    kept.clear()
                sizes.append(resident())
        assert samples == frames * STEP
        assert stage.at == pytest.approx((frames - 1) / FPS)
        assert said == frames // every
        assert sizes[-1] < 1.05 * sizes[20]
        assert not stage.behind

    staged(play_it)
