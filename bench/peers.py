"""The GPT-SoVITS voice beside Genie-TTS: `python -m bench peers PYTHON`.

PYTHON is that of an environment in which `pip install genie-tts torch` was done; it is no dependency, and no
weights are needed. Both load the same checkpoints of v2 with made-up weights, in float32, and take turns;
processor time counts, so others on the machine change only what memory and caches allow. A token is one of
the first after 80 phones and 184 tokens, its draw included. Sound is a second of it, of 25 tokens: Genie
computes what it knows of the voice from 5 s of reference in each call, ours once a voice. On one thread:
`taskset -c 0 python -m bench peers PYTHON`.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import torch

from bench import Figure
from bench._peer_genie import PHONES, PROMPT, TOKENS
from bench.speech import _config, _singer, _weights
from core.engines.gpt_sovits.decoder import Decoder, Request
from core.engines.gpt_sovits.vocoder import Vocoder
from core.engines.gpt_sovits.ways import WAYS, Build

_ROUNDS = 5
Turn = Callable[[], float]
"""Does its work once and returns the processor seconds of the part that counts."""


def figures(pythons: Sequence[str] = ()) -> Iterator[Figure]:
    """See the module."""
    if len(pythons) != 1:
        print("bench: peers skipped: it wants the python of an environment with genie-tts", file=sys.stderr)
        return
    ours: dict[str, dict[str, Turn]] = {
        "a token": {way: _token(build) for way, build in (WAYS["fast"] | WAYS["float32"]).items()},
        "a second of sound": dict(_sound()),
    }
    threads = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as folder:
        _checkpoints(Path(folder))
        program = [pythons[0], str(Path(__file__).with_name("_peer_genie.py")), folder]
        with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as peer:
            try:
                for work, turns in ours.items():
                    for name, mine, theirs in _turn_about(turns, partial(_answer, peer, work)):
                        told = f"{work}, {name}, {threads} threads, against Genie"
                        yield Figure(told, mine, "ms", higher=False, baseline=theirs)
            finally:
                peer.kill()


def _turn_about(turns: dict[str, Turn], peer: Turn) -> Iterator[tuple[str, float, float]]:
    """A name, our median and the peer's, in milliseconds."""
    taken: dict[str, list[float]] = {name: [] for name in (*turns, "")}
    for _ in range(_ROUNDS + 1):
        for name, turn in {**turns, "": peer}.items():
            taken[name].append(turn())
    medians = {name: 1000 * statistics.median(times[1:]) for name, times in taken.items()}
    yield from ((name, medians[name], medians[""]) for name in turns)


def _answer(peer: "subprocess.Popen[str]", work: str) -> float:
    """Processor seconds of the peer's turn."""
    assert peer.stdin
    assert peer.stdout
    print(work, file=peer.stdin, flush=True)
    if not (line := peer.stdout.readline()):
        raise SystemExit(f"bench: the peer ended with status {peer.wait()}")
    return float(line)


def _checkpoints(folder: Path) -> None:
    """The files of both networks as people have them: float16."""
    for file, keys, scale in (
        ("t2s.ckpt", "v2_t2s_keys.json", "t2s"),
        ("sovits.pth", "v2_sovits_keys.json", ""),
    ):
        weights = {key: value.half() for key, value in _weights(keys, scale).items()}
        torch.save({"weight": weights, "config": _config(), "info": ""}, folder / file)


def _token(build: Build) -> Turn:
    decoder = Decoder(build(_weights("v2_t2s_keys.json", "t2s"), _config()))
    random = torch.Generator().manual_seed(0)
    phones = torch.randint(0, 732, (PHONES,), generator=random)
    prompt = torch.randint(0, 1024, (PROMPT,), generator=random).tolist()
    request = Request(phones, torch.randn(1024, PHONES, generator=random), tuple(prompt), 1500, 0)

    def turn() -> float:
        row = decoder.join(request)
        decoder.step()  # the first comes with what goes before; none of the next may be the end
        started = time.process_time()
        for _ in range(TOKENS):
            decoder.step()
        taken = time.process_time() - started
        assert len(row.tokens) == TOKENS + 1
        decoder.leave(row)
        return taken / TOKENS

    return turn


def _sound() -> Iterator[tuple[str, Turn]]:
    net = _singer()
    random = torch.Generator().manual_seed(0)
    voice = torch.randn(1, 512, 1, generator=random)
    tokens, phones = torch.randint(0, 1024, (25,), generator=random), torch.arange(1, 41)

    def whole() -> float:
        started = time.process_time()
        with torch.inference_mode():
            net.decode(tokens, phones, voice)
        return time.process_time() - started

    def streamed() -> float:
        started = time.process_time()
        vocoder = Vocoder(net, phones, voice)
        for k, token in enumerate(tokens.tolist()):
            vocoder.push([token], k == len(tokens) - 1)
        return time.process_time() - started

    yield "whole", whole
    yield "streamed", streamed
