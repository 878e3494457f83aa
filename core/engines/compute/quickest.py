"""Which of several ways of doing the same is quickest here: tried once, then remembered.

No name of a processor tells. It depends on its instructions and caches, on what its neighbours leave of the
memory, and on the releases of the libraries; so ways are timed, and the answer is kept in the data folder
until one of those changes. Deleting the file has them timed again.
"""

import importlib.metadata
import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from pydantic import TypeAdapter

from core import __version__
from core.errors import Error
from core.runtime.processor import cores, name

FILE = "quickest.json"
"""Its name in the data folder."""

Timed = dict[str, float]
"""The ways that could be tried, and milliseconds of the quickest turn of each."""

_KEPT = TypeAdapter(dict[str, dict[str, Timed]])  # by machine and work
_LIMITS = ("OMP_NUM_THREADS", "ONEDNN_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY")  # what libraries may use of it
_SECONDS = 0.2  # for each way
_TURNS = 3  # at least
_WORTH = 0.9  # of the time of the one before: what a way must come to, to be taken instead


def quickest(work: str, ways: Mapping[str, Callable[[], Callable[[], object]]], file: Path) -> str:
    """The name in `ways` that `work` is done quickest by.

    ways: by name, what makes one ready and returns a turn of it, which is timed. The first is preferred
        unless another takes a tenth less. One that raises ImportError or Error is not to be had here; if
        none is, the last one's is raised.
    """
    timed = remembered(file).get(work, {})
    if not timed or not timed.keys() <= ways.keys():
        timed = _time(ways)
        _remember(file, work, timed)
    best = next(way for way in ways if way in timed)
    for way in ways:
        if way in timed and timed[way] < _WORTH * timed[best]:
            best = way
    return best


def remembered(file: Path) -> dict[str, Timed]:
    """What was found on this machine as it is now, by work; nothing for a file that cannot be read."""
    return _all(file).get(_here(), {})


def _time(ways: Mapping[str, Callable[[], Callable[[], object]]]) -> Timed:
    turns: dict[str, Callable[[], object]] = {}
    failed: Exception | None = None
    for way, ready in ways.items():
        try:
            turn = ready()
            turn()  # the first is never like the others
        except (ImportError, Error) as error:
            failed = error
        else:
            turns[way] = turn
    if failed is not None and not turns:
        raise failed
    taken: dict[str, list[float]] = {way: [] for way in turns}
    until = time.perf_counter() + _SECONDS * len(turns)
    # Turn about, and the quickest counts: whoever else is busy then, is so for all of them.
    while time.perf_counter() < until or min(map(len, taken.values())) < _TURNS:
        for way, turn in turns.items():
            started = time.perf_counter()
            turn()
            taken[way].append(time.perf_counter() - started)
    return {way: round(1000 * min(times), 3) for way, times in taken.items()}


def _here() -> str:
    """This machine and the libraries on it, as far as they matter."""
    made = [f"{name()}, {cores()} cores", f"lipstream {__version__}"]
    for library in ("torch", "onnxruntime"):
        with suppress(importlib.metadata.PackageNotFoundError):
            made.append(f"{library} {importlib.metadata.version(library)}")
    return "; ".join(made + [f"{key}={os.environ[key]}" for key in _LIMITS if key in os.environ])


def _all(file: Path) -> dict[str, dict[str, Timed]]:
    try:
        return _KEPT.validate_json(file.read_bytes())
    except (OSError, ValueError):
        return {}


def _remember(file: Path, work: str, timed: Timed) -> None:
    found = _all(file)
    found.setdefault(_here(), {})[work] = timed
    whole = file.with_name(f"{file.name}.{os.getpid()}")
    with suppress(OSError):  # then it is timed again the next time
        file.parent.mkdir(parents=True, exist_ok=True)
        whole.write_text(json.dumps(found, indent=1), "utf-8")
        whole.replace(file)
