"""The engine around MuseTalk's networks, which are small ones with random weights."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from core.engines.musetalk.engine import MuseTalkEngine  # noqa: E402  # needs torch
from core.engines.neural import NeuralSettings  # noqa: E402
from core.engines.redrawing.sound import RATE  # noqa: E402
from core.errors import Error  # noqa: E402
from core.media.arrays import load, save  # noqa: E402
from tests.core.engines.wav2lip.test_engine import draw, drawing, picture, settings, sound, track  # noqa: E402
from tests.support.fake_cuda import fake_device  # noqa: E402
from tests.support.musetalks import SIDE, small  # noqa: E402

pytestmark = pytest.mark.slow  # torch alone takes seconds to import

COUNT = 6
"""Frames of the template."""


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("musetalk")
    return MuseTalkEngine(networks=small(), settings=settings(folder))


@pytest.fixture(scope="module")
def where():
    where = track(20, roll=0.1)
    where.found[4] = False
    return where


@pytest.fixture(scope="module")
def learnt(engine, where, tmp_path_factory):
    """As a template has it: written, and read again."""
    told = []
    made = engine.prepare(where, [picture(k) for k in range(len(where))], told.append)
    assert told == sorted(told)
    assert told[-1] == len(where)
    assert isinstance(made["latents"], np.memmap)
    path = tmp_path_factory.mktemp("learnt") / "x.npz"
    save(path, made)
    return load(path)


def quiet_between():
    return np.concatenate([sound(0.3), np.zeros(9600, np.float32), sound(0.3)])


def test_latents_of_every_frame_with_a_face_are_kept(engine, learnt, where):
    latents = learnt["latents"]
    assert latents.dtype == np.float16
    assert latents.shape == (len(where), 8, SIDE // 8, SIDE // 8)
    assert [bool(k) for k in latents.any(axis=(1, 2, 3))] == where.found.tolist()
    # Of the picture without its lower half, then of the whole: they agree above, far from the edge.
    assert not np.allclose(latents[0, :4], latents[0, 4:])
    assert not list(engine._folder.iterdir())


@pytest.mark.parametrize("part", ["decoder", "encoder"])
def test_weights_that_are_no_numbers_fail_the_job_and_draw_nothing(learnt, where, tmp_path, part):
    networks = small()
    with torch.no_grad():
        half = networks.speaking.decoder if part == "decoder" else networks.learning
        next(half.parameters()).fill_(torch.nan)
    engine = MuseTalkEngine(networks=networks, settings=settings(tmp_path))
    crops = [picture(k) for k in range(len(where))]
    work = {
        "decoder": lambda: draw(engine, range(3), sound(0.3), learnt, where=where),
        "encoder": lambda: engine.prepare(where, crops, lambda _done: None),
    }
    with pytest.raises(Error, match="numbers that are not finite: a damaged checkpoint"):
        work[part]()


def test_however_frames_are_grouped_they_come_out_the_same_bit_for_bit(engine, learnt, where):
    samples = quiet_between()
    whole, crops = draw(engine, range(COUNT), samples, learnt, where=where)
    for size in (1, 4):
        groups = [range(k, min(k + size, COUNT)) for k in range(0, COUNT, size)]
        parts = [draw(engine, group, samples, learnt, where=where)[0] for group in groups]
        assert np.array_equal(np.concatenate(parts), whole), size
    calls = [drawing(engine, range(k, k + 3), samples, learnt, where=where) for k in (0, 3)]
    together = engine.draw_together(calls)
    assert np.array_equal(together[0], whole[:3])
    assert np.array_equal(together[1], whole[3:6])
    assert np.array_equal(crops, np.stack([picture(k) for k in range(COUNT)]))


@pytest.mark.parametrize("rate", [16_000, 22_050, 48_000])
def test_a_frame_depends_on_its_span_alone_whatever_the_rate(engine, learnt, where, rate):
    samples, elsewhere = sound(1, rate), sound(1, rate, seed=9)
    low, high = engine.span(15, rate, 25)
    given = elsewhere.copy()
    given[low:high] = samples[low:high]
    whole, again, other = (
        draw(engine, range(15, 16), heard, learnt, rate, where)[0] for heard in (samples, given, elsewhere)
    )
    assert np.array_equal(whole, again)
    assert not np.array_equal(whole, other)


def test_only_the_mouth_is_drawn_and_only_while_somebody_speaks_with_a_face(engine, learnt, where):
    samples = np.zeros(RATE, np.float32)
    samples[:4800] = sound(0.3)
    made, crops = draw(engine, range(20), samples, learnt, where=where)
    changed = (made != crops).any(axis=(1, 2, 3))
    assert changed[:7].tolist() == where.found[:7].tolist()
    assert not changed[12:].any()
    pixels = (made != crops).any(axis=(0, 3))
    assert not pixels[: len(pixels) // 2 - 10].any()


def test_nobody_looks_ahead_further_than_a_fifth_of_a_second(engine):
    for rate in (16_000, 22_050):
        spans = [engine.span(k, rate, 25) for k in range(50)]
        assert max(stop - k * rate / 25 for k, (_, stop) in enumerate(spans)) < 0.2 * rate + 40
        assert len({stop - start for start, stop in spans}) <= 3


@pytest.mark.parametrize("place", ["cuda:1", "mps"])
def test_other_devices_draw_what_the_processor_draws_and_no_rule_of_theirs_is_broken(
    engine, learnt, place, monkeypatch, caplog
):
    monkeypatch.setattr("core.engines.compute.graphs._WARM", 1)
    monkeypatch.setattr("core.engines.musetalk.engine._SIZES", (1, 2))
    still, samples = track(3, roll=0.1), sound(0.5)
    with fake_device(place.partition(":")[0], count=2 if place == "cuda:1" else 1) as world:
        other = MuseTalkEngine(
            networks=small(), settings=NeuralSettings(data_dir=engine._folder, device=place)
        )
        assert other._speaking.dtype == torch.float16
        there = other.prepare(still, [picture(k) for k in range(3)], lambda _: None)
        made, crops = draw(other, range(3), samples, learnt, where=still)
    assert place in {name.replace("mps:0", "mps") for name in world.made_on}
    assert not caplog.records  # everything was recorded
    off = np.abs(there["latents"].astype(float) - learnt["latents"][:3]).max()
    assert off < 0.01 * np.abs(learnt["latents"]).max()
    wanted, _ = draw(engine, range(3), samples, learnt, where=still)
    assert np.abs(made.astype(int) - wanted).mean() < 0.3
    assert not np.array_equal(made, crops)
