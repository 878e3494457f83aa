import numpy as np
import pytest

from core.engines.builtin.life import enliven
from core.engines.builtin.mesh import NOSE_TIP, Mesh, Region
from core.engines.builtin.mouth import WarpedMouth
from core.protocols import Drawing
from core.types import FaceTrack, Speech
from tests.support.faces import tracked

FPS = 25
MESH = Mesh()


@pytest.fixture(scope="module")
def picture():
    """A single picture as a template: track, crop, what the engine learnt of it."""
    track, crops = tracked(12, 384)
    one = FaceTrack(track.side, track.corners[:1], track.poses[:1], track.found[:1])
    return one, crops[0], WarpedMouth().prepare(one, crops[:1], lambda _: None)


def drawn(picture, frames, life=0):
    track, crop, learnt = picture
    silence = Speech(np.zeros(16_000 * 12, np.float32), 16_000, -32_000, ())
    shown = np.array([crop] * len(frames))
    return WarpedMouth().draw(Drawing(frames, FPS, silence, shown, [0] * len(frames), track, learnt, life))


def sudden(frames, learnt, pose):
    """How much each eye changes within two frames, in levels of 256: (2, n - 2). Swaying is slow."""
    changes = []
    for eye in learnt["lids"]:
        x0, y0 = np.floor((pose[:, :2] @ eye.reshape(-1, 2).T).T.min(axis=0) + pose[:, 2]).astype(int)
        x1, y1 = np.ceil((pose[:, :2] @ eye.reshape(-1, 2).T).T.max(axis=0) + pose[:, 2]).astype(int)
        seen = frames[:, y0:y1, x0:x1].astype(int)
        changes.append(np.abs(seen[2:] - seen[:-2]).mean(axis=(1, 2, 3)))
    return np.array(changes)


@pytest.mark.slow
def test_eyes_are_shut_once_in_eight_seconds_and_the_head_sways_a_little(picture):
    track, _, learnt = picture
    frames = drawn(picture, range(8 * FPS))
    changed = sudden(frames, learnt, track.poses[0])
    blinks = (changed > 3 * np.median(changed, axis=1, keepdims=True) + 5).all(axis=0)
    assert 4 <= blinks.sum() <= 24
    nose = []
    for frame in frames[::5]:
        x, y = track.poses[0] @ [0.5, 0.55, 1]
        region = Region(x, y, 1.5 * np.hypot(*track.poses[0][:, 0]), 0)
        nose.append(MESH.read(frame, region)[0][NOSE_TIP, :2])
    moved = np.hypot(*np.ptp(nose, axis=0)) / np.hypot(*track.poses[0][:, 0])
    assert 0.003 < moved < 0.03


@pytest.mark.slow
def test_frames_are_the_same_however_they_are_grouped_and_the_border_stays(picture):
    _, crop, _ = picture
    whole = drawn(picture, range(60, 84))
    alone = np.concatenate([drawn(picture, range(k, k + 1)) for k in range(60, 84)])
    assert np.array_equal(whole, alone)
    for frame in whole:
        for edge in (np.s_[:4], np.s_[-4:], np.s_[:, :4], np.s_[:, -4:]):
            assert np.array_equal(frame[edge], crop[edge])


def test_a_still_picture_is_still(picture):
    _, crop, _ = picture
    assert all(np.array_equal(frame, crop) for frame in drawn(picture, range(100), None))


def test_a_clip_lives_by_itself():
    track, crops = tracked()
    assert "lids" not in WarpedMouth().prepare(track, crops, lambda _: None)


def test_every_job_has_a_rhythm_of_its_own(picture):
    one, again, other = (drawn(picture, range(30, 34), life) for life in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_everybody_has_a_rhythm_of_their_own(picture):
    track, crop, learnt = picture
    one, other = (enliven(crop, learnt["lids"], track.poses[0], 1.0, seed) for seed in (1, 2))
    assert not np.array_equal(one, other)
