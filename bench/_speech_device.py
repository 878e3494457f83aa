"""GPT-SoVITS v2ProPlus on one device, a GPU above all: tokens and sound of one sentence and of many at once.

From phones to samples on the CPU, as the engine runs it: one `Decoder` for all sentences, a `Vocoder` each.
There is nothing to compare with; each figure names the device.
"""

import time
from collections.abc import Iterator, Sequence
from functools import partial

import torch

from bench import Figure
from core.engines.gpt_sovits.decoder import Decoder, Request
from core.engines.gpt_sovits.vocoder import Vocoder
from core.nets.gpt_sovits.sovits import Synthesizer
from core.nets.gpt_sovits.t2s import Text2Semantic

_TOKENS_PER_S = 25


def figures(talker: Text2Semantic, singer: Synthesizer, requests: Sequence[Request]) -> Iterator[Figure]:
    """Of the first request and of all at once: tokens a second, seconds a second of speech, ms to sound.

    requests: all of one length, and none may end before its limit.
    """
    decoder = Decoder(talker, len(requests))
    device = talker.device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    for some in (requests[:1], requests):
        tokens = sum(request.limit for request in some)
        with torch.inference_mode():
            alone, _ = _best(partial(_spoken, decoder, None, some))
            whole, first = _best(partial(_spoken, decoder, singer, some))
        label = f"{name}, {len(some)} at once"
        yield Figure(f"{label}: T2S", tokens / alone, "tokens/s")
        yield Figure(f"{label}: whole voice", whole * _TOKENS_PER_S / tokens, "s/s", higher=False)
        yield Figure(f"{label}: last one's first sound", 1000 * first, "ms", higher=False)


def _best(work: "partial[tuple[float, float]]", turns: int = 3) -> tuple[float, float]:
    """The quickest of some turns, after one in which graphs are recorded and kernels chosen."""
    work()
    return min(work() for _ in range(turns))


def _spoken(decoder: Decoder, singer: Synthesizer | None, requests: Sequence[Request]) -> tuple[float, float]:
    """Seconds until all is spoken, and until each has been heard. singer: None for tokens alone."""
    started, heard = time.perf_counter(), 0.0
    rows = [decoder.join(request) for request in requests]
    vocoders = [_vocoder(singer, request) for request in requests] if singer else []
    silent, unfinished = set(range(len(rows))), set(range(len(rows)))
    while unfinished:
        decoder.step()
        for k in sorted(unfinished):
            fresh, done = rows[k].tokens, rows[k].done
            if vocoders and len(vocoders[k].push(fresh[len(vocoders[k].tokens) :], done)):
                silent.discard(k)
                heard = heard or (0.0 if silent else time.perf_counter() - started)
            if done:
                unfinished.discard(k)
    return time.perf_counter() - started, heard


def _vocoder(singer: Synthesizer, request: Request) -> Vocoder:
    """One that knows a made-up voice; v2ProPlus takes 1024 numbers of it."""
    voice = torch.randn(1, 1024, 1, generator=torch.Generator().manual_seed(request.seed))
    device = singer.quantizer.rows.device
    return Vocoder(singer, request.phones.to(device), voice.to(device), seed=request.seed)
