"""How long things take, so that a loaded machine changes ratios little."""

import statistics
import time
from collections.abc import Callable


def side_by_side(
    ours: Callable[[], object], theirs: Callable[[], object], rounds: int
) -> tuple[float, float, float]:
    """Median seconds of both, run in turn, and the median of how many times faster ours was each time."""
    ours(), theirs()  # warm
    pairs = [(_time(ours), _time(theirs)) for _ in range(rounds)]
    return (
        statistics.median(a for a, _ in pairs),
        statistics.median(b for _, b in pairs),
        statistics.median(b / a for a, b in pairs),
    )


def median_s(work: Callable[[], object], rounds: int) -> float:
    """Median seconds of a call, once warm."""
    work()
    return statistics.median(_time(work) for _ in range(rounds))


def _time(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
