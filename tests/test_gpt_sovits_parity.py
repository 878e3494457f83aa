"""The reference's numbers of GPT-SoVITS, case by case; `python -m tests.parity` checks the same."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from tests.parity import gpt_sovits

FOLDER = Path(__file__).parent / "fixtures" / "gpt_sovits"
NAMES = sorted(path.stem for path in FOLDER.glob("*.npz"))
NEED_TRANSFORMERS = ("cnhubert", "e2e_")


@pytest.fixture(scope="module")
def nets():
    return gpt_sovits.Nets(FOLDER)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_number_of_the_reference_is_met(nets, name):
    if name.startswith(NEED_TRANSFORMERS):
        pytest.importorskip("core.nets.gpt_sovits.hubert", exc_type=(ImportError, RuntimeError))
    check = next(check for mark, check in gpt_sovits.CASES.items() if mark in name)
    with np.load(FOLDER / f"{name}.npz") as case, torch.inference_mode():
        made = list(check(nets, name, case))
    assert made
    assert [one for one in made if not one.holds] == []


@pytest.mark.slow
def test_a_token_off_is_noticed(nets):
    with np.load(FOLDER / "v2_t2s_no_prompt_1.npz") as file:
        case = dict(file)
    case["tokens"] = case["tokens"].copy()
    case["tokens"][4] += 1
    with torch.inference_mode():
        made = list(gpt_sovits.CASES["_t2s_"](nets, "v2_t2s_no_prompt_1", case))
    assert [one.error for one in made if not one.holds] == [1.0]


def test_every_kind_of_case_is_here():
    found = {next(mark for mark in gpt_sovits.CASES if mark in name) for name in NAMES}
    assert found == set(gpt_sovits.CASES)


def test_the_folder_is_known_by_its_keys(tmp_path):
    assert gpt_sovits.fits(FOLDER)
    assert not gpt_sovits.fits(tmp_path)
