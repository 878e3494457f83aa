"""Checkpoints as people have them are read; nothing in a file is run; a wrong file is called what it is."""

import os
import pickle
import zipfile

import pytest

pytest.importorskip("torch")

import torch

from core.engines.gpt_sovits.checkpoints import check_pair, read_sovits, read_t2s
from core.errors import BadInput
from core.nets.gpt_sovits.sovits import Synthesizer
from core.nets.gpt_sovits.t2s import Text2Semantic
from tests.support.gpt_sovits_models import sovits_weights, t2s_weights, write_ckpt, write_pth

pytestmark = pytest.mark.slow  # torch alone takes seconds to import


class _Attack:
    """What a poisoned checkpoint holds: reading it as pickle does would make a directory."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("head", [b"PK", b"00", b"01", b"05", b"06"])
def test_a_fine_tuned_pth_is_read_whatever_stands_over_its_first_bytes(tmp_path, head):
    found = read_sovits(write_pth(tmp_path / "x.pth", sovits_weights(), head))
    assert found.version == "v2"
    assert found.config["model"]["upsample_rates"] == [10, 8, 2, 2, 2]
    assert Synthesizer.from_checkpoint(found.weights, found.config).dec.rates == (10, 8, 2, 2, 2)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_ckpt_is_read_in_both_of_torchs_formats(tmp_path, zipped):
    found = read_t2s(write_ckpt(tmp_path / "x.ckpt", t2s_weights(), zipped))
    net = Text2Semantic.from_checkpoint(found.weights, found.config)
    assert (net.sizes.layers, net.sizes.width, net.sizes.heads, net.sizes.end) == (2, 32, 4, 1024)


@pytest.mark.parametrize("reader", [read_t2s, read_sovits])
@pytest.mark.parametrize("form", ["zip", "legacy", "zip with a version", "bare pickle"])
def test_a_malicious_pickle_is_never_executed(tmp_path, reader, form):
    bait, path = tmp_path / "bait", tmp_path / "x.pth"
    content = {"weight": {"a": torch.zeros(2)}, "config": _Attack(bait)}
    if form == "bare pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form != "legacy")
    if form == "zip with a version":
        path.write_bytes(b"06" + path.read_bytes()[2:])
    with pytest.raises(BadInput) as caught:
        reader(path)
    assert caught.value.code == "weights_unsafe"
    assert not bait.exists()


def test_the_stand_in_for_hparams_is_the_only_class_a_pickle_may_name(tmp_path):
    path = write_pth(tmp_path / "x.pth", sovits_weights())
    with zipfile.ZipFile(path) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as new:
        for name, data in parts.items():
            new.writestr(name, data.replace(b"cutils\nHParams\n", b"cposix\nsystemm\n"))
    with pytest.raises(BadInput) as caught:
        read_sovits(path)
    assert caught.value.code == "weights_unsafe"


def test_swapped_files_are_called_what_they_are(tmp_path):
    ckpt = write_ckpt(tmp_path / "x.ckpt", t2s_weights())
    pth = write_pth(tmp_path / "y.pth", sovits_weights())
    with pytest.raises(BadInput, match=r"y\.pth is a SoVITS v2 \.pth; a T2S \.ckpt .* is needed"):
        read_t2s(pth)
    with pytest.raises(BadInput, match=r"x\.ckpt is a T2S \.ckpt .*; a SoVITS \.pth of v1"):
        read_sovits(ckpt)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ({"weight": {"cfm.x": 1, "enc_p.text_embedding.weight": 1}}, "SoVITS v3 or v4"),
        ({"weight": {"cfm.lora_A": 1}, "lora_rank": 32}, r"v3 or v4 \(LoRA\)"),
        ({"feature_extractor.conv_layers.0.conv.weight": 1}, "a HuBERT model"),
        ({"bert.embeddings.word_embeddings.weight": 1}, "a BERT model"),
        ({"seg_1.weight": 1}, "a speaker net"),
        ({"model": {"a": 1}, "optimizer": {}}, "a training checkpoint"),
        ({"what": 1}, "something unknown"),
    ],
)
def test_other_files_are_called_what_they_are(tmp_path, content, named):
    def tensors(value):
        return {k: tensors(v) for k, v in value.items()} if isinstance(value, dict) else torch.zeros(2, 2)

    torch.save(tensors(content), tmp_path / "x.pth")
    for reader in (read_t2s, read_sovits):
        with pytest.raises(BadInput, match=named) as caught:
            reader(tmp_path / "x.pth")
        assert caught.value.code == "weights_wrong"


def test_models_of_different_versions_are_no_pair(tmp_path):
    t2s = read_t2s(write_ckpt(tmp_path / "x.ckpt", t2s_weights()))
    sovits = read_sovits(write_pth(tmp_path / "y.pth", sovits_weights("v1")))
    with pytest.raises(BadInput, match=r"x\.ckpt is a T2S model of v2, y\.pth a SoVITS model of v1"):
        check_pair(t2s, sovits)
    check_pair(t2s, read_sovits(write_pth(tmp_path / "z.pth", sovits_weights("v2"))))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_a_truncated_file_is_called_damaged(tmp_path, share):
    path = write_pth(tmp_path / "x.pth", sovits_weights(), b"05")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(BadInput) as caught:
        read_sovits(path)
    assert caught.value.code == "weights_damaged"
    assert "cut short" in caught.value.message


def test_what_is_no_checkpoint_at_all_is_said(tmp_path):
    for start, name in ((b"<!DOCTYPE html><html>", "a web page"), (b"RIFF....WAVE", "a WAV"), (b"", "empty")):
        (tmp_path / "x.ckpt").write_bytes(start)
        with pytest.raises(BadInput, match=f"is {name}.*not a checkpoint") as caught:
            read_t2s(tmp_path / "x.ckpt")
        assert caught.value.code == "weights_wrong"
    with pytest.raises(BadInput) as caught:
        read_t2s(tmp_path / "none.ckpt")
    assert caught.value.code == "weights_missing"
