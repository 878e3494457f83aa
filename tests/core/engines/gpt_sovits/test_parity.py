"""The reference's numbers of GPT-SoVITS, case by case; `python -m tests.parity` checks the same."""

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from core.engines.gpt_sovits.vocoder import AHEAD, Vocoder, stops
from core.engines.gpt_sovits.ways import WAYS
from core.nets.gpt_sovits.sovits import RATE
from tests.parity import gpt_sovits
from tests.support import FIXTURES
from tests.support.spectra import log_mel_distance

pytestmark = pytest.mark.slow  # torch alone takes seconds to import

FOLDER = FIXTURES / "gpt_sovits"
# First those whose T2S is another: of the networks, which take seconds to make, the last is kept.
NAMES = sorted((path.stem for path in FOLDER.glob("*.npz")), key=lambda name: ("_eos_" not in name, name))
NEED_TRANSFORMERS = ("cnhubert", "e2e_")


@pytest.fixture(scope="module")
def nets():
    return gpt_sovits.Nets(FOLDER)


@pytest.mark.parametrize("name", NAMES)
def test_every_number_of_the_reference_is_met(nets, name):
    if name.startswith(NEED_TRANSFORMERS):
        pytest.importorskip("core.nets.gpt_sovits.hubert", exc_type=(ImportError, RuntimeError))
    check = next(check for mark, check in gpt_sovits.CASES.items() if mark in name)
    with np.load(FOLDER / f"{name}.npz") as case, torch.inference_mode():
        made = list(check(nets, name, case))
    assert made
    assert [one for one in made if not one.holds] == []


def test_every_number_of_t2s_is_met_by_onnxruntime_too():
    pytest.importorskip("onnx")
    others = gpt_sovits.Nets(FOLDER, WAYS["float32"]["onnxruntime"])
    for name in (name for name in NAMES if "_t2s_" in name):
        check = next(check for mark, check in gpt_sovits.CASES.items() if mark in name)
        with np.load(FOLDER / f"{name}.npz") as case, torch.inference_mode():
            made = list(check(others, name, case))
        assert made
        assert [one for one in made if not one.holds] == []


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


def sentence(version):
    """Tokens, phones and voice of the recorded sentences, one after another so that there are joints."""
    more = ["v2_decode_streaming_1", "e2e_v2_801", "run_v2_stream_mode2_1"] if version == "v2" else []
    tokens, phones = [], []
    for name in [f"{version}_decode_2", *more]:
        with np.load(FOLDER / f"{name}.npz") as case:
            tokens.append(next(case[key].ravel() for key in ("tokens_2", "semantic", "codes") if key in case))
            phones.append(
                next(case[key].ravel() for key in ("phones_0", "text_phones", "text") if key in case)
            )
    return torch.from_numpy(np.concatenate(tokens)).tolist(), torch.from_numpy(np.concatenate(phones))


@pytest.mark.parametrize("version", ["v2", "v2ProPlus"])
def test_streamed_sound_is_that_of_the_whole_sentence_and_exactly_as_long(nets, version):
    net, (tokens, phones) = nets.sovits(version), sentence(version)
    with np.load(FOLDER / f"{version}_decode_2.npz") as case, torch.inference_mode():
        voice = gpt_sovits.voice_of(net, case)
        mean, _ = net.prior(torch.tensor(tokens), net.enc_p.text(phones), voice)
        whole = net.dec(net.flow(mean, voice), voice).numpy()
    vocoder = Vocoder(net, phones, voice, noise=0.0)
    pieces = [vocoder.push([token], k == len(tokens) - 1) for k, token in enumerate(tokens)]
    streamed = np.concatenate(pieces)
    assert len(streamed) == len(whole) == 1280 * len(tokens)
    assert log_mel_distance(streamed, whole, RATE) < 0.05
    joints, count = [], 0
    while (count := stops(count)) < len(tokens):
        joints.append((count - AHEAD) * 1280)
    steps = np.abs(np.diff(streamed))
    around = [steps[joint - 1280 : joint + 1280].max() for joint in joints]
    assert len(joints) == (3 if version == "v2" else 0)
    # As loud a click would stand out of what the whole sentence has at the same place.
    for joint, step in zip(joints, around, strict=True):
        assert steps[joint - 1] <= np.quantile(np.abs(np.diff(whole)), 0.999)
        assert step <= 1.5 * np.abs(np.diff(whole))[joint - 1280 : joint + 1280].max()
