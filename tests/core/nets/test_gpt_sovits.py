"""The networks' second ways: sound from a stream, packed matrices, layers left out."""

import pytest

pytest.importorskip("torch")

import torch

from core.nets.gpt_sovits.generator import GeneratorStream
from core.nets.gpt_sovits.linear import Linear
from core.nets.gpt_sovits.sovits import Synthesizer
from core.nets.gpt_sovits.t2s import Text2Semantic
from core.nets.weights import fold_weight_norm
from tests.support.bfloat16 import needs_bfloat16
from tests.support.gpt_sovits_models import T2S_CONFIG, sovits_weights, t2s_weights

pytestmark = pytest.mark.slow  # torch alone takes seconds to import


@pytest.fixture(scope="module", params=["as torch has it", "packed"])
def net(request):
    net = Synthesizer.from_checkpoint(sovits_weights(), {})
    if request.param == "packed":
        net.dec.pack()
    return net


@pytest.mark.parametrize("pieces", [[40], [1] * 40, [13, 1, 2, 24], [5, 0, 35], [39, 1], [40, 0]])
def test_cut_the_latents_anywhere_and_the_sound_is_the_same(net, pieces):
    latents = torch.randn(1, net.latent, 40, generator=torch.Generator().manual_seed(1))
    voice = torch.randn(1, 32, 1, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        whole = net.dec(latents, voice)
        stream = GeneratorStream(net.dec, voice)
        parts = latents.split(pieces, dim=2)
        sound = torch.cat([stream.push(part, k == len(parts) - 1) for k, part in enumerate(parts)])
    assert whole.shape == sound.shape == (40 * 640,)
    assert float(whole.std()) > 1e-3
    assert float((sound - whole).abs().max()) < 1e-5


def test_a_stream_gives_sound_as_soon_as_the_generators_reach_allows(net):
    stream = GeneratorStream(net.dec, torch.zeros(1, 32, 1))
    with torch.inference_mode():
        given = [len(stream.push(torch.zeros(1, net.latent, 1), False)) / 640 for _ in range(40)]
    assert 40 - sum(given) < 12  # frames it holds back
    assert max(given) <= 1


def test_a_weight_norm_pair_is_folded_along_whichever_axis_its_gain_says():
    direction = torch.randn(6, 4, 5)
    for shape, axes in (((6, 1, 1), (1, 2)), ((1, 1, 5), (0, 1))):
        gain = torch.rand(shape)
        folded = fold_weight_norm({"a.weight_v": direction, "a.weight_g": gain, "a.bias": torch.ones(6)})
        assert set(folded) == {"a.weight", "a.bias"}
        torch.testing.assert_close(folded["a.weight"].norm(dim=axes, keepdim=True), gain)


def test_a_checkpoint_that_lacks_a_key_or_has_one_too_many_is_refused():
    weights = sovits_weights()
    with pytest.raises(RuntimeError, match="Missing key"):
        Synthesizer.from_checkpoint({k: v for k, v in weights.items() if k != "enc_p.proj.bias"}, {})
    with pytest.raises(RuntimeError, match="Unexpected key"):
        Synthesizer.from_checkpoint({**weights, "dec.extra": torch.zeros(1)}, {})
    Synthesizer.from_checkpoint({**weights, "enc_q.pre.weight": torch.zeros(1)}, {})


@pytest.mark.parametrize(
    ("precision", "share"),
    [("float32", 1e-6), pytest.param("bfloat16", 8e-3, marks=needs_bfloat16), ("int8", 1.2e-2)],
)
@pytest.mark.parametrize("rows", [1, 4, 70])
def test_a_packed_matrix_multiplies_as_before_within_its_precision(precision, share, rows):
    generator = torch.Generator().manual_seed(3)
    plain, packed = Linear(64, 96), Linear(64, 96)
    for layer in (plain, packed):
        generator.manual_seed(3)
        layer.weight.data.normal_(generator=generator)
        layer.bias.data.normal_(generator=generator)
    packed.pack(precision)
    x = torch.randn(2, rows, 64, generator=generator)
    for relu in (False, True):
        with torch.inference_mode():
            wanted, got = plain(x, relu=relu), packed(x, relu=relu)
        assert got.shape == wanted.shape
        assert float((got - wanted).abs().max()) <= share * float(wanted.abs().max())
    assert packed.nbytes == {"float32": 4, "bfloat16": 2, "int8": 1}[precision] * 64 * 96


def test_an_unknown_precision_is_refused():
    with pytest.raises(ValueError, match="float32, bfloat16 or int8"):
        Linear(4, 4).pack("int4")


def test_rows_of_different_length_do_not_see_each_other():
    net = Text2Semantic.from_checkpoint(t2s_weights(), T2S_CONFIG)
    generator = torch.Generator().manual_seed(4)
    texts = [torch.randint(0, 732, (n,), generator=generator) for n in (5, 19, 11)]
    prompt = torch.randint(0, 1024, (6,), generator=generator)
    together, lengths = net.cache(3, 40), [len(text) + 6 for text in texts]
    alone = []
    for row, text in enumerate(texts):
        bert = torch.randn(1024, len(text), generator=generator)
        net.prefill(text, bert, prompt, together, row)
        single = net.cache(1, 40)
        net.prefill(text, bert, prompt, single, 0)
        numbers = (torch.tensor([n]) for n in (7, 6, lengths[row]))
        alone.append(net.step(*numbers, single, lengths[row] + 1)[0])
    got = net.step(*torch.tensor([[7] * 3, [6] * 3, lengths]), together, 32)
    torch.testing.assert_close(got, torch.stack(alone), atol=1e-5, rtol=0)


def test_only_the_layers_of_bert_that_are_used_are_kept_and_they_give_the_same():
    bert = pytest.importorskip("core.nets.gpt_sovits.bert", exc_type=(ImportError, RuntimeError))
    from transformers import BertConfig, BertForMaskedLM

    sizes = {"vocab_size": 50, "hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 1}
    config = {**sizes, "intermediate_size": 64, "max_position_embeddings": 64}
    torch.manual_seed(5)
    full = BertForMaskedLM(BertConfig(**config)).eval()
    ids, word2ph = torch.randint(0, 50, (6,)), [2, 1, 3, 2]
    with torch.inference_mode():
        hidden = full(ids[None], output_hidden_states=True).hidden_states[-3][0, 1:-1]
    ours = bert.Bert.from_checkpoint(full.state_dict())
    assert len(ours.net.encoder.layer) == 2
    wanted = hidden.repeat_interleave(torch.tensor(word2ph), dim=0).T
    torch.testing.assert_close(ours(ids, word2ph), wanted, atol=1e-5, rtol=0)
