"""Tokens of many sentences at once, their sound piece by piece, and what happens when either goes wrong."""

from collections import Counter

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from core.engines.gpt_sovits.decoder import Decoder, Request
from core.engines.gpt_sovits.sampling import Sampling, draw
from core.engines.gpt_sovits.step import EARLIEST_END
from core.engines.gpt_sovits.utterance import TRIES, Pace, utter
from core.engines.gpt_sovits.vocoder import AHEAD, LATER, Vocoder, length, stops
from core.errors import Error
from core.nets.gpt_sovits.sovits import Synthesizer
from core.nets.gpt_sovits.t2s import Text2Semantic
from tests.support.gpt_sovits_models import T2S_CONFIG, sovits_weights, t2s_weights

pytestmark = pytest.mark.slow  # torch alone takes seconds to import

SEEDS = torch.Generator().manual_seed(11)
PHONES = torch.randint(0, 732, (12,), generator=SEEDS)
VOICE = torch.randn(1, 32, 1, generator=SEEDS)


@pytest.fixture(scope="module")
def talker():
    return Text2Semantic.from_checkpoint(t2s_weights(), T2S_CONFIG)


@pytest.fixture(scope="module")
def ending():
    """One that ends its sentences, some token after the earliest."""
    return Text2Semantic.from_checkpoint(t2s_weights(ends_like=7), T2S_CONFIG)


@pytest.fixture(scope="module")
def singer():
    return Synthesizer.from_checkpoint(sovits_weights(), {})


def request(seed, phones=14, prompt=9, limit=30, sampling=None):
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(0, 732, (phones,), generator=generator)
    bert = torch.randn(1024, phones, generator=generator)
    tokens = tuple(torch.randint(0, 1024, (prompt,), generator=generator).tolist())
    return Request(ids, bert, tokens, limit, seed, sampling or Sampling())


def decoded(net, wanted):
    decoder = Decoder(net)
    row = decoder.join(wanted)
    while not row.done:
        decoder.step()
    return row


def codes(count, seed=3):
    return torch.randint(0, 1024, (count,), generator=torch.Generator().manual_seed(seed)).tolist()


def sounded(singer, tokens, pieces, **options):
    vocoder = Vocoder(singer, PHONES, VOICE, **options)
    parts = np.split(np.array(tokens), np.cumsum(pieces)[:-1])
    return [vocoder.push(part.tolist(), k == len(parts) - 1) for k, part in enumerate(parts)]


@pytest.mark.parametrize("sampling", [Sampling(top_k=1), Sampling()], ids=["greedy", "drawn"])
def test_whoever_joins_and_leaves_a_sentences_tokens_are_those_it_has_alone(talker, sampling):
    wanted = [request(k, 6 + 5 * k, 4 + 3 * k, 18 + 7 * k, sampling) for k in range(6)]
    alone = [decoded(talker, one).tokens for one in wanted]
    decoder, rows = Decoder(talker, rows=4), []
    for step in range(80):
        if step % 3 == 0 and len(rows) < len(wanted):
            rows.append(decoder.join(wanted[len(rows)]))
        if step == 14:
            decoder.leave(rows[1])  # cancelled
        decoder.step()
    assert all(row.done for k, row in enumerate(rows) if k != 1)
    for k, row in enumerate(rows):
        assert row.tokens == alone[k][: len(row.tokens)]
        assert len(row.tokens) == (len(alone[k]) if k != 1 else len(row.tokens)) > 0
    assert decoder.active == 0


def test_a_seed_gives_the_same_tokens_again_and_another_seed_others(talker):
    first, again, other = (decoded(talker, request(1)) for _ in range(3))
    assert first.tokens == again.tokens == other.tokens
    changed = request(1)
    changed = Request(changed.phones, changed.bert, changed.prompt, changed.limit, 2)
    assert decoded(talker, changed).tokens != first.tokens


def test_a_sentence_goes_on_from_kept_tokens_as_if_it_had_never_stopped(talker):
    whole = request(4, sampling=Sampling(top_k=1))
    tokens = decoded(talker, whole).tokens
    kept = tuple(tokens[:17])
    rest = Request(whole.phones, whole.bert, whole.prompt + kept, 13, 0, whole.sampling, kept=17)
    assert [*kept, *decoded(talker, rest).tokens] == tokens


def test_a_sentence_ends_by_itself_but_not_among_its_first_tokens(ending):
    rows = [decoded(ending, request(seed, limit=1500)) for seed in range(4)]
    assert all(row.ended for row in rows)
    assert all(len(row.tokens) >= EARLIEST_END for row in rows)
    assert all(1024 not in row.tokens for row in rows)


def test_drawing_never_leaves_the_likeliest_few():
    logits = torch.randn(200, generator=torch.Generator().manual_seed(1)).expand(300, -1)
    noise = torch.empty(300, 200).exponential_(generator=torch.Generator().manual_seed(2))
    few, all_of_it = torch.full((300,), 5), torch.ones(300)
    assert set(draw(logits, noise, few, all_of_it, all_of_it).tolist()) == set(
        logits[0].topk(5).indices.tolist()
    )


def test_not_a_number_fails_its_own_sentence_and_no_other(talker):
    good, bad = request(1), request(2)
    bad.bert[:, 3] = torch.nan
    alone = decoded(talker, good).tokens
    decoder = Decoder(talker)
    sick, well = decoder.join(bad), decoder.join(good)
    while not (sick.done and well.done):
        decoder.step()
    assert isinstance(sick.error, Error)
    assert well.error is None
    assert well.tokens == alone


@pytest.mark.parametrize("count", [1, 20, 21, 45, pytest.param(120, marks=pytest.mark.slow)])
@pytest.mark.parametrize("speed", [1.0, 1.3, 0.6])
def test_cut_the_tokens_anywhere_and_the_sound_is_the_same_and_exactly_as_long(singer, count, speed):
    tokens = codes(count)
    ways = [[count], [1] * count, [*[7] * (count // 7), count % 7]]
    whole, *others = (np.concatenate(sounded(singer, tokens, way, speed=speed)) for way in ways)
    assert len(whole) == length(count, speed)
    assert speed != 1 or len(whole) == 1280 * count
    for other in others:
        np.testing.assert_allclose(other, whole, atol=2e-5)


def test_that_a_sentence_is_over_may_be_known_later_than_its_last_token(singer):
    tokens = codes(44)
    vocoder = Vocoder(singer, PHONES, VOICE)
    late = [vocoder.push(tokens), vocoder.push([], last=True)]
    np.testing.assert_allclose(np.concatenate(late), sounded(singer, tokens, [44])[0], atol=2e-5)


def test_latents_inside_equal_those_of_a_window_decoded_whole(singer):
    tokens = codes(60)
    vocoder = Vocoder(singer, PHONES, VOICE, noise=0.0)
    got = torch.cat([vocoder.latents(tokens[:30]), vocoder.latents(tokens[30:], last=True)], dim=2)
    with torch.inference_mode():
        text = singer.enc_p.text(PHONES)
        for begin, stop, first, end in ((0, 20, 0, 14), (0, 44, 16, 38), (0, 60, 40, 60)):
            features = singer.features(torch.tensor(tokens[begin:stop]), text, VOICE)
            wanted = singer.flow(singer.split(features)[0], VOICE)
            torch.testing.assert_close(
                got[:, :, 2 * first : 2 * end], wanted[:, :, 2 * first : 2 * end], atol=1e-5, rtol=1e-4
            )


def test_no_latent_is_generated_twice_and_the_work_is_linear_in_the_length(singer):
    given = {}
    for count in (50, 100, 200, 400):
        frames = []
        hook = singer.flow.register_forward_pre_hook(lambda _, x, seen=frames: seen.append(x[0].shape[2]))
        vocoder = Vocoder(singer, PHONES, VOICE)
        latents = [vocoder.latents([token], False) for token in codes(count)]
        latents.append(vocoder.latents([], last=True))
        hook.remove()
        assert sum(part.shape[2] for part in latents) == 2 * count
        given[count] = sum(frames) / count
    assert given[400] < 1.1 * given[200]
    assert given[400] < 2 * 1.7  # frames of context and look-ahead included


def test_no_click_where_windows_meet(singer):
    tokens = codes(200)
    whole = np.concatenate(sounded(singer, tokens, [200], noise=0.0))
    steps = np.abs(np.diff(whole))
    usual = np.quantile(steps, 0.999)
    count, joints = 0, []
    while (count := stops(count)) < 200:
        joints.append((count - AHEAD) * 1280)
    assert len(joints) == 5
    assert max(steps[joint - 1] for joint in joints) <= usual


def test_first_sound_comes_after_at_most_24_tokens(singer):
    vocoder = Vocoder(singer, PHONES, VOICE)
    sizes = [len(vocoder.push([token])) for token in codes(24)]
    assert sum(sizes) > 0


def spoken(talker, singer, pace, seed=1):
    decoder, retries = Decoder(talker), Counter()
    pieces = utter(
        request(seed), decoder, lambda s: Vocoder(singer, PHONES, VOICE, seed=s), len(PHONES), pace, retries
    )
    return decoder, retries, pieces


def test_a_sentence_is_spoken_once_if_it_is_well(ending, singer):
    decoder, retries, pieces = spoken(ending, singer, Pace(0.0, 100.0))
    sound = np.concatenate(list(pieces))
    assert len(sound) % 1280 == 0
    assert len(sound) >= EARLIEST_END * 1280
    assert not retries
    assert decoder.active == 0


def test_a_sentence_that_ends_far_too_soon_is_tried_again_and_what_was_heard_stays(ending, singer):
    first = next(piece for piece in spoken(ending, singer, Pace(0.0, 100.0))[2] if len(piece))
    _, retries, pieces = spoken(ending, singer, Pace(least_s=40.0, most_s=100.0))
    sound = np.concatenate(list(pieces))
    assert retries == {"too_short": TRIES - 1}
    if len(first) < 20 * 1280:  # a first window, not the whole sentence
        np.testing.assert_array_equal(sound[: len(first)], first)


def test_a_sentence_that_does_not_end_is_stopped_and_counted(talker, singer):
    pace = Pace(most_s=0.1, grace_s=1.0)
    _, retries, pieces = spoken(talker, singer, pace)
    sound = np.concatenate(list(pieces))
    assert retries == {"no_end": TRIES - 1}
    assert len(sound) <= (pace.most(len(PHONES)) + 50) * 1280


def test_silence_with_every_seed_fails(ending, singer):
    quiet = Synthesizer.from_checkpoint(
        {k: v * 0 if k == "dec.conv_post.weight" else v for k, v in sovits_weights().items()}, {}
    )
    _, retries, pieces = spoken(ending, quiet, Pace(0.0, 100.0))
    with pytest.raises(Error, match="silent with every seed"):
        list(pieces)
    assert retries == {"silent": TRIES}


def test_not_a_number_in_the_sound_fails_and_names_the_network(ending):
    broken = Synthesizer.from_checkpoint(
        {k: v * torch.nan if k == "dec.conv_post.weight" else v for k, v in sovits_weights().items()}, {}
    )
    with pytest.raises(Error, match="SoVITS network gave numbers that are not finite"):
        list(spoken(ending, broken, Pace(0.0, 100.0))[2])


def test_between_two_chances_to_stop_there_is_one_token_and_one_piece_of_sound_at_most(ending, singer):
    """So a cancel takes effect within one step of the decoder and one piece of the vocoder."""
    work = Counter()

    class Counted(Vocoder):
        def push(self, tokens, last=False):
            work["pushes"] += 1
            work["tokens"] += len(tokens)
            return super().push(tokens, last)

    decoder, plain = Decoder(ending), Decoder.step

    def step():
        work["steps"] += 1
        plain(decoder)

    decoder.step = step
    pieces = utter(
        request(1),
        decoder,
        lambda seed: Counted(singer, PHONES, VOICE, seed=seed),
        len(PHONES),
        Pace(0.0, 100.0),
        Counter(),
    )
    most = Counter()
    for _ in pieces:
        most |= work  # the larger of each
        work.clear()
    assert (most["steps"], most["pushes"]) == (1, 1)
    assert most["tokens"] <= LATER + 1


def test_stopping_frees_the_sentences_place_within_one_token(talker, singer):
    decoder, _, pieces = spoken(talker, singer, Pace(0.0, 100.0))
    for _ in range(7):
        assert len(next(pieces)) == 0  # a chance to stop after every token
    assert decoder.active == 1
    pieces.close()
    assert decoder.active == 0
