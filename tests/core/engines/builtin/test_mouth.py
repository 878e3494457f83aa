import cv2
import numpy as np
import pytest

from core.engines.builtin import mouth
from core.engines.builtin.mouth import WarpedMouth, move
from core.engines.builtin.mouth.prepare import mouth_at
from core.engines.builtin.mouth.shape import shape
from core.engines.builtin.mouth.visemes import mouth_track
from core.errors import EngineUnavailable
from core.protocols import Drawing
from core.types import FaceTrack, Phoneme, Speech
from tests.support.faces import drawn, frames_of, heard, sentence, tracked

DRAWS = WarpedMouth().draw
"""It draws as what was learnt wants it, whoever learnt that."""
FPS = 25
RATE = 16_000


def prepared(engine, track, crops):
    return engine.prepare(track, crops, lambda _: None)


def lies(learnt, track, number):
    """Where a mouth is: x, y, half its width, in pixels of its crop."""
    if "geometry" in learnt:
        return learnt["geometry"][number, :3].tolist()
    found = mouth_at(learnt, number, track.poses[number])
    ends = found.points[shape().ring[:, [0, -1]]].reshape(-1, 2)
    return *ends.mean(axis=0).tolist(), found.half


def saying(name):
    """Speech that says one sound all the time."""
    return Speech(
        np.zeros(3 * RATE, np.float32), RATE, -2 * RATE, tuple(Phoneme(name, k * 4000) for k in range(-8, 8))
    )


def draw(track, crops, learnt, speech, numbers):
    run = range(len(numbers))
    shown = np.array([crops[k] for k in numbers])
    return DRAWS(Drawing(run, FPS, speech, shown, numbers, track, learnt))


def opened(name, track, crops, learnt):
    """Frame 5 of the template, saying `name`."""
    return draw(track, crops, learnt, saying(name), [5] * 6)[-1]


@pytest.fixture(scope="module", params=["mesh", "no mesh"])
def engine(request):
    """The engine with its landmarks, and where their network cannot run."""
    if request.param == "mesh":
        return WarpedMouth()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mouth, "Mesh", missing)
        return WarpedMouth()


def missing():
    raise EngineUnavailable("mesh", ["its file"])


@pytest.fixture(scope="module")
def person(engine):
    track, crops = tracked()
    return track, crops, prepared(engine, track, crops)


@pytest.mark.parametrize("spoken", [True, False])
def test_frames_are_the_same_however_they_are_grouped(person, spoken):
    track, crops, learnt = person
    samples, rate, phonemes = sentence()
    frames = frames_of(samples, rate, FPS)[:24]

    def by(size):
        out = []
        for k in range(0, len(frames), size):
            run = frames[k : k + size]
            numbers = [frame % len(track) for frame in run]
            speech = heard(samples, rate, run, FPS, phonemes if spoken else None)
            shown = np.array([crops[n] for n in numbers])
            out.append(DRAWS(Drawing(run, FPS, speech, shown, numbers, track, learnt)))
        return np.concatenate(out)

    whole = by(24)
    assert np.array_equal(whole, by(1))
    assert np.array_equal(whole, by(7))


def test_a_shut_mouth_is_the_templates_own(person):
    track, crops, learnt = person
    numbers = list(range(len(track)))
    out = draw(track, crops, learnt, saying(""), numbers)
    assert np.array_equal(out, np.array(crops))
    assert not np.shares_memory(out, crops[0])


def test_an_open_mouth_is_dark_inside_and_changes_nothing_but_the_lower_face(person):
    track, crops, learnt = person
    out, crop = opened("a", track, crops, learnt), crops[5]
    x, y, half = lies(learnt, track, 5)
    changed = np.abs(out.astype(int) - crop).max(axis=2) > 3
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    assert y - 1.7 * half < rows[0] < y
    assert y + 0.8 * half < rows[-1] < y + 4 * half
    assert x - 2.6 * half < columns[0] < columns[-1] < x + 2.6 * half
    below = np.s_[int(y + 0.25 * half) : int(y + 0.55 * half), int(x - 0.2 * half) : int(x + 0.2 * half)]
    assert out[below].mean() < 0.6 * crop[below].mean()


def test_the_jaw_follows_how_wide_the_mouth_opens(person):
    track, crops, learnt = person
    x, y, half = lies(learnt, track, 5)
    column = np.s_[int(y) : int(y + 3.2 * half), int(x - 2) : int(x + 3)]

    def lower(name):
        """How far the lower lip's red has gone down, in pixels: the middle of what is reddest."""
        lab = cv2.cvtColor(opened(name, track, crops, learnt), cv2.COLOR_BGR2Lab)[column][..., 1].mean(axis=1)
        weight = np.maximum(lab - np.percentile(lab, 60), 0) ** 2
        return float((weight * np.arange(len(weight))).sum() / weight.sum())

    shut, half_open, wide = (lower(name) for name in ("", "i", "a"))
    assert shut < half_open < wide
    assert wide - shut > 0.25 * half


def test_frames_without_a_face_are_left_alone(engine, person):
    track, crops, _ = person
    blind = FaceTrack(track.side, track.corners, track.poses, np.arange(len(track)) != 5)
    out = draw(blind, crops, prepared(engine, blind, crops), saying("a"), [4, 4, 4, 4, 4, 5])
    assert np.array_equal(out[5], crops[5])
    assert not np.array_equal(out[4], crops[4])
    none = FaceTrack(track.side, track.corners, track.poses, np.zeros(len(track), bool))
    assert np.array_equal(draw(none, crops, prepared(engine, none, crops), saying("a"), [0]), crops[:1])


def grey(picture):
    return cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)


@pytest.mark.parametrize("count", [1, 2])
def test_a_photo_will_do_and_so_will_a_grey_one(engine, count):
    track, crops = tracked()
    few = FaceTrack(track.side, track.corners[:count], track.poses[:count], track.found[:count])
    for pictures in (crops[:count], [grey(crop) for crop in crops[:count]]):
        out = draw(few, pictures, prepared(engine, few, pictures), saying("a"), [0] * 6)[-1].astype(int)
        assert np.abs(out - pictures[0]).max() > 40
    assert np.ptp(out, axis=2).max() < 12, "no colour in a grey picture"


@pytest.mark.slow
def test_a_mouth_at_the_border_of_its_crop_is_drawn_as_far_as_it_goes(engine, person):
    track, crops, _ = person
    for cut in (0.62, 0.75, 0.9):
        side = int(track.side * cut) // 2 * 2
        small = FaceTrack(side, track.corners, track.poses, track.found)
        parts = [np.ascontiguousarray(crop[:side, :side]) for crop in crops]
        out = draw(small, parts, prepared(engine, small, parts), saying("a"), [0] * 6)[-1]
        assert out.shape == (side, side, 3)
        # What lies next to the crop is not redrawn: at its border nothing may have moved.
        assert np.abs(out[-1].astype(int) - parts[0][-1]).max() < 12


def test_a_tiny_mouth_is_left_alone(engine):
    track, crops = tracked()
    scale = 0.1
    small = [cv2.resize(crop, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) for crop in crops]
    tiny = FaceTrack(small[0].shape[0], track.corners, track.poses * scale, track.found)
    out = draw(tiny, small, prepared(engine, tiny, small), saying("a"), [0] * 6)
    assert np.array_equal(out[-1], small[0])


@pytest.fixture(scope="module")
def talker():
    """Somebody who talks already: the presenter as drawn by the engine itself, two seconds and a half."""
    track, crops = tracked(12, 384)
    learnt = prepared(WarpedMouth(), track, crops)
    samples, rate, phonemes = sentence()
    frames = frames_of(samples, rate, FPS)[:64]
    numbers = [abs((k + 11) % 22 - 11) for k in frames]
    speech = heard(samples, rate, frames, FPS, phonemes)
    shown = np.array([crops[n] for n in numbers])
    out = DRAWS(Drawing(frames, FPS, speech, shown, numbers, track, learnt))
    longer = FaceTrack(track.side, track.corners[numbers], track.poses[numbers], track.found[numbers])
    return longer, out, mouth_track(frames, FPS, speech)[:, 0]


@pytest.mark.slow
def test_ones_own_talking_is_read_and_taken_off(talker):
    track, crops, gap = talker
    learnt = prepared(WarpedMouth(), track, crops)
    own = learnt["own"][:, 0]
    assert np.corrcoef(own, gap)[0, 1] > 0.9
    assert np.abs(own - np.maximum(gap, 0)).mean() < 0.06
    still = draw(track, crops, learnt, saying(""), list(range(len(track))))
    left = prepared(WarpedMouth(), track, list(still))["own"][:, 0]
    assert own.max() > 0.4
    assert left.max() < 0.06


@pytest.mark.slow
def test_nothing_is_carried_across_a_cut():
    """Two people in turn: what is learnt of the second is what is learnt of them alone."""
    track, crops = tracked()
    other = [cv2.flip(crop, 1)[:, :, ::-1].copy() for crop in crops]
    both = FaceTrack(
        track.side,
        np.concatenate([track.corners] * 2),
        np.concatenate([track.poses] * 2),
        np.concatenate([track.found] * 2),
        shots=np.repeat(np.array([0, 1], np.int32), len(track)),
    )
    learnt, alone = (prepared(WarpedMouth(), *which) for which in ((both, [*crops, *other]), (track, other)))
    for name in ("points", "turn", "own"):
        assert np.array_equal(learnt[name][len(track) :], alone[name]), name
    assert np.array_equal(learnt["teeth"][1], alone["teeth"][0])


def test_progress_counts_up_to_the_last_frame(engine):
    track, crops = tracked()
    seen = []
    engine.prepare(track, crops, seen.append)
    assert seen == list(range(1, len(track) + 1))
    assert len(drawn(12, 256)) == len(track)


def test_the_grid_is_multiplied_in_pieces_too_small_for_openblas_to_call_threads():
    # It does from 65,536 * 4 products on (SMP_THRESHOLD_MIN, GEMM_MULTITHREAD_THRESHOLD).
    assert move._ROWS * shape().grid.shape[1] * 4 <= 65_536 * 4
