"""Measures what `docs/performance.md` states: `python -m bench [NAME ...] [--json]`.

Each module of this package but `__main__` is one bench: it has `figures() -> Iterator[Figure]`, which
measures several times and yields medians. A comparison runs against a plain baseline in the same run,
interleaved with it, so that a busy machine slows both.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import core.engines  # noqa: F401  # before torch: it says how threads wait


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number. higher: whether more is better. target: what it must reach, if stated.

    baseline: the plain way's number in the same unit and run; `ratio` is how many times better we are.
    """

    name: str
    value: float
    unit: str
    target: float | None = None
    higher: bool = True
    baseline: float | None = None

    @property
    def ratio(self) -> float | None:
        """Times better than the baseline, or None without one."""
        if not self.baseline or not self.value:
            return None
        return self.value / self.baseline if self.higher else self.baseline / self.value

    @property
    def reached(self) -> bool | None:
        """Whether the target is met; None without one."""
        if self.target is None:
            return None
        return self.value >= self.target if self.higher else self.value <= self.target


def median_time(work: Callable[[], object], repeats: int = 5) -> float:
    """Median wall seconds of `work()` over `repeats` runs, after one to warm up."""
    work()
    return statistics.median(_timed(work) for _ in range(repeats))


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
