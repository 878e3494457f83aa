"""`lipstream models`: the weights that neural engines need: what there is, getting and checking them."""

import argparse
from collections.abc import Sequence
from functools import partial
from urllib.parse import urlsplit

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn
from rich.table import Table

from core.engines.neural import NeuralSettings
from core.weights.files import chosen, download, verify
from core.weights.table import CHECKPOINTS, SETS, Checkpoint
from server.cli.shown import listed


def models_command(options: argparse.Namespace) -> int:
    """Dispatch `list`, `download`, `verify`."""
    wanted = chosen(getattr(options, "names", []))
    if options.action == "download":
        return _download(wanted, options)
    if options.action == "verify":
        return _verify(wanted or list(CHECKPOINTS.values()))
    return _list(options)


def _list(options: argparse.Namespace) -> int:
    """What there is, from where, and under whose terms."""
    folder, there = NeuralSettings().weights_dir, NeuralSettings().weights()
    table = Table("weights", "here", "size", "from", "for", box=None, pad_edge=False)
    terms: dict[str, list[str]] = {}
    for one in CHECKPOINTS.values():
        state = "[green]yes[/]" if one.name in there else "no"
        table.add_row(one.name, state, one.megabytes, urlsplit(one.sources[0]).netloc, one.about)
        terms.setdefault(one.terms, []).append(one.name)
    rows = [{"name": one.name, "here": one.name in there, "about": one.about} for one in CHECKPOINTS.values()]
    listed(options, rows, table)
    if options.json:
        return 0
    console = Console()
    console.print(f"\nSets of them: {', '.join(SETS)}", highlight=False)
    console.print("\nTerms:", highlight=False)
    for words, names in terms.items():
        console.print(f"- {', '.join(names)}: {words}", highlight=False, soft_wrap=True)
    console.print(f"\nThey lie in {folder}", highlight=False, soft_wrap=True)
    return 0


def _verify(wanted: Sequence[Checkpoint]) -> int:
    """1 if a file that is there is not what was published."""
    folder, wrong = NeuralSettings().weights_dir, 0
    for one in wanted:
        state = verify(one, folder)
        wrong += state not in ("ok", "missing", "partial")
        Console().print(f"{one.name}: {state}", highlight=False, soft_wrap=True)
    return 1 if wrong else 0


def _download(wanted: Sequence[Checkpoint], options: argparse.Namespace) -> int:
    settings, console = NeuralSettings(), Console(stderr=True)
    for one in wanted:
        accept = options.accept or _agreed(one, console)
        columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
        with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
            task = bars.add_task(one.name, total=one.size)
            path = download(
                one,
                settings.weights_dir,
                accept=accept,
                mirror=options.mirror or settings.weights_mirror,
                report=partial(_advance, bars, task),
            )
        Console().print(str(path), highlight=False, soft_wrap=True)
    return 0


def _advance(bars: Progress, task: TaskID, done: int, total: int) -> None:
    bars.update(task, completed=done, total=total)


def _agreed(one: Checkpoint, console: Console) -> bool:
    """Show the terms and ask; without a terminal nobody can agree."""
    if verify(one, NeuralSettings().weights_dir) == "ok":
        return True
    if not console.is_terminal:
        return False  # the refusal says the terms
    console.print(f"[bold]{one.name}[/]: {one.terms}", soft_wrap=True)
    return console.input("Do you accept these terms? \\[y/N] ").strip().lower() in ("y", "yes")
