"""`lipstream config`: what is set, and where."""

import argparse

from rich.console import Console
from rich.table import Table
from rich.text import Text

from server.configuration import page, show


def config_command(options: argparse.Namespace) -> int:
    """Dispatch `show`, `docs`."""
    if options.action == "docs":
        print(page(), end="")
        return 0
    table = Table(box=None, pad_edge=False)
    for column in ("setting", "value", "from"):
        table.add_column(column, overflow="fold")
    for one in show():
        table.add_row(one.name, Text(one.value), Text(one.origin, style="dim" * (one.origin == "default")))
    Console().print(table)
    return 0
