"""Small GPT-SoVITS checkpoints on disk, in the very forms people have: the published keys, random weights.

The networks read their sizes from the shapes, so a few channels do where the published ones have hundreds.
"""

import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.fixtures import recipe
from tests.support import FIXTURES

GPT_SOVITS = FIXTURES / "gpt_sovits"
# Published channels -> ours. Axes that are kernels, symbols, codes or bins stay as they are.
_T2S = {512: 32, 1536: 96, 2048: 48}
_SOVITS = {1536: 128, 768: 24, 512: 32, 384: 32, 256: 16, 192: 16, 128: 8, 96: 8, 64: 4, 32: 2, 16: 2}
_SCALE = [["in_proj_weight", 2.0], ["(out_proj|linear2)\\.weight", 0.1]]
T2S_CONFIG = {"model": {"head": 4, "EOS": 1024}, "data": {"max_sec": 54}}
BERT_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"你好吗我很世界今天气,.!?…-"]


def t2s_weights(layers: int = 2, ends_like: int | None = None) -> dict[str, Tensor]:
    """ends_like: a token that the end of the sentence is likely with, and more so."""
    rows = []
    for key, shape in json.loads((GPT_SOVITS / "v2_t2s_keys.json").read_text()):
        if ".layers." not in key or int(key.split(".")[3]) < layers:
            rows.append([key, [_T2S.get(n, n) for n in shape]])
    weights: dict[str, Tensor] = recipe.build(rows, scale=_SCALE)
    if ends_like is not None:
        head = weights["model.ar_predict_layer.weight"]
        head[-1] = 2.5 * head[ends_like]
    return weights


def sovits_weights(version: str = "v2") -> dict[str, Tensor]:
    """Of v1 or v2."""
    rows = []
    for key, shape in json.loads((GPT_SOVITS / f"{version}_sovits_keys.json").read_text()):
        channels = 3 if "emb_rel" in key else 2
        small = [_SOVITS.get(n, n) for n in shape[:channels]] + shape[channels:]
        rows.append([key, small])
    weights: dict[str, Tensor] = recipe.build(rows)
    return weights


class HParams:
    """As the training code defines it, in a module `utils`: pickles name it so."""

    def __init__(self, **entries: Any) -> None:
        for key, value in entries.items():
            setattr(self, key, HParams(**value) if isinstance(value, dict) else value)


def write_pth(path: Path, weights: dict[str, Tensor], head: bytes = b"PK", pickled: bool = True) -> Path:
    """A fine-tuned `.pth`: half precision, its config a `utils.HParams`, perhaps a version in front."""
    config = {
        "data": {"filter_length": 2048, "hop_length": 640},
        "model": {"upsample_rates": [10, 8, 2, 2, 2]},
    }
    content = {
        "weight": {key: value.half() for key, value in weights.items()},
        "config": HParams(**config) if pickled else config,
        "info": "1epoch_2iteration",
    }
    # The class must be found where its pickles say it is, while they are written.
    module = types.ModuleType("utils")
    HParams.__module__ = "utils"
    module.HParams = HParams  # type: ignore[attr-defined]  # made for the pickle
    before = sys.modules.get("utils")
    sys.modules["utils"] = module
    try:
        torch.save(content, path)
    finally:
        HParams.__module__ = __name__
        del sys.modules["utils"]
        if before is not None:
            sys.modules["utils"] = before
    if head != b"PK":
        path.write_bytes(head + path.read_bytes()[2:])
    return path


def write_ckpt(path: Path, weights: dict[str, Tensor], zipped: bool = True) -> Path:
    """A T2S `.ckpt`: half precision, its config plain. zipped False: torch's format before 1.6."""
    content = {
        "weight": {key: value.half() for key, value in weights.items()},
        "config": T2S_CONFIG,
        "info": "GPT-e15",
    }
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    return path


def write_hubert(path: Path) -> Path:
    """A small HuBERT as transformers writes it, that gives the 24 features `sovits_weights` wants."""
    from core.nets.huggingface import HubertConfig, HubertModel

    config = HubertConfig(
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=1,
        intermediate_size=32,
        conv_dim=[8] * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
    )
    torch.manual_seed(5)
    torch.save(dict(HubertModel(config).state_dict()), path)
    return path


def write_bert(folder: Path) -> tuple[Path, Path]:
    """A BERT of three layers, the first of which is used, and its vocabulary."""
    from transformers import BertForMaskedLM

    from core.nets.huggingface import BertConfig

    config = BertConfig(
        vocab_size=len(BERT_TOKENS),
        hidden_size=1024,
        num_hidden_layers=3,
        num_attention_heads=16,
        intermediate_size=16,
        max_position_embeddings=512,
    )
    torch.manual_seed(6)
    torch.save(dict(BertForMaskedLM(config).state_dict()), folder / "bert.bin")
    vocabulary = {token: number for number, token in enumerate(BERT_TOKENS)}
    (folder / "tokenizer.json").write_text(json.dumps({"model": {"vocab": vocabulary}}))
    return folder / "bert.bin", folder / "tokenizer.json"


def write_models(folder: Path) -> dict[str, str]:
    """Every file the voice reads, small, by the name of the published one it stands in for."""
    bert, tokens = write_bert(folder)
    hubert = write_hubert(folder / "hubert.bin")
    files = {
        "chinese-hubert": hubert,
        "chinese-roberta": bert,
        "chinese-roberta-tokens": tokens,
        "gpt-sovits-speaker": hubert,  # v2 has no use for it, but it must be there
        "gpt-sovits-t2s": write_ckpt(folder / "x.ckpt", t2s_weights(ends_like=7)),
        "gpt-sovits-v2proplus": write_pth(folder / "y.pth", sovits_weights(), b"01"),
    }
    return {name: str(path) for name, path in files.items()}


def use_small_models(
    files: dict[str, str], monkeypatch: pytest.MonkeyPatch, data_dir: Path
) -> dict[str, str]:
    """Have this process, and those it starts, speak with what `write_models` wrote; the environment.

    What `lipstream render "..." --speech gpt-sovits` needs, too.
    """
    environment = {
        "LIPSTREAM_OWN_WEIGHTS": json.dumps(files),
        "LIPSTREAM_DATA_DIR": str(data_dir),
        "LIPSTREAM_DEVICE": "cpu",
        "LIPSTREAM_PRECISION": "float32",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return environment
