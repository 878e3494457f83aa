"""How long things take, so that a loaded machine changes ratios little."""

import statistics
import time
from collections.abc import Callable


def side_by_side(
    ours: Callable[[], object],
    theirs: Callable[[], object],
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[float, float, float]:
    """Median seconds of both, run in turn, and the median of how many times faster ours was each time.

    clock: `time.process_time` counts the processor's seconds, on all cores, which others change less.
    """
    ours(), theirs()  # warm
    pairs = [(_time(ours, clock), _time(theirs, clock)) for _ in range(rounds)]
    return (
        statistics.median(a for a, _ in pairs),
        statistics.median(b for _, b in pairs),
        statistics.median(b / a for a, b in pairs),
    )


def median_s(work: Callable[[], object], rounds: int) -> float:
    """Median seconds of a call, once warm."""
    work()
    return statistics.median(_time(work) for _ in range(rounds))


def _time(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    started = clock()
    work()
    return clock() - started
