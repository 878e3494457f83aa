"""Run benches by name, all that can run here by default, and print their figures."""

import argparse
import importlib
import json
import os
import pkgutil
import sys
from pathlib import Path

import bench
from bench import Figure


def names() -> list[str]:
    """Every bench there is."""
    return sorted(module.name for module in pkgutil.iter_modules(bench.__path__) if module.name[0] != "_")


def main(arguments: list[str] | None = None) -> int:
    """Print one line a figure; 2 for an unknown name, 1 if a stated target was missed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"what to measure: {', '.join(names())}")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--device", help="what networks run on, as the setting: cpu, cuda, cuda:1 ...")
    parser.add_argument("--table", action="store_true", help="rows for docs/performance.md")
    options = parser.parse_args(arguments)
    if options.device:
        os.environ["LIPSTREAM_DEVICE"] = options.device
    files: list[str] = []
    if options.names[:1] in (["faces_seen"], ["peers"]):  # what follows are videos, or a program
        options.names, files = options.names[:1], options.names[1:]
        if missing := [file for file in files if not Path(file).is_file()]:
            print(f"bench: there is no file {', '.join(missing)}", file=sys.stderr)
            return 2
    unknown = sorted(set(options.names) - set(names()))
    if unknown:
        print(f"bench: no bench {', '.join(unknown)}; there are: {', '.join(names())}", file=sys.stderr)
        return 2
    missed = 0
    for name in options.names or names():
        try:
            module = importlib.import_module(f"bench.{name}")
        except ImportError as error:
            print(f"bench: {name} skipped: {error}", file=sys.stderr)
            continue
        for figure in module.figures(files) if files else module.figures():
            missed += figure.reached is False
            show = _json if options.json else _row if options.table else _line
            print(show(figure), flush=True)
    return 1 if missed else 0


def _json(figure: Figure) -> str:
    made = {"name": figure.name, "value": round(figure.value, 4), "unit": figure.unit}
    if figure.baseline is not None:
        made |= {"baseline": round(figure.baseline, 4), "ratio": round(figure.ratio or 0, 3)}
    return json.dumps(made)


def _row(figure: Figure) -> str:
    return f"| {figure.name} | {figure.value:.4g} {figure.unit} |"


def _line(figure: Figure) -> str:
    text = f"{figure.name:<46} {figure.value:>10.4g} {figure.unit}"
    if figure.baseline is not None:
        text += f"  (plain way {figure.baseline:.4g}, {figure.ratio:.2f} x)"
    if figure.target is not None:
        text += (
            f"  [{'ok' if figure.reached else 'MISSED'}: {'>=' if figure.higher else '<='} {figure.target:g}]"
        )
    return text


if __name__ == "__main__":
    sys.exit(main())
