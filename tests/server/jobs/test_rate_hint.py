"""What a player is told to expect: the pace of earlier jobs like this one, and of no others."""

import pytest

from server.jobs.clip_sink import HINT_JOBS, rate_hint
from server.store.rows import Run
from tests.support.serving import data_dir, library, served

__all__ = ["data_dir", "library"]  # fixtures

PLAIN = {"speech": "builtin", "lipsync": "builtin"}
SIDE = 512


def ran(fps, engines=PLAIN, width=SIDE, height=SIDE):
    return Run(fps, engines, width * height)


def test_only_jobs_with_the_same_engines_and_about_as_many_pixels_count():
    others = [
        ran(500.0, PLAIN | {"lipsync": "wav2lip"}),
        ran(500.0, PLAIN | {"enhance": "builtin"}),
        ran(500.0, {"lipsync": "builtin"}),
        ran(500.0, width=SIDE // 2),
        ran(5.0, width=2 * SIDE),
        ran(0.0),
    ]
    assert rate_hint(others, PLAIN, SIDE * SIDE, 25) is None
    assert rate_hint([*others, ran(50.0)], PLAIN, SIDE * SIDE, 25) == 2
    assert rate_hint([*others, ran(50.0, width=640, height=480)], PLAIN, SIDE * SIDE, 25) == 2


def test_it_is_rather_too_low_than_too_high_and_forgets_what_is_long_past():
    paces = [ran(50.0)] * (HINT_JOBS - 2) + [ran(25.0)] * 2
    assert rate_hint(paces, PLAIN, SIDE * SIDE, 25) == pytest.approx(2.0)
    assert rate_hint([ran(25.0), *paces], PLAIN, SIDE * SIDE, 25) == pytest.approx(2.0)
    assert rate_hint([ran(25.0)] * 3 + paces, PLAIN, SIDE * SIDE, 25) == pytest.approx(1.0)
    assert rate_hint([ran(100.0)] * HINT_JOBS + paces, PLAIN, SIDE * SIDE, 25) == pytest.approx(4.0)
    assert rate_hint([ran(100.0)], PLAIN, SIDE * SIDE, 50) == pytest.approx(2.0)


@pytest.mark.slow
async def test_the_first_job_of_its_kind_is_given_no_hint_and_the_next_like_it_is(data_dir):
    async def hint(it, **options):
        job = await it.video(options=options)
        made = await it.ended(job)
        assert made["status"] == "completed"
        async with it.http.get(f"/v1/jobs/{job}/events") as events:
            text = await events.text()
        return made["metrics"]["fps"], '"rate_hint"' in text

    async with served(data_dir) as it:
        slow = {"engines": {"speech": "slow"}}
        told = [
            (await hint(it, **options))[1]
            for options in ({}, {}, slow, {"size": "128x128"}, {"enhance": False}, slow)
        ]
        assert told == [False, True, False, False, False, True]
