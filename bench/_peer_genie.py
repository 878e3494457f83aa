"""Genie-TTS (github.com/High-Logic/Genie-TTS), run by the python of an environment that it is installed in.

    PYTHON bench/_peer_genie.py FOLDER

Its own converter makes its graphs of FOLDER's t2s.ckpt and sovits.pth, for which it wants torch; they are run
as it runs them. Each line that comes in, "a token" or "a second of sound", is answered by a turn's seconds of
processor time.
"""

import contextlib
import importlib
import importlib.util
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

PHONES, PROMPT, TOKENS = 80, 184, 8


def main(folder: Path) -> None:
    """See the module."""
    # Not imported whole: at that it asks whether it may download.
    found = importlib.util.find_spec("genie_tts")
    if found is None or not found.submodule_search_locations:
        sys.exit("genie-tts is not installed here")
    place = Path(found.submodule_search_locations[0])
    package = types.ModuleType("genie_tts")
    package.__path__ = [str(place)]
    sys.modules["genie_tts"] = package
    with contextlib.redirect_stdout(sys.stderr):
        turns = {"a token": _token(folder, place), "a second of sound": _sound(folder, place)}
    for line in sys.stdin:
        print(turns[line.strip()](), flush=True)


def _session(converter: Any, weights: str, graph: Path) -> Any:
    converter.step3_reconstruct_fp32_bin_from_fp16(converter.fp16_bin_path, str(graph.with_name(weights)))
    return onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])


def _token(folder: Path, place: Path) -> Callable[[], float]:
    made = importlib.import_module("genie_tts.Converter.v2.T2SConverter").T2SModelConverter(
        str(folder / "t2s.ckpt"),
        str(place / "Data/v2/Models/t2s_stage_decoder_fp32.onnx"),
        str(place / "Data/v2/Models/t2s_first_stage_decoder_fp32.onnx"),
        str(place / "Data/v2/Keys/t2s_onnx_keys.txt"),
        str(folder),
        str(folder),
    )
    made.run_full_process()
    first = _session(made, "t2s_shared_fp32.bin", folder / "t2s_first_stage_decoder_fp32.onnx")
    later = _session(made, "t2s_shared_fp32.bin", folder / "t2s_stage_decoder_fp32.onnx")
    names = [one.name for one in later.get_inputs()]
    random = np.random.default_rng(0)
    text = random.standard_normal((1, PHONES, 512)).astype(np.float32)
    prompt = random.integers(0, 1024, (1, PROMPT))

    def turn() -> float:
        state = first.run(None, {"x": text, "prompts": prompt})
        started = time.process_time()
        for _ in range(TOKENS):
            tokens, embedded, _stop, *cache = later.run(None, dict(zip(names, state, strict=True)))
            state = [tokens, embedded, *cache]
        return (time.process_time() - started) / TOKENS

    return turn


def _sound(folder: Path, place: Path) -> Callable[[], float]:
    made = importlib.import_module("genie_tts.Converter.v2.VITSConverter").VITSConverter(
        str(folder / "sovits.pth"),
        str(place / "Data/v2/Models/vits_fp32.onnx"),
        str(place / "Data/v2/Keys/vits_onnx_keys.txt"),
        str(folder),
        str(folder),
    )
    made.run_full_process()
    net = _session(made, "vits_fp32.bin", folder / "vits_fp32.onnx")
    random = np.random.default_rng(0)
    fed = {
        "text_seq": np.arange(1, 41)[None],
        "pred_semantic": random.integers(0, 1024, (1, 1, 25)),
        "ref_audio": (0.1 * random.standard_normal((1, 5 * 32_000))).astype(np.float32),
    }

    def turn() -> float:
        started = time.process_time()
        net.run(None, fed)
        return time.process_time() - started

    return turn


if __name__ == "__main__":
    main(Path(sys.argv[1]))
