"""How threads share the interpreter once engines are known."""

import subprocess
import sys

from tests.support import ROOT


def test_threads_take_turns_every_millisecond_unless_somebody_has_chosen():
    code = "import sys; {}import core.engines; print(sys.getswitchinterval())"
    said = [
        subprocess.run(
            [sys.executable, "-c", code.format(before)], capture_output=True, text=True, check=True, cwd=ROOT
        ).stdout.strip()
        for before in ("", "sys.setswitchinterval(0.02); ")
    ]
    assert said == ["0.001", "0.02"]
