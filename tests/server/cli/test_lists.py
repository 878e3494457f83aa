"""Every list is JSON for programs, and long work says where it is where nobody looks at a terminal."""

import asyncio
import io
import json
import time
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console

from core.config import Settings
from core.progress import Progress
from core.runtime.pipeline import Meter
from core.templates.info import template_info
from server.cli import main, shown
from server.cli.about import _credentials

LISTS = ["templates list", "templates show small", "voices list", "models list", "engines"]


@pytest.mark.parametrize("command", LISTS)
def test_every_list_is_json_on_request(
    small_library: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    monkeypatch.setenv("LIPSTREAM_DATA_DIR", str(small_library))
    assert main([*command.split(), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) >= 1
    assert all(set(row) & {"id", "name"} for row in rows)
    assert main(command.split()) == 0
    table = capsys.readouterr().out
    with pytest.raises(ValueError, match="Expecting"):
        json.loads(table)
    assert str(rows[0].get("id", rows[0].get("name"))) in table


def test_where_there_is_no_terminal_a_line_comes_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shown, "EVERY_S", 0.01)
    log, progress = io.StringIO(), Progress()
    progress.meters["prepare"] = Meter("prepare", "running", started=time.perf_counter(), done=7)
    with shown.watched(progress, Console(file=log)):
        for _ in range(500):
            if log.getvalue().count("\n") > 1:
                break
            time.sleep(0.01)
    lines = log.getvalue().splitlines()
    assert len(lines) >= 2
    assert all("prepare 7" in line for line in lines)
    time.sleep(0.03)
    assert log.getvalue().splitlines() == lines


async def _described(path: Path) -> tuple[str, ...]:
    return (await template_info(path, "x", "x", "auto")).warnings


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["gif", "png", "webp", "tiff"])
def test_an_animated_picture_is_told(tmp_path: Path, ending: str) -> None:
    pictures = [Image.new("RGB", (64, 64), (shade, 9, 9)) for shade in (20, 90, 200)]
    pictures[0].save(tmp_path / f"a.{ending}", save_all=True, append_images=pictures[1:])
    pictures[0].save(tmp_path / f"one.{ending}")
    assert "the first alone is used" in asyncio.run(_described(tmp_path / f"a.{ending}"))[0]
    assert asyncio.run(_described(tmp_path / f"one.{ending}")) == ()


def test_the_doctor_says_who_signs_and_why_nobody_can(tmp_path: Path) -> None:
    told, problem = _credentials(Settings(c2pa_certificate=tmp_path / "chain.pem"))
    assert told == f"videos signed with {tmp_path / 'chain.pem'}"
    assert problem == "c2pa_certificate and c2pa_key go together; set both, or neither"
