"""The reference's numbers, as `python -m tests.parity` checks them; and that it says so when one is off."""

import numpy as np
import pytest

pytest.importorskip("torch")

from tests.parity import Check, close, codeformer, exact, face_nets, gfpgan, s3fd, wav2lip  # needs torch
from tests.parity.__main__ import main
from tests.support import FIXTURES


@pytest.mark.slow
@pytest.mark.parametrize(("folder", "least"), [("parsenet", 4), ("rrdbnet", 4)])
def test_every_number_of_facexlib_and_basicsr_is_met(folder, least):
    assert face_nets.fits(FIXTURES / folder)
    checks = list(face_nets.checks(FIXTURES / folder))
    assert len(checks) >= least
    assert [check for check in checks if not check.holds] == []


@pytest.mark.slow
@pytest.mark.parametrize(("module", "least"), [(wav2lip, 28), (s3fd, 25), (codeformer, 28), (gfpgan, 13)])
def test_every_number_of_the_reference_is_met(module, least):
    folder = FIXTURES / module.__name__.rpartition(".")[2]
    assert module.fits(folder)
    checks = list(module.checks(folder))
    assert len(checks) >= least
    assert [check for check in checks if not check.holds] == []


def test_a_number_off_shows_in_the_report_and_the_exit_status(tmp_path, capsys):
    folder = tmp_path / "wav2lip"
    folder.mkdir()
    (folder / "keys.json").write_bytes((FIXTURES / "wav2lip" / "keys.json").read_bytes())
    with np.load(FIXTURES / "wav2lip" / "mel.npz") as file:
        arrays = dict(file)
    np.savez(folder / "mel.npz", **arrays)
    assert main([str(folder)]) == 0
    arrays["speech_mel"][3, 5] += 2e-4
    np.savez(folder / "mel.npz", **arrays)
    assert main([str(folder)]) == 1
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("OUT")]
    assert len(lines) == 1
    assert "speech_mel" in lines[0]


def test_a_folder_of_something_else_is_an_error(tmp_path):
    assert main([str(tmp_path)]) == 2


def test_another_shape_and_nan_hold_nothing():
    assert not close("x", [1.0, 2.0], [1.0], 10).holds
    assert not close("x", [np.nan], [1.0], 10).holds
    assert not exact("x", [1, 2], [1]).holds
    assert Check("x", 0.0, 0.0).holds
