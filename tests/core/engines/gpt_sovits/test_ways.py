"""However T2S is run, it comes to the same tokens; the quickest way is taken."""

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

import torch

from core.engines.compute.quickest import quickest, remembered
from core.engines.gpt_sovits.decoder import Decoder, Request
from core.engines.gpt_sovits.graph import Graph
from core.engines.gpt_sovits.sampling import Sampling
from core.engines.gpt_sovits.ways import WAYS, quickest_talker
from core.errors import Error
from core.nets.gpt_sovits.t2s import Stack, Text2Semantic
from tests.support.gpt_sovits_models import T2S_CONFIG, t2s_weights


@pytest.fixture(scope="module")
def plain():
    return Text2Semantic.from_checkpoint(t2s_weights(), T2S_CONFIG, None)


@pytest.fixture(scope="module", params=["onnxruntime", "torch", "onnxruntime int8", "torch int8"])
def way(request):
    """A network, and how far its logits may be from plain ones, of their deviation."""
    build = {**WAYS["float32"], **WAYS["fast"]}[request.param]
    return build(t2s_weights(), T2S_CONFIG), 0.1 if "int8" in request.param else 1e-5


def requests(lengths=(5, 19, 11), prompt=6, limit=60, top_k=1):
    generator = torch.Generator().manual_seed(4)
    for seed, n in enumerate(lengths):
        phones = torch.randint(0, 732, (n,), generator=generator)
        tokens = tuple(torch.randint(0, 1024, (prompt,), generator=generator).tolist())
        bert = torch.randn(1024, n, generator=generator)
        yield Request(phones, bert, tokens, limit, seed, Sampling(top_k=top_k))


def logits(net, prompt):
    """Of three sentences of different length: the first, then three more in steps of all."""
    cache, made, lengths = net.cache(4, 40), [], []
    for row, wanted in enumerate(requests(prompt=prompt)):
        tokens = torch.tensor(wanted.prompt, dtype=torch.int64)
        made.append(net.prefill(wanted.phones, wanted.bert, tokens, cache, row))
        lengths.append(len(wanted.phones) + prompt)
    for k in range(3):
        numbers = torch.tensor([[7, 8, 9 + k], [prompt + k] * 3, [length + k for length in lengths]])
        made.extend(net.step(*numbers, cache, 32))
    return torch.stack(made)


@pytest.mark.parametrize("prompt", [0, 6])
def test_logits_are_those_of_plain_layers(plain, way, prompt):
    net, share = way
    wanted, got = logits(plain, prompt), logits(net, prompt)
    assert float((got - wanted).abs().max()) < share * 5 * float(wanted.std())


def decoded(net, wanted, together):
    decoder, tokens = Decoder(net, 4), []
    for group in [wanted] if together else [[one] for one in wanted]:
        rows = [decoder.join(request) for request in group]
        while not all(row.done for row in rows):
            decoder.step()
        assert not any(row.error for row in rows)
        tokens += [row.tokens for row in rows]
    return tokens


def test_sentences_get_the_same_tokens_alone_and_together_past_where_the_cache_grows(plain):
    net = WAYS["float32"]["onnxruntime"](t2s_weights(), T2S_CONFIG)
    wanted = list(requests(top_k=15))
    made = decoded(plain, wanted, together=False)
    assert max(map(len, made)) == 60  # and the first cache has 64 positions
    assert decoded(net, wanted, together=False) == made
    assert decoded(net, wanted, together=True) == made


def test_a_sentence_that_comes_to_no_number_hurts_no_other(plain):
    net = WAYS["float32"]["onnxruntime"](t2s_weights(), T2S_CONFIG)
    good, bad, *_ = requests(limit=20)
    bad = Request(bad.phones, bad.bert * torch.nan, bad.prompt, 20, 0, bad.sampling)
    decoder = Decoder(net, 4)
    first, second = decoder.join(bad), decoder.join(good)
    while not second.done:
        decoder.step()
    assert "not finite" in str(first.error)
    assert second.tokens == decoded(plain, [good], together=True)[0]


def test_the_graph_holds_the_weights_alone(plain):
    net = WAYS["float32"]["onnxruntime"](t2s_weights(), T2S_CONFIG)
    assert net.bytes() == plain.bytes()
    assert [name for name in net.state_dict() if ".layers." in name] == []
    assert isinstance(net.body, Graph)
    small = WAYS["fast"]["onnxruntime int8"](t2s_weights(), T2S_CONFIG)
    assert small.body.nbytes < 0.4 * net.body.nbytes  # inner layers of 48 are filled up to 64


def test_the_quickest_way_is_asked_for_once_and_kept(tmp_path):
    file = tmp_path / "quickest.json"
    nets = [quickest_talker(t2s_weights(), T2S_CONFIG, "fast", file) for _ in range(2)]
    (work, timed), *others = remembered(file).items()
    assert not others
    assert work == "GPT-SoVITS, a token, fast, width 32"
    assert set(timed) == {"onnxruntime", "onnxruntime int8", "torch int8"}
    assert type(nets[0].body) is type(nets[1].body)


def test_without_a_place_to_keep_the_answer_nothing_is_timed():
    assert not isinstance(quickest_talker(t2s_weights(), T2S_CONFIG, "float32", None).body, Graph)


def test_without_room_for_temporary_files_torch_runs_the_layers(tmp_path, monkeypatch):
    file = tmp_path / "quickest.json"
    quickest(
        "GPT-SoVITS, a token, float32, width 32", {"onnxruntime": lambda: list, "torch": lambda: list}, file
    )
    assert isinstance(quickest_talker(t2s_weights(), T2S_CONFIG, "float32", file).body, Graph)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "full"))
    with pytest.raises(Error, match=r"temporary files cannot be written .*set TMPDIR"):
        WAYS["float32"]["onnxruntime"](t2s_weights(), T2S_CONFIG)
    for kept in (file, tmp_path / "another.json"):
        assert isinstance(quickest_talker(t2s_weights(), T2S_CONFIG, "float32", kept).body, Stack)
    assert set(next(iter(remembered(tmp_path / "another.json").values()))) == {"torch"}
