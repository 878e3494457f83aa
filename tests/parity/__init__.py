"""Hold networks and everything around them against numbers of the reference implementations.

`python -m tests.parity FOLDER ...` checks any folder in a format that a module here knows and describes, such
as `tests/fixtures/wav2lip`: keys.json with the network's parameters, .npz files with inputs and outputs.
Weights are made by `recipe.py`, which lies beside the folder or in `tests/fixtures`.
"""

import importlib.util
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.support import FIXTURES


@dataclass(frozen=True)
class Check:
    """One comparison: it holds if `error` is at most `tolerance`."""

    name: str
    error: float
    tolerance: float
    note: str = ""

    @property
    def holds(self) -> bool:
        return bool(self.error <= self.tolerance)  # NaN holds nothing


def close(name: str, got: Any, wanted: Any, tolerance: float, relative: float = 0.0) -> Check:
    """Largest difference, less what `relative` (of the wanted value) forgives; infinite for another shape."""
    got, wanted = np.asarray(got, np.float64), np.asarray(wanted, np.float64)
    if got.shape != wanted.shape:
        return Check(name, float("inf"), tolerance, f"shape {got.shape}, not {wanted.shape}")
    error = np.abs(got - wanted) - relative * np.abs(wanted)
    return Check(name, float(np.max(error, initial=0.0)), tolerance)


def exact(name: str, got: Any, wanted: Any) -> Check:
    """The number of elements that differ; infinite for another shape."""
    got, wanted = np.asarray(got), np.asarray(wanted)
    if got.shape != wanted.shape:
        return Check(name, float("inf"), 0.0, f"shape {got.shape}, not {wanted.shape}")
    return Check(name, float((got != wanted).sum()), 0.0)


def guarded(name: str, checks: Iterator[Check]) -> Iterator[Check]:
    """The checks of one case; one that raises has failed, and is no end of what comes after it."""
    try:
        yield from checks
    except Exception as error:  # noqa: BLE001  # whatever it is: it is in the report, and the run fails
        yield Check(name, float("inf"), 0.0, f"{type(error).__name__}: {error}")


def recipe_for(folder: Path) -> Any:
    """The module that makes stand-in weights: the one that came with the folder, else ours."""
    beside = folder.parent / "recipe.py"
    path = beside if beside.is_file() else FIXTURES / "recipe.py"
    spec = importlib.util.spec_from_file_location("recipe", path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def keys_of(folder: Path, file: str = "keys.json") -> list[list[Any]]:
    """Rows [name, shape] of a state dict; empty if the folder has no such file."""
    path = folder / file
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []


Checks = Callable[[Path], Iterator[Check]]
