"""Which template frame is shown next."""

import random

import pytest

from core.errors import BadInput
from core.templates.walk import Action, Actions, Walk, Way, check_actions

WAVE = Action("wave", (Way(3, 40, 46, 26), Way(13, 54, 60, 26)), (Way(33, 68, 74, 9),))
TALK = Action("talk", (Way(3, 110, 116, 86),), (Way(88, 124, 130, 9), Way(93, 138, 144, 12)))
BOTH = Actions(20, (WAVE, TALK))
FPS = 5  # so a second of silence is five frames


def steps(walk, count, *, heard=False):
    return [walk.step(heard=heard) for _ in range(count)]


def test_without_actions_it_goes_forwards_then_backwards():
    assert steps(Walk(Actions(3), 25), 9) == [0, 1, 2, 1, 0, 1, 2, 1, 0]
    assert steps(Walk(Actions(1), 25), 3, heard=True) == [0, 0, 0]


def test_nothing_asked_for_is_nothing_seen():
    assert steps(Walk(Actions(20, (WAVE,)), FPS), 90, heard=True) == steps(Walk(Actions(20), FPS), 90)


def test_an_action_is_reached_and_left_by_its_cross_fades():
    walk = Walk(Actions(20, (WAVE,)), FPS)
    steps(walk, 6)  # now at 5, so the next way begins at 13
    walk.want("wave")
    expected = [*range(6, 14), *range(54, 60), *range(26, 34), *range(68, 74), *range(9, 20), 18]
    assert steps(walk, len(expected)) == expected


def test_the_person_talks_while_something_is_heard_and_a_second_longer():
    walk = Walk(BOTH, FPS)
    assert steps(walk, 13, heard=True) == [0, 1, 2, 3, *range(110, 116), 86, 87, 88]
    assert steps(walk, 10, heard=True) == [*range(89, 94), *range(92, 87, -1)]  # there and back
    assert steps(walk, 5) == [87, 86, 87, 88, 89]
    assert steps(walk, 12) == [90, 91, 92, 93, *range(138, 144), 12, 13]


def test_what_begins_with_sound_begins_in_the_talking_clip_even_where_the_first_frame_is_silent():
    walk = Walk(BOTH, FPS)
    walk.begin_talking()
    assert steps(walk, 4) + steps(walk, 5, heard=True) == [*range(86, 94), 92]
    walk.begin_talking()  # too late
    assert steps(walk, 1, heard=True) == [91]
    for actions in (Actions(20, (WAVE,)), Actions(20)):
        walk = Walk(actions, FPS)
        walk.begin_talking()
        assert steps(walk, 3, heard=True) == [0, 1, 2]


def test_an_action_wanted_at_the_beginning_is_not_held_up_by_talking():
    walk = Walk(BOTH, FPS)
    walk.want("wave")
    walk.begin_talking()
    assert walk.unfinished == ("wave",)
    assert steps(walk, 11, heard=True) == [0, 1, 2, 3, *range(40, 46), 26]
    assert walk.unfinished == ("wave",)
    steps(walk, 8, heard=True)
    assert walk.unfinished == ()


def test_an_action_goes_before_talking_which_comes_back_after_it():
    walk = Walk(BOTH, FPS)
    steps(walk, 13, heard=True)
    walk.want("wave")
    seen = steps(walk, 120, heard=True)
    assert set(range(26, 34)) <= set(seen)
    assert seen[-1] >= 86


def test_at_another_rate_each_frame_shows_what_it_showed():
    for rate in (5, 12, 24, 25, 30, 50, 60):
        there = BOTH.at_rate(25, rate)
        for action, old in zip(there.others, BOTH.others, strict=True):
            pairs = zip((*action.enter, *action.leave), (*old.enter, *old.leave), strict=True)
            for way, was in pairs:
                shown = [frame * 25 // rate for frame in range(way.start, way.stop)]  # as it is decoded
                assert all(was.start <= frame < was.stop for frame in shown), rate
                assert was.at >= way.at * 25 // rate > was.at - 1 - 25 / rate
        assert there.idle * 25 / rate == pytest.approx(20, abs=25 / rate)


@pytest.mark.parametrize("seed", range(5))
def test_whatever_is_asked_for_no_frame_follows_that_it_may_not_follow(seed):
    chance, walk = random.Random(seed), Walk(BOTH, FPS)  # noqa: S311  # chance, not secrets
    ways = [way for action in BOTH.others for way in (*action.enter, *action.leave)]
    jumps = {(way.at, way.start) for way in ways} | {(way.stop - 1, way.to) for way in ways}
    before, heard, seen = walk.step(), False, set()
    for _ in range(3000):
        heard ^= chance.random() < 0.02
        if chance.random() < 0.02:
            walk.want(chance.choice(["wave", "talk", "nod"]))
        now = walk.step(heard=heard)
        assert abs(now - before) == 1 or (before, now) in jumps
        before, seen = now, {*seen, now}
    assert {0, 19, 26, 33, 86, 93} <= seen


def test_more_wishes_than_can_wait_are_left_out():
    walk = Walk(Actions(20, (WAVE,)), FPS)
    for _ in range(1000):
        walk.want("wave")
    assert steps(walk, 1000).count(30) == 8


def test_an_action_that_is_not_there_is_told_with_those_that_are():
    with pytest.raises(BadInput, match=r"'anna' has no action 'wawe'; it has: wave, talk") as told:
        check_actions(["wave", "wawe"], BOTH.names, "anna")
    assert (told.value.code, told.value.param) == ("unknown_action", "action")
