"""GPT-SoVITS: every network, token decoding, and the reference's own request and streaming loops.

<v>_sovits_keys.json, <v>_sovits_config.json   of v1, v2, v2Pro, v2ProPlus
<v>_t2s_keys.json, <v>_t2s_config.json         of v1 and v2 (which serves every later version)
sv_keys.json, cnhubert_keys.json, recipe_scale.json, recipe_checksums.json
*.npz, *.json                                  cases, told apart by their names; see README.md there
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core.engines.gpt_sovits.decoder import Decoder, Request, Row
from core.engines.gpt_sovits.sampling import Sampling, penalised, probabilities
from core.engines.gpt_sovits.ways import WAYS, Build
from core.nets.gpt_sovits.sovits import Synthesizer
from core.nets.gpt_sovits.speaker import SpeakerNet, filter_bank
from core.nets.gpt_sovits.t2s import Text2Semantic
from core.nets.gpt_sovits.voice import spectrogram
from tests.parity import Check, close, exact, gpt_sovits_text, guarded, keys_of, recipe_for
from tests.parity._gpt_sovits_runs import Case, check_run, streamed

MANY = 1 << 20  # a limit that is never reached


def fits(folder: Path) -> bool:
    return any(folder.glob("*_sovits_keys.json")) or any(folder.glob("*_t2s_keys.json"))


def checks(folder: Path) -> Iterator[Check]:
    yield from gpt_sovits_text.checks(folder)
    nets = Nets(folder)
    yield from nets.checksums()
    yield from _cases(folder, nets, "*.npz")
    for way, build in WAYS["float32"].items():
        for made in _cases(folder, Nets(folder, build), "*_t2s_*.npz"):
            yield replace(made, name=f"{made.name} by {way}")


def _cases(folder: Path, nets: "Nets", pattern: str) -> Iterator[Check]:
    for path in sorted(folder.glob(pattern)):
        check = next((check for mark, check in CASES.items() if mark in path.stem), None)
        if check is None:
            yield Check(path.stem, float("nan"), 0.0, "no case of a known kind")
            continue
        with np.load(path) as case, torch.inference_mode():
            for made in guarded("case", check(nets, path.stem, case)):
                yield Check(f"{path.stem} {made.name}", made.error, made.tolerance, made.note)


class Nets:
    """The networks of a folder, made when first needed; of each kind the last one is kept. build: of T2S."""

    def __init__(self, folder: Path, build: Build = Text2Semantic.from_checkpoint) -> None:
        self.folder, self._build = folder, build
        self._recipe = recipe_for(folder)
        scales = folder / "recipe_scale.json"
        self._scales = json.loads(scales.read_text()) if scales.is_file() else {}
        self.sovits = lru_cache(1)(self._sovits)
        self._talker = lru_cache(1)(self._t2s)

    def weights(self, file: str, scale: str = "") -> dict[str, Tensor]:
        built: dict[str, Tensor] = self._recipe.build(
            keys_of(self.folder, file), scale=self._scales.get(scale, ())
        )
        return built

    def t2s(self, version: str, source: int | None = None, factor: float = 1.0) -> Text2Semantic:
        """source, factor: as `eos_row_source` and `eos_row_factor` of a case say."""
        return self._talker("v1" if version == "v1" else "v2", source, factor)

    def checksums(self) -> Iterator[Check]:
        path = self.folder / "recipe_checksums.json"
        for file, wanted in json.loads(path.read_text()).items() if path.is_file() else []:
            scale = "t2s" if "t2s" in file else "cnhubert" if "cnhubert" in file else ""
            if (self.folder / file).is_file():
                yield exact(f"{file} weights", self._recipe.checksum(self.weights(file, scale)), wanted)

    def _sovits(self, version: str) -> Synthesizer:
        config = json.loads((self.folder / f"{version}_sovits_config.json").read_text())
        net = Synthesizer.from_checkpoint(self.weights(f"{version}_sovits_keys.json"), config)
        net.dec.pack()
        return net

    def _t2s(self, version: str, source: int | None, factor: float) -> Text2Semantic:
        weights = self.weights(f"{version}_t2s_keys.json", "t2s")
        if source is not None:
            head = weights["model.ar_predict_layer.weight"].clone()
            head[-1] = head[source] * factor
            weights["model.ar_predict_layer.weight"] = head
        config = json.loads((self.folder / f"{version}_t2s_config.json").read_text())["config"]
        return self._build(weights, config)

    def speaker(self) -> SpeakerNet:
        return SpeakerNet.from_checkpoint(self.weights("sv_keys.json"))

    def hubert(self) -> torch.nn.Module:
        from core.nets.gpt_sovits.hubert import Hubert

        return Hubert.from_checkpoint(self.weights("cnhubert_keys.json", "cnhubert"))


def tensor(case: Case, key: str) -> Tensor:
    """Stored float16 counts as the float32 of the same value."""
    value = torch.from_numpy(case[key])
    return value.float() if value.is_floating_point() else value


def voice_of(net: Synthesizer, case: Case) -> Tensor:
    """The voice vector of a case's references."""
    spectrograms = [tensor(case, key)[0] for key in case if key.startswith("refer_")]
    speakers = [tensor(case, key)[0] for key in case if key.startswith("sv_emb_")]
    return net.voice(spectrograms, speakers)


def version_of(name: str) -> str:
    return next(part for part in name.split("_") if part.startswith("v"))


def _spectrogram(nets: Nets, name: str, case: Case) -> Iterator[Check]:
    yield close("spec", spectrogram(tensor(case, "wave_int16").float() / 32768), case["spec"], 1e-3)


def _latent(nets: Nets, name: str, case: Case) -> Iterator[Check]:
    net = nets.sovits("v2")
    features = tensor(case, "ssl")
    yield exact("codes", net.prompt(features), case["codes"][0, 0])
    yield close("proj_head", net.ssl_proj(features)[:, :16], case["proj_head"], 1e-4)


def _decode(nets: Nets, name: str, case: Case) -> Iterator[Check]:
    net = nets.sovits(version_of(name))
    voice = voice_of(net, case)
    yield close("ge", voice, case["ge"], 5e-4)
    codes, phones = tensor(case, "codes")[0, 0], tensor(case, "text")[0]
    speed = round(float(case["speed"]), 6)
    mean, deviation = net.prior(codes, net.enc_p.text(phones), voice, speed)
    yield close("m_p", mean, case["m_p"], 1e-4)
    yield close("logs_p", deviation, case["logs_p"], 1e-4)
    if "z" in case:
        yield close("z", net.flow(mean, voice), case["z"], 3e-4)
    yield close("wave", net.decode(codes, phones, voice, 0.0, speed), case["wave"], 1e-4)


def _decode_streaming(nets: Nets, name: str, case: Case) -> Iterator[Check]:
    net = nets.sovits(version_of(name))
    voice = voice_of(net, case)
    phones, codes = tensor(case, "text")[0], tensor(case, "codes")[0, 0]
    first, overlap = int(case["first_tokens"]), int(case["overlap_tokens"])
    sound, latents = streamed(net, codes[:first], phones, voice)
    yield close("chunk1", sound, case["chunk1"], 1e-4)
    tail = latents[:, :, -2 * overlap :]
    yield close("latent1_tail", tail, case["latent1_tail"], 3e-4)
    sound, latents = streamed(net, codes, phones, voice, len(codes) - first + overlap, tail)
    yield close("latent2", latents, case["latent2"], 3e-4)
    yield close("chunk2", sound, case["chunk2"], 1e-4)


def request_of(case: Case, suffix: str, limit: int) -> Request:
    """A greedy request. limit: of generated tokens."""
    prompt = case["prompt"][0].tolist() if "prompt" in case else []
    penalty = float(case["repetition_penalty"]) if "repetition_penalty" in case else 1.0
    greedy = Sampling(top_k=1, repetition_penalty=penalty)
    phones, bert = tensor(case, f"phones{suffix}")[0], tensor(case, f"bert{suffix}")[0]
    return Request(phones, bert, tuple(prompt), limit, 0, greedy)


def decoded(net: Text2Semantic, requests: list[Request]) -> list[Row]:
    """All of them at once, to their ends."""
    decoder = Decoder(net, len(requests))
    rows = [decoder.join(request) for request in requests]
    while not all(row.done for row in rows):
        decoder.step()
    return rows


def _teacher(nets: Nets, name: str, case: Case) -> Iterator[Check]:
    net = nets.t2s(version_of(name))
    phones, prompt = tensor(case, "phones")[0], tensor(case, "prompt")[0]
    places = len(phones) + len(prompt)
    cache = net.cache(1, places + len(case["forced_tokens"]))
    logits = [net.prefill(phones, tensor(case, "bert")[0], prompt, cache, 0)]
    for k, token in enumerate(case["forced_tokens"].tolist()):
        last, place, length = (torch.tensor([n]) for n in (token, len(prompt) + k, places + k))
        logits.append(net.step(last, place, length, cache, places + k + 1)[0])
    yield close("logits", torch.stack(logits)[tensor(case, "steps")], case["logits"], 1e-4)


def _greedy(nets: Nets, name: str, case: Case) -> Iterator[Check]:
    source = int(case["eos_row_source"]) if "eos_row_source" in case else None
    factor = float(case["eos_row_factor"]) if "eos_row_factor" in case else 1.0
    net = nets.t2s(version_of(name), source, factor)
    # As published, a sentence is stopped once it has more tokens than the number says.
    limit = int(case["early_stop_num"]) + 1
    row = decoded(net, [request_of(case, "", limit)])[0]
    yield exact("tokens", [*row.request.prompt, *row.tokens], case["tokens"])
    index = len(row.tokens) if row.ended else len(row.tokens) - 1
    if len(row.request.prompt):
        yield exact("idx", index, case["idx"])
        yield exact("semantic", row.tokens[-index:], case["semantic"])


def _batch(nets: Nets, name: str, case: Case) -> Iterator[Check]:
    limit = int(case["early_stop_num"])  # in a batch the token that was too many is dropped
    suffixes = [key[6:] for key in case if key.startswith("phones")]
    rows = decoded(nets.t2s(version_of(name)), [request_of(case, suffix, limit) for suffix in suffixes])
    for suffix, row in zip(suffixes, rows, strict=True):
        yield exact(f"tokens{suffix}", [*row.request.prompt, *row.tokens], case[f"tokens{suffix}"])
    yield exact("idx", [len(row.tokens) for row in rows], case["idx"])


def _sampling(nets: Nets, name: str, case: Case) -> Iterator[Check]:
    for k in range(sum(key.startswith("logits_") for key in case)):
        top_k, top_p, temperature, penalty = tensor(case, f"params_{k}").float()[:, None]
        logits = tensor(case, f"logits_{k}")[:1]
        seen = torch.zeros(logits.shape, dtype=torch.bool)
        seen[0, tensor(case, f"previous_{k}")[0]] = True
        logits = penalised(logits, seen, penalty)
        yield close(f"penalised_logits_{k}", logits[0], case[f"penalised_logits_{k}"][0], 1e-6)
        got = probabilities(logits, top_k.long(), top_p, temperature)[0]
        wanted = case[f"probs_{k}"][0]
        yield close(f"probs_{k}", got, wanted, 1e-6)
        yield exact(f"support_{k}", got > 0, wanted > 0)


def _speaker(nets: Nets, name: str, case: Case) -> Iterator[Check]:
    samples = tensor(case, "wave_int16_16k").float() / 32768
    yield close("fbank", filter_bank(samples), case["fbank"], 1e-3)
    yield close("emb", nets.speaker()(samples), case["emb"], 2e-3)


def _hubert(nets: Nets, name: str, case: Case) -> Iterator[Check]:
    samples = tensor(case, "wave_int16_16k").float() / 32768
    yield close("last_hidden_state", nets.hubert()(samples)[0].T, case["last_hidden_state"], 3e-4)


def _end_to_end(nets: Nets, name: str, case: Case) -> Iterator[Check]:
    net = nets.sovits(version_of(name))
    at_16 = tensor(case, "wave_int16_16k").float() / 32768
    prompt = net.prompt(nets.hubert()(torch.cat([at_16, at_16.new_zeros(9600)])))
    yield exact("prompt_semantic", prompt, case["prompt_semantic"])
    phones, bert = (
        torch.cat([tensor(case, f"prompt_{what}"), tensor(case, f"text_{what}")], dim=-1)
        for what in ("phones", "bert")
    )
    greedy = Sampling(top_k=1, repetition_penalty=float(case["repetition_penalty"]))
    limit = int(case["early_stop_num"]) + 1
    request = Request(phones, bert, tuple(prompt.tolist()), limit, 0, greedy)
    row = decoded(nets.t2s(version_of(name)), [request])[0]
    yield exact("tokens", [*prompt.tolist(), *row.tokens], case["tokens"])
    semantic = row.tokens[-int(case["idx"]) :]
    yield exact("semantic", semantic, case["semantic"])
    style = spectrogram(tensor(case, "wave_int16_32k").float() / 32768)
    speakers = [tensor(case, "sv_emb")] if "sv_emb" in case else []
    voice = net.voice([style], speakers)
    yield close(
        "wave", net.decode(torch.tensor(semantic), tensor(case, "text_phones"), voice), case["wave"], 1e-4
    )


def _run(nets: Nets, name: str, case: Case) -> Iterator[Check]:
    settings: Mapping[str, Any] = json.loads(str(case["settings"]))
    net = nets.sovits(version_of(name))
    talker = nets.t2s(version_of(name), settings.get("eos_row_source"), settings.get("eos_row_factor", 1.0))
    yield from check_run(net, talker, voice_of(net, case), case, settings)


# By a part of a case's name; the first that is in it.
CASES: dict[str, Callable[[Nets, str, Case], Iterator[Check]]] = {
    "run_": _run,
    "e2e_": _end_to_end,
    "spectrogram": _spectrogram,
    "latent": _latent,
    "_decode_streaming": _decode_streaming,
    "_decode": _decode,
    "_t2s_teacher": _teacher,
    "_t2s_batch": _batch,
    "_t2s_": _greedy,
    "t2s_sampling": _sampling,
    "cnhubert": _hubert,
    "sv_": _speaker,
}
