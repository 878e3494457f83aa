"""What CI runs fails where the page's tests cannot run; on a machine of somebody's own they are skipped, and
nothing is written to his home."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from core.config import Settings
from tests.support import ROOT


def test_the_script_runs_the_suite_as_ci_does_and_fails_as_it_does(tmp_path: Path) -> None:
    for name, does in {"chromium": "exit 0", "make": 'echo "CI=$CI make $*"; exit 7'}.items():
        command = tmp_path / name
        command.write_text(f"#!/bin/sh\n{does}\n")
        command.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.defpath}"}
    done = subprocess.run([ROOT / ".ci" / "run"], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (7, "CI=true make test\n"), done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("ci", "status"), [("true", 1), ("", 0)])
def test_without_a_browser_the_pages_tests_fail_in_ci_and_are_skipped_elsewhere(ci: str, status: int) -> None:
    options = ["-x", "-n0", "--tb=line", "-p", "no:cacheprovider", "-k", "told_again"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "tests/page/test_modules.py"],
        cwd=ROOT,
        env=os.environ | {"CI": ci, "PATH": "/nowhere"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == status, done.stdout
    assert "no Chromium here; get it with: apt-get install chromium" in done.stdout


@pytest.mark.slow
def test_the_tests_of_a_file_share_a_worker() -> None:
    files = [f"tests/core/runtime/test_{name}.py" for name in ("pipeline", "worker")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n2", "-vv", "-p", "no:cacheprovider", *files],
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
        capture_output=True,
        text=True,
    )
    found = set(re.findall(r"\[(gw\d)\].* PASSED (\S+?)::", done.stdout))
    assert sorted(file for _, file in found) == files, done.stdout
    assert len({worker for worker, _ in found}) == 2


def test_the_tests_have_a_home_of_their_own(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LIPSTREAM_DATA_DIR", raising=False)
    assert Path.home().is_relative_to(tmp_path_factory.getbasetemp())
    assert Settings().data_dir.is_relative_to(Path.home())
