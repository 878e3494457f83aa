"""The reference's numbers, as `python -m tests.parity` checks them; and that it says so when one is off."""

from dataclasses import dataclass

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from core.nets.gpt_sovits.sovits import Synthesizer  # needs torch
from tests.parity import Check, close, codeformer, exact, face_nets, gfpgan, s3fd, wav2lip  # needs torch
from tests.parity.__main__ import main
from tests.parity._gpt_sovits_runs import _whole
from tests.support import FIXTURES
from tests.support.gpt_sovits_models import sovits_weights

pytestmark = pytest.mark.slow  # torch alone takes seconds to import


@dataclass
class Row:
    """A sentence as it was decoded."""

    tokens: list[int]
    phones: object

    def semantic(self, parallel):
        return self.tokens


@pytest.mark.parametrize(("folder", "least"), [("parsenet", 4), ("rrdbnet", 4)])
def test_every_number_of_facexlib_and_basicsr_is_met(folder, least):
    assert face_nets.fits(FIXTURES / folder)
    checks = list(face_nets.checks(FIXTURES / folder))
    assert len(checks) >= least
    assert [check for check in checks if not check.holds] == []


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


def test_a_case_that_raises_has_failed_and_the_others_are_checked(tmp_path, capsys):
    folder = tmp_path / "wav2lip"
    folder.mkdir()
    for name in ("keys.json", "mel.npz"):
        (folder / name).write_bytes((FIXTURES / "wav2lip" / name).read_bytes())
    for name in ("mel_chunks_a", "mel_chunks_z"):
        np.savez(folder / f"{name}.npz", starts_len5_fps0=[0])  # lacks what it is to be checked with
    assert main([str(folder)]) == 1
    lines = capsys.readouterr().out.splitlines()
    failed = [line for line in lines if line.startswith("OUT")]
    assert [("mel_chunks_a" in line, "mel_chunks_z" in line) for line in failed] == [
        (True, False),
        (False, True),
    ]
    assert all("KeyError" in line for line in failed)
    assert sum(line.startswith("ok") for line in lines) > 3


@pytest.mark.parametrize("speed", [0.8, 1.0, 1.3])
def test_a_recorded_run_is_made_at_its_speed(speed):
    net = Synthesizer.from_checkpoint(sovits_weights(), {})
    voice = torch.randn(1, 32, 1, generator=torch.Generator().manual_seed(2))
    rows = [Row([3, 1, 4, 1, 5, 9], torch.tensor([7, 8, 9])), Row([2, 6, 5, 3], torch.tensor([11, 12]))]
    settings = {"speed_factor": speed, "parallel_infer": True, "batch_size": 2, "fragment_interval": 0.0}
    with torch.inference_mode():
        made = np.concatenate(_whole(net, rows, voice, settings).chunks)
        alone = [net.decode(torch.tensor(r.tokens), r.phones, voice, 0.0, speed).flatten() for r in rows]
    wanted = torch.cat([sound / max(1.0, float(sound.abs().max())) for sound in alone]).numpy()
    assert len(made) == len(wanted)
    assert np.abs(made / 32768 - wanted).max() < 1e-3


def test_a_folder_of_something_else_is_an_error(tmp_path):
    assert main([str(tmp_path)]) == 2


def test_another_shape_and_nan_hold_nothing():
    assert not close("x", [1.0, 2.0], [1.0], 10).holds
    assert not close("x", [np.nan], [1.0], 10).holds
    assert not exact("x", [1, 2], [1]).holds
    assert Check("x", 0.0, 0.0).holds
