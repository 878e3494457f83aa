"""Check folders of reference numbers and say, case by case, how far off we are."""

import argparse
import importlib
import pkgutil
import sys
from pathlib import Path

import tests.parity


def main(arguments: list[str] | None = None) -> int:
    """Print a line a case; 1 if one is out of its tolerance, 2 for a folder nothing here knows."""
    parser = argparse.ArgumentParser(prog="python -m tests.parity", description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    failed = 0
    for folder in parser.parse_args(arguments).folders:
        module = next((m for m in _modules() if m.fits(folder)), None)
        if module is None:
            _say(f"parity: {folder} is no folder of reference numbers that is known here")
            return 2
        count = 0
        for check in tests.parity.guarded("everything", module.checks(folder)):
            count += 1
            failed += not check.holds
            verdict = "ok" if check.holds else "OUT"
            _say(
                f"{verdict:4} {folder.name}/{check.name:<44} "
                f"error {check.error:.3g}, tolerance {check.tolerance:.3g} {check.note}".rstrip(),
            )
        if not count:
            _say(f"parity: {folder} has no numbers to check")
            return 2
    _say(f"{failed} out of tolerance" if failed else "all within tolerance")
    return 1 if failed else 0


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201  # this is a command


def _modules() -> list[object]:
    found = (module.name for module in pkgutil.iter_modules(tests.parity.__path__))
    names = sorted(name for name in found if not name.startswith(("_", "test_")))
    return [importlib.import_module(f"tests.parity.{name}") for name in names]


if __name__ == "__main__":
    sys.exit(main())
