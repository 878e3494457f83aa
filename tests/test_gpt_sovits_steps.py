"""Steps of fixed sizes, recorded and played again: as on a GPU, and what can be known of it without one."""

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
from tests.gpt_sovits_models import T2S_CONFIG, t2s_weights

GREEDY = Sampling(top_k=1)
MIXED = [GREEDY, Sampling(), Sampling(top_p=0.8, temperature=0.7), Sampling(top_k=3, repetition_penalty=1.0)]


class Replay:
    """The operations that `work` did, on the very tensors it did them on; no Python of ours runs again."""

    def __init__(self, work):
        self._graph = make_fx(lambda: work())()

    def replay(self):
        self._graph()


class Recorder:
    """Makes them, and counts what was tried and recorded. Where a GPU would only note, this works."""

    def __init__(self, changed):
        self.recorded, self._changed = 0, changed

    def __call__(self, work, rehearse):
        self.recorded += 1
        rehearse()
        before = [tensor.clone() for tensor in self._changed()]
        made = Replay(work)
        for tensor, kept in zip(self._changed(), before, strict=True):
            tensor.copy_(kept)
        return made


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
    recorder = Recorder(lambda: decoder._rows.tensors())
    decoder = Decoder(net, rows, Graphs(recorder))
    return decoder, recorder


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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
    graphs = Graphs(lambda work, rehearse: made.append(1) or Again(work), most=2)
    for key in ((1, 1), (2, 1), (1, 1), (4, 1), (1, 1), (2, 1)):
        graphs.run(key, lambda: None, [])
    assert len(made) == 4
    assert set(graphs._kept) == {(1, 1), (2, 1)}


class Again:
    """What was "recorded" by keeping it."""

    def __init__(self, work):
        self.replay = work


def test_a_rehearsal_leaves_everything_as_it_was(net):
    rows, cache = Rows.empty(2, net.sizes.tokens, net.device), net.cache(2, 32)
    rows.seat(0, torch.tensor([3, 4]), 7, 0, GREEDY)
    before = [tensor.clone() for tensor in rows.tensors()]
    seen = []

    def record(work, rehearse):
        rehearse()
        seen.extend(torch.equal(*pair) for pair in zip(before, rows.tensors(), strict=True))
        return Again(work)

    Graphs(record).run((2, 16), lambda: step(net, cache, rows, 16), rows.tensors())
    assert len(seen) == len(before)
    assert all(seen)
    assert not torch.equal(before[0], rows.token)  # played, it went on


@pytest.mark.slow
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
