"""The GPT-SoVITS voice against a plain way of running the same networks: tokens, sound, first sound.

Weights are stand-ins of the published sizes (v2); what a step costs does not depend on their values. Of
several turns the fastest counts: what others do on the machine only adds. Tokens are in wall time on all
cores; they are bound by memory, so measure them on a quiet machine. Sound is in CPU time on one core.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bench import Figure, _speech_device
from bench._plain_speech import PlainDecoder, generated
from core.engines.compute.devices import device_of, dtype_of
from core.engines.gpt_sovits.decoder import Decoder, Request
from core.engines.gpt_sovits.sampling import Sampling
from core.engines.gpt_sovits.vocoder import Vocoder
from core.engines.gpt_sovits.ways import WAYS
from core.engines.neural import NeuralSettings
from core.nets.gpt_sovits.sovits import RATE, Synthesizer
from core.nets.gpt_sovits.t2s import Text2Semantic
from core.nets.weights import fold_weight_norm
from core.types import Samples
from tests.fixtures import recipe
from tests.support.spectra import log_mel_distance

_FOLDER = Path(__file__).parents[1] / "tests" / "fixtures" / "gpt_sovits"
_PHONES, _PROMPT = 80, 125  # a reference of 5 s and a sentence
_STEPS = 80
_CHARACTERS, _TOKENS_PER_CHARACTER = 100, 6  # Chinese, four characters a second


def figures() -> Iterator[Figure]:
    """See the module. On a GPU (`--device cuda`) instead what it does with v2ProPlus."""
    device = device_of(NeuralSettings().device)
    if device.type == "cuda":
        yield from on_device(device)
        return
    with torch.inference_mode():
        yield from _tokens()
        with _one_core():
            yield from _sound()
        yield from _whole()


def on_device(device: torch.device, rows: int = 16, tokens: int = 250) -> Iterator[Figure]:
    """v2ProPlus on `device`: one sentence of 10 s, and 16."""
    packing = "int8" if device.type == "cpu" else None
    keys = _weights("v2_t2s_keys.json", "t2s")
    talker = Text2Semantic.from_checkpoint(keys, _config(), packing).to(device)
    singer = Synthesizer.from_checkpoint(_weights("v2ProPlus_sovits_keys.json"), {}).to(device)
    singer.dec.to(dtype_of("auto", device))
    singer.dec.pack()
    requests = [_request(Sampling(), seed, tokens) for seed in range(rows)]
    yield from _speech_device.figures(talker, singer, requests)


@contextmanager
def _one_core() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _weights(file: str, scale: str = "") -> dict[str, Tensor]:
    scales = json.loads((_FOLDER / "recipe_scale.json").read_text())
    keys = json.loads((_FOLDER / file).read_text())
    built: dict[str, Tensor] = recipe.build(keys, scale=scales.get(scale, ()))
    return built


def _config() -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = json.loads((_FOLDER / "v2_t2s_config.json").read_text())["config"]
    return found


def _singer(dtype: torch.dtype = torch.float32) -> Synthesizer:
    """As it is loaded. dtype: of the generator."""
    net = Synthesizer.from_checkpoint(_weights("v2_sovits_keys.json"), {})
    net.dec.to(dtype)
    net.dec.pack()
    return net


def _taken(work: Callable[[], object], clock: Callable[[], float]) -> float:
    started = clock()
    work()
    return clock() - started


def _interleaved(
    ways: dict[str, Callable[[], object]], repeats: int, clock: Callable[[], float]
) -> dict[str, float]:
    """Seconds of each way, run in turns: its fastest turn."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats + 1):
        for name, work in ways.items():
            taken[name].append(_taken(work, clock))
    return {name: min(times[1:]) for name, times in taken.items()}


def _request(sampling: Sampling, seed: int = 0, limit: int = 1500) -> Request:
    generator = torch.Generator().manual_seed(seed)
    phones = torch.randint(0, 732, (_PHONES,), generator=generator)
    prompt = torch.randint(0, 1024, (_PROMPT,), generator=generator)
    bert = torch.randn(1024, _PHONES, generator=generator)
    return Request(phones, bert, tuple(prompt.tolist()), limit, seed, sampling)


def _tokens() -> Iterator[Figure]:
    """Milliseconds a token, what reduced precision does to logits, and four sentences at once."""
    plain, length = _plain_decoder(), _PHONES + _PROMPT
    nets = {
        way: build(_weights("v2_t2s_keys.json", "t2s"), _config())
        for way, build in (WAYS["float32"] | WAYS["fast"]).items()
    }
    caches = {way: net.cache(4, 256) for way, net in nets.items()}
    wanted = _request(Sampling())
    for way, cache in caches.items():
        for row in range(4):
            nets[way].prefill(wanted.phones, wanted.bert, torch.tensor(wanted.prompt), cache, row)
    position = nets["torch"].ar_audio_position.rows(length)[_PROMPT]

    def step(way: str, rows: int) -> Callable[[], object]:
        token, place, filled = (torch.full((rows,), n) for n in (5, _PROMPT, length))
        return partial(nets[way].step, token, place, filled, caches[way], length + 1)

    ways: dict[str, Callable[[], object]] = {"plain": lambda: plain.step(5, position)}
    for way in nets:
        ways |= {way: step(way, 1), f"four, {way}": step(way, 4)}
    taken = {name: 1000 * seconds for name, seconds in _interleaved(ways, _STEPS, time.perf_counter).items()}
    for way, net in nets.items():
        yield Figure(f"T2S, {way}", taken[way], "ms/token", higher=False, baseline=taken["plain"])
        target = 2.5 if "int8" in way else 1.5
        yield Figure(f"T2S, {way}: times the plain way", taken["plain"] / taken[way], "x", target)
        gain = 4 * taken[way] / taken[f"four, {way}"]
        yield Figure(f"four sentences at once, {way}", gain, "x one after another", 3.0)
        yield Figure("  of that, what reading memory allows", _allowed(net, length), "x")
    for way in (way for way in nets if "int8" in way):
        yield from _effect(nets["torch"], nets[way], way)


def _allowed(net: Text2Semantic, positions: int) -> float:
    """Gain of four rows over one if a step only read memory: the weights once, each row's keys and values."""
    row = 2 * 4 * net.sizes.layers * net.sizes.width * positions
    return 4 * (net.bytes() + row) / (net.bytes() + 4 * row)


def _plain_decoder() -> PlainDecoder:
    weights = _weights("v2_t2s_keys.json", "t2s")
    shape = (1, 16, _PHONES + _PROMPT, 32)
    return PlainDecoder(weights, *([torch.randn(shape) for _ in range(24)] for _ in range(2)))


def _effect(exact: Text2Semantic, fast: Text2Semantic, way: str) -> Iterator[Figure]:
    """Of int8 matrices on the logits, over the same greedy tokens."""
    wanted = _request(Sampling(top_k=1), limit=60)
    decoder = Decoder(exact)
    row = decoder.join(wanted)
    while not row.done:
        decoder.step()
    lines = []
    for net in (exact, fast):
        cache = net.cache(1, _PHONES + _PROMPT + 60)
        logits = [net.prefill(wanted.phones, wanted.bert, torch.tensor(wanted.prompt), cache, 0)]
        for k, token in enumerate(row.tokens):
            last, place, length = (torch.tensor([n]) for n in (token, _PROMPT + k, _PHONES + _PROMPT + k))
            logits.append(net.step(last, place, length, cache, _PHONES + _PROMPT + k + 1)[0])
        lines.append(torch.stack(logits))
    off = (lines[1] - lines[0]).square().mean().sqrt() / lines[0].std()
    same = (lines[0].argmax(1) == lines[1].argmax(1)).float().mean()
    yield Figure(f"T2S, {way}: error of logits", float(off), "of their deviation", higher=False)
    yield Figure(f"T2S, {way}: same greedy token", float(same), "of 1")


def _sound() -> Iterator[Figure]:
    """Seconds a second of sound in the generator, all at once and streamed, and the cost by length."""
    folded = fold_weight_norm(_weights("v2_sovits_keys.json"))
    exact, fast = _singer(), _singer(torch.bfloat16)
    latents = torch.randn(1, 192, 200, generator=torch.Generator().manual_seed(1))
    voice = torch.randn(1, 512, 1, generator=torch.Generator().manual_seed(2))
    tokens = torch.randint(0, 1024, (100,), generator=torch.Generator().manual_seed(3)).tolist()
    phones = torch.arange(1, 41)

    def whole() -> Tensor:
        text = exact.enc_p.text(phones)
        mean, _ = exact.prior(torch.tensor(tokens), text, voice)
        return generated(folded, exact.flow(mean, voice), voice)

    def streamed(net: Synthesizer) -> Samples:
        vocoder = Vocoder(net, phones, voice)
        return np.concatenate([vocoder.push(tokens[k : k + 1], k == 99) for k in range(100)])

    ways: dict[str, Callable[[], object]] = {
        "plain": lambda: generated(folded, latents, voice),
        "float32": lambda: exact.dec(latents, voice),
        "bfloat16": lambda: fast.dec(latents, voice),
        "plain, whole": whole,
        "streamed": lambda: streamed(exact),
        "streamed fast": lambda: streamed(fast),
    }
    taken = {name: seconds / 4 for name, seconds in _interleaved(ways, 3, time.process_time).items()}
    for name, label, plain in (
        ("float32", "generator float32", "plain"),
        ("bfloat16", "generator fast (bfloat16)", "plain"),
        ("streamed", "vocoder float32, streamed", "plain, whole"),
        ("streamed fast", "vocoder fast, streamed", "plain, whole"),
    ):
        yield Figure(label, taken[name], "s/s", higher=False, baseline=taken[plain])
    gain = taken["plain, whole"] / taken["streamed fast"]
    yield Figure("vocoder fast: times the plain way", gain, "x", 1.5)
    yield Figure(
        "log-mel distance of fast sound",
        log_mel_distance(streamed(exact), streamed(fast), RATE),
        "nepers",
        0.05,
        higher=False,
    )
    costs = [_streaming_cost(fast, voice, phones, seconds) for seconds in (5, 60)]
    yield Figure("cost a second: 60 s over 5 s", costs[1] / costs[0], "x", 1.15, higher=False)


def _streaming_cost(net: Synthesizer, voice: Tensor, phones: Tensor, seconds: int) -> float:
    """CPU seconds a second of sound: others on the machine do not count."""
    vocoder = Vocoder(net, phones, voice)
    count, started = 25 * seconds, time.process_time()
    for k in range(count):
        vocoder.push([k % 1000], k == count - 1)
    return (time.process_time() - started) / seconds


def _whole() -> Iterator[Figure]:
    """A text of 100 characters from its phones to its first and its last sound."""
    talker = WAYS["fast"]["torch int8"](_weights("v2_t2s_keys.json", "t2s"), _config())
    singer = _singer(torch.bfloat16)
    voice = torch.randn(1, 512, 1, generator=torch.Generator().manual_seed(2))
    count = _CHARACTERS * _TOKENS_PER_CHARACTER
    decoder = Decoder(talker)
    started = time.perf_counter()
    row = decoder.join(_request(Sampling(), limit=count))
    vocoder = Vocoder(singer, torch.arange(1, 2 * _CHARACTERS), voice)
    first, used = 0.0, 0
    while not row.done:
        decoder.step()
        sound = vocoder.push(row.tokens[used:], row.done)
        used = len(row.tokens)
        if len(sound) and not first:
            first = time.perf_counter() - started
    whole = time.perf_counter() - started
    yield Figure("first sound of 100 characters", 1000 * first, "ms", higher=False)
    yield Figure("first sound over all sound", first / whole, "of 1", 0.1, higher=False)
    yield Figure("whole voice, fast", whole / (used / 25), "s/s", higher=False)
