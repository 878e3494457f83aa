"""How the command line shows what there is and how far it is: for people, for logs, and as JSON."""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Event, Thread

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from core.progress import Progress

EVERY_S = 5.0
"""Between two lines of progress where nobody looks at a terminal."""

_WIDE = 1000


def listed(options: argparse.Namespace, rows: Sequence[Mapping[str, object]], table: Table) -> None:
    """Print the table; with `--json` the rows. In a pipe no line is folded."""
    if options.json:
        print(json.dumps(rows, ensure_ascii=False, indent=1, default=str))
        return
    free = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    Console(width=_WIDE if free else None).print(table)


@contextmanager
def watched(progress: Progress, console: Console) -> Iterator[None]:
    """Show how it goes while the block runs: bars on a terminal, elsewhere a line every few seconds."""
    if console.is_terminal:
        with Live(console=console, transient=True, get_renderable=lambda: bars(progress)):
            yield
        return
    over = Event()
    teller = Thread(target=_tell, args=(progress, console, over), daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()


def _tell(progress: Progress, console: Console, over: Event) -> None:
    while not over.wait(EVERY_S):
        far = ", ".join(
            f"{m.name} {_done(m.name, m.done, progress)}" for m in progress.meters.values() if m.done
        )
        seconds = time.perf_counter() - progress.started
        console.print(f"{seconds:.0f} s: {far or 'starting'}", highlight=False, soft_wrap=True, markup=False)


def _done(name: str, done: float, progress: Progress) -> str:
    if name == "tts":
        return f"{progress.audio_s:.1f} s"
    return f"{done:.0f}/{progress.total_frames}" if progress.total_frames else f"{done:.0f}"


def bars(progress: Progress) -> Table:
    """A bar for each stage: how far it is, and how fast."""
    table = Table(box=None, pad_edge=False, show_header=False)
    for meter in progress.meters.values():
        done, total, unit = float(meter.done), float(progress.total_frames), "frames"
        if meter.name == "tts":
            done, total, unit = progress.audio_s, total / max(progress.fps, 1), "s"
        rate = done / meter.elapsed_s if meter.elapsed_s else 0.0
        bar = ProgressBar(total=total or None, completed=done, width=30, pulse=not total)
        table.add_row(meter.name, bar, f"{done:.0f} {unit}", f"{rate:.0f}/s", f"{meter.queued} waiting")
    if progress.first_frame_s is not None:
        table.add_row("", "", f"first frame {progress.first_frame_s * 1000:.0f} ms", "", "")
    return table
