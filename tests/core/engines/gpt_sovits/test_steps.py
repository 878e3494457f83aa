"""Steps of fixed sizes, recorded and played again: as on a GPU, and what can be known of it without one."""

import copy

import pytest

pytest.importorskip("torch")

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._python_dispatch import TorchDispatchMode

from core.engines.gpt_sovits.decoder import Decoder, Request
from core.engines.gpt_sovits.player import Graphs
from core.engines.gpt_sovits.sampling import Sampling
from core.engines.gpt_sovits.step import Rows, step
from core.nets.gpt_sovits.t2s import Text2Semantic, sizes_of
from tests.support.fake_cuda import fake_device
from tests.support.gpt_sovits_models import T2S_CONFIG, t2s_weights

pytestmark = pytest.mark.slow  # torch alone takes seconds to import

GREEDY = Sampling(top_k=1)
MIXED = [GREEDY, Sampling(), Sampling(top_p=0.8, temperature=0.7), Sampling(top_k=3, repetition_penalty=1.0)]


class Recorder:
    """Records operations on the very tensors they are done on; to repeat them no Python of ours runs."""

    def __init__(self):
        self.recorded = 0

    def __call__(self, work, beside):
        self.recorded += 1
        work()
        return make_fx(lambda: work())()


@pytest.fixture(scope="module")
def net():
    return Text2Semantic.from_checkpoint(t2s_weights(), T2S_CONFIG, None)


def request(seed, phones, prompt, limit, sampling):
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(0, 732, (phones,), generator=generator)
    bert = torch.randn(1024, phones, generator=generator)
    tokens = tuple(torch.randint(0, 1024, (prompt,), generator=generator).tolist())
    return Request(ids, bert, tokens, limit, seed, sampling)


def alone(net, wanted):
    decoder = Decoder(net)
    row = decoder.join(wanted)
    while not row.done:
        decoder.step()
    return row.tokens


def recording(net, rows=4):
    """A decoder that works as on a GPU, and what records for it."""
    recorder = Recorder()
    return Decoder(net, rows, Graphs(recorder)), recorder


def test_recorded_steps_give_each_sentence_the_tokens_it_has_alone_whoever_comes_and_goes(net):
    wanted = [request(k, 6 + 5 * k, 4 + 3 * k, 18 + 7 * k, MIXED[k % 4]) for k in range(7)]
    single = [alone(net, one) for one in wanted]
    decoder, recorder = recording(net)
    rows, gone = [], {1: 9, 4: 22}  # who is cancelled, after which step
    for number in range(110):
        if number % 3 == 0 and len(rows) < len(wanted):
            rows.append(decoder.join(wanted[len(rows)]))
        decoder.step()
        for k, last in gone.items():
            if number == last:
                decoder.leave(rows[k])
    for k, row in enumerate(rows):
        assert row.done or k in gone
        assert row.tokens == single[k][: len(row.tokens)]
        assert len(row.tokens) == len(single[k]) or k in gone
        assert row.tokens
    assert decoder.active == 0
    assert recorded_keys(decoder) <= {(rows, 128) for rows in (1, 2, 4)}
    assert recorder.recorded == len(recorded_keys(decoder))


def recorded_keys(decoder):
    return set(decoder._player._kept)


def test_a_step_that_was_begun_for_nobody_harms_nobody(net):
    first, second = request(1, 9, 5, 40, GREEDY), request(2, 14, 3, 20, Sampling())
    decoder, _ = recording(net)
    row = decoder.join(first)
    for _ in range(5):
        decoder.step()
    decoder.leave(row)  # its next token is being made
    other = decoder.join(second)
    while not other.done:
        decoder.step()
    assert other.tokens == alone(net, second)
    assert len(row.tokens) == 5


def test_a_cache_that_grows_makes_recordings_anew(net):
    wanted = request(3, 200, 250, 90, GREEDY)
    decoder, recorder = recording(net, rows=1)
    row = decoder.join(wanted)
    while not row.done:
        decoder.step()
    assert row.tokens == alone(net, wanted)
    assert recorder.recorded == 2  # up to 512 positions, and up to 640 in a cache of 1024
    assert recorded_keys(decoder) == {(1, 640)}


def test_recordings_are_bounded_and_the_one_not_used_for_longest_goes():
    made = []
    graphs = Graphs(lambda work, beside: made.append(beside) or work, most=2)
    for key in ((1, 1), (2, 1), (1, 1), (4, 1), (1, 1), (2, 1)):
        graphs.run(key, lambda: None, Rows.empty(1, 4, torch.device("cpu")))
    assert [beside is None for beside in made] == [True, False, False, False]
    assert set(graphs._kept) == {(1, 1), (2, 1)}


def test_what_is_tried_before_it_is_recorded_takes_no_sentence_further(net):
    rows, cache = Rows.empty(2, net.sizes.tokens, net.device), net.cache(2, 16)
    rows.seat(0, torch.tensor([3, 4]), 15, 0, GREEDY)  # there is room for one more position, not for two
    before = [tensor.clone() for tensor in rows.tensors()]
    with rows.still():
        for _ in range(3):
            step(net, cache, rows, 16)
    assert all(torch.equal(*pair) for pair in zip(before, rows.tensors(), strict=True))
    step(net, cache, rows, 16)
    assert rows.length.tolist() == [16, 0]


def test_on_a_gpu_that_is_not_there_sentences_come_out_as_on_the_cpu(net):
    """Its streams, its pinned memory and its recordings are watched: who has not waited for what is found."""
    wanted = [request(k, 9 + 4 * k, 5 + k, 20 + 6 * k, MIXED[k % 4]) for k in range(4)]
    single = [alone(net, one) for one in wanted]
    with fake_device() as world:
        there = copy.deepcopy(net).to("cuda:0")
        decoder, rows = Decoder(there, 4), []
        for number in range(60):
            if number % 5 == 0 and len(rows) < len(wanted):
                rows.append(decoder.join(wanted[len(rows)]))
            if number == 17:
                decoder.leave(rows[1])
            decoder.step()
        assert world.calls["replay"] > 40
        assert world.calls["event"] <= 2 * world.calls["replay"] + len(
            rows
        )  # one of ours a step, one of a graph
        assert world.modes == {"thread_local"}
    for k, row in enumerate(rows):
        assert row.tokens == single[k][: len(row.tokens)]
        assert row.done or k == 1


def test_who_failed_leaves_nothing_behind_for_the_next_in_its_place(net):
    """A masked position still takes part as nought times its value, which is not nought for NaN."""
    bad = request(1, 40, 5, 30, GREEDY)
    bad.bert[:, 3] = torch.nan
    good, long = request(2, 8, 4, 20, GREEDY), request(3, 60, 5, 60, GREEDY)
    single = alone(net, good)
    for decoder in (recording(net)[0], Decoder(net, 4)):
        beside = decoder.join(long)
        sick = decoder.join(bad)
        decoder.step()
        assert sick.error is not None
        row = decoder.join(good)
        while not (row.done and beside.done):
            decoder.step()
        assert row.tokens == single


AWAY = "meta"  # stands in for a GPU: the device of tensors without values; "cuda" needs its libraries


class Traffic(TorchDispatchMode):
    """Notes what touches another device, or looks at a value."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        given = [x for x in (*args, *(kwargs or {}).values()) if isinstance(x, torch.Tensor)]
        if func in (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default) or any(
            x.device.type != AWAY for x in [*given, made] if isinstance(x, torch.Tensor)
        ):
            self.seen.append(str(func))
        return made


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_nothing_in_a_step_leaves_the_gpu_or_waits_for_it(dtype):
    """With tensors elsewhere and without values: an operation across devices or a look at one raises."""
    sizes = sizes_of(t2s_weights(), T2S_CONFIG)
    with FakeTensorMode():
        with torch.device("meta"):
            net = Text2Semantic(sizes)
        shapes = {name: x.shape for name, x in net.state_dict().items()}
        weights = {name: torch.empty(shape, dtype=dtype, device=AWAY) for name, shape in shapes.items()}
        net.load_state_dict(weights, assign=True)
        cache = net.cache(4, 256)
        rows = Rows.empty(4, net.sizes.tokens, net.device)
        step(net, cache, rows, 128)  # makes what is made once: the table of positions
        with Traffic() as traffic:
            step(net, cache, rows, 128)
        assert rows.drawn.device.type == AWAY
    assert traffic.seen == []
