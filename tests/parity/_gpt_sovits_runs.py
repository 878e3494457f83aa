"""The request loops of the reference, over our networks: what it sends where, with its habits and its faults.

Ours differs on purpose (`core.engines.gpt_sovits.vocoder`); this is only to check the networks in the very
calls that the reference makes of them. Source: GPT_SoVITS/TTS_infer_pack/TTS.py and module/models.py (MIT).
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from core.engines.gpt_sovits.decoder import Decoder, Request, Row
from core.engines.gpt_sovits.sampling import Sampling
from core.nets.gpt_sovits.sovits import Synthesizer
from core.nets.gpt_sovits.t2s import Text2Semantic
from tests.parity import Check, close, exact

Case = Mapping[str, NDArray[Any]]
PER_TOKEN = 1280
RATE = 32_000
MUTE = 486  # the token whose embedding stands for silence
SEARCH = 320


def streamed(
    net: Synthesizer,
    codes: Tensor,
    phones: Tensor,
    voice: Tensor,
    keep: int | None = None,
    tail: Tensor | None = None,
    speed: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """Sound, at that speed, and features, at speed 1, of the last `keep` tokens, the first frames faded over
    from the `tail` before."""
    features = net.features(codes, net.enc_p.text(phones), voice)
    if keep is not None:
        features = features[:, :, -2 * keep :]
    if tail is not None:
        count = tail.shape[2]
        angle = torch.linspace(0, math.pi / 2, count + 1)[:-1]
        head = features[:, :, :count] * angle.sin() + tail * angle.cos()
        features = torch.cat([head, features[:, :, count:]], dim=2)
    paced = features
    if speed != 1.0:
        paced = functional.interpolate(features, size=int(features.shape[-1] / speed) + 1, mode="linear")
    return net.dec(net.flow(net.split(paced)[0], voice), voice), features


def check_run(
    net: Synthesizer, talker: Text2Semantic, voice: Tensor, case: Case, settings: Mapping[str, Any]
) -> Iterator[Check]:
    """Tokens of every decode call, lengths of the chunks, and the sound itself."""
    count = int(case["n_sentences"])
    rows = [Decoded(talker, case, k, settings) for k in range(count)]
    if settings.get("streaming_mode"):
        run = _streaming(net, rows[0], voice, settings)
    else:
        run = _whole(net, rows, voice, settings)
    for k, tokens in enumerate(run.calls):
        yield exact(f"tokens_{k}", tokens, case[f"tokens_{k}"])
    yield exact("chunk_lengths", [len(chunk) for chunk in run.chunks], case["chunk_lengths"])
    yield close("pcm", np.concatenate(run.chunks), case["pcm"], 4)


class Run:
    """Codes given to each decode call, and int16 chunks as they were sent."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.chunks: list[NDArray[np.int16]] = []

    def send(self, sound: Tensor, pause: float = 0.0) -> None:
        peak = float(sound.abs().max()) if len(sound) else 0.0
        sound = sound / peak if peak > 1 else sound
        sound = torch.cat([sound, sound.new_zeros(int(RATE * pause))])
        self.chunks.append((sound.numpy() * 32768).astype(np.int16))


class Decoded:
    """One sentence of a run, decoded greedily by itself."""

    def __init__(self, talker: Text2Semantic, case: Case, number: int, settings: Mapping[str, Any]) -> None:
        self.phones = torch.from_numpy(case[f"phones_{number}"])
        phones = torch.cat([torch.from_numpy(case["prompt_phones"]), self.phones])
        parts = [torch.from_numpy(case[key]).float() for key in ("prompt_bert", f"bert_{number}")]
        greedy = Sampling(top_k=1, repetition_penalty=settings["repetition_penalty"])
        prompt = tuple(case["prompt"].tolist())
        limit = settings["early_stop_num"] + 1
        decoder = Decoder(talker)
        row: Row = decoder.join(Request(phones, torch.cat(parts, dim=1), prompt, limit, 0, greedy))
        while not row.done:
            decoder.step()
        self.row = row
        self.tokens = row.tokens
        self.embedding = talker.ar_audio_embedding

    def semantic(self, parallel: bool) -> list[int]:
        """What is passed on: of a sentence that was stopped, a batch drops the last token, else the first."""
        if self.row.ended:
            return self.tokens
        return self.tokens[:-1] if parallel else self.tokens[1:]


def _whole(net: Synthesizer, rows: list[Decoded], voice: Tensor, settings: Mapping[str, Any]) -> Run:
    """Sentences in batches of like length; a batch is decoded to sound in one call and cut afterwards."""
    run = Run()
    speed = settings.get("speed_factor", 1.0)
    sound: dict[int, Tensor] = {}
    for batch in _buckets([len(row.phones) for row in rows], settings):
        tokens = [rows[k].semantic(settings["parallel_infer"]) for k in batch]
        joined = [token for part in tokens for token in part]
        if speed != 1.0:  # a call a sentence: of joined ones, nobody would know where to cut
            for k, part in zip(batch, tokens, strict=True):
                run.calls.append(part)
                sound[k] = streamed(net, torch.tensor(part), rows[k].phones, voice, speed=speed)[0]
            continue
        run.calls.append(joined)
        phones = torch.cat([rows[k].phones for k in batch])
        whole = streamed(net, torch.tensor(joined), phones, voice)[0]
        at = 0
        for k, part in zip(batch, tokens, strict=True):
            sound[k] = whole[at : at + PER_TOKEN * len(part)]
            at += PER_TOKEN * len(part)
    for k in range(len(rows)):
        run.send(sound[k], settings["fragment_interval"])
    if not settings.get("return_fragment"):
        run.chunks = [np.concatenate(run.chunks)]
    return run


def _buckets(lengths: list[int], settings: Mapping[str, Any]) -> list[list[int]]:
    """Batches of sentences, sorted by length while they are alike enough."""
    if settings.get("return_fragment") or not settings.get("split_bucket"):
        return [[k] for k in range(len(lengths))]
    order = sorted(range(len(lengths)), key=lambda k: lengths[k])
    threshold = settings.get("batch_threshold", 0.75)
    buckets = []
    while order:
        size = min(settings["batch_size"], len(order))
        while size > 1:
            part = [lengths[k] for k in order[:size]]
            if part[size // 2] / np.mean(part) >= threshold:
                break
            size -= 1
        buckets.append(order[:size])
        order = order[size:]
    return buckets


def _streaming(net: Synthesizer, row: Decoded, voice: Tensor, settings: Mapping[str, Any]) -> Run:
    """One sentence, chunk by chunk: all tokens so far are decoded, the last of them become sound."""
    run = Run()
    overlap, speed = settings["overlap_length"], settings.get("speed_factor", 1.0)
    held = overlap * PER_TOKEN
    latents: Tensor | None = None
    before: Tensor | None = None
    done = 0
    for tokens, ends in _chunks(row, settings):
        run.calls.append(tokens)
        new = len(tokens) - done
        codes = torch.tensor(tokens)
        if before is None or latents is None:
            sound, latents = streamed(net, codes, row.phones, voice, speed=speed)
            run.send(sound if ends else sound[:-held])
        else:
            more = overlap + max(0, 10 - new)
            tail = latents[:, :, -2 * more :]
            sound, latents = streamed(net, codes, row.phones, voice, new + more, tail, speed)
            if ends:
                run.send(sound[-(new * PER_TOKEN + held) :])
            else:
                run.send(_joined(before, sound, held)[:-held])
        before, done = sound, len(tokens)
    run.send(torch.zeros(0), settings["fragment_interval"])
    return run


def _chunks(row: Decoded, settings: Mapping[str, Any]) -> Iterator[tuple[list[int], bool]]:
    """Tokens so far at each decode call, and whether it is the last."""
    size, count = settings["min_chunk_length"], len(row.tokens)
    if settings.get("fixed_length_chunk"):
        ends = [*range(size, count, size), count]
        yield from ((row.tokens[:end], end == count) for end in ends)
        return
    mute = row.embedding(torch.tensor([MUTE]))
    alike = functional.cosine_similarity(row.embedding(torch.tensor(row.tokens)), mute)
    sent: list[int] = []
    begin = 0
    for end in range(1, count + 1):
        if end - begin < size + 2:
            continue
        score = alike[begin:end].clone()
        score[score < 0] = -1
        score[:-1] += score[1:].clone()
        best = int(score.argmax())
        if score[best] >= 0 and best + 1 >= size:
            sent = sent + row.tokens[begin:end]
            yield sent, False
            begin += best + 1  # all was sent, but the reference goes on from the split
    if begin < count:
        yield sent + row.tokens[begin:], True


def _joined(before: Tensor, sound: Tensor, held: int) -> Tensor:
    """`sound` moved to where it matches the held-back end of `before` best, and faded over from it."""
    tail, head = before[-held:], sound[: held + SEARCH]
    match = functional.conv1d(head[None, None], tail[None, None]).flatten()
    power = functional.conv1d(head.square()[None, None], torch.ones(1, 1, held)).flatten() + 1e-8
    sound = sound[int((match / power.sqrt()).argmax()) :].clone()
    window = torch.hann_window(2 * held)
    sound[:held] = window[:held] * sound[:held] + window[held:] * tail
    return sound
