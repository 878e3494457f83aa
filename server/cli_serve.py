"""`lipstream serve`: the server, until it is told to stop."""

import argparse
import sys

from server.app import run
from server.configuration import settings_of
from server.settings import ServerSettings


def serve_command(options: argparse.Namespace) -> int:
    """Serve where the options or the settings say; prints the address when ready."""
    given = {name: getattr(options, name) for name in ("host", "port") if getattr(options, name) is not None}
    run(settings_of(ServerSettings, **given), ready=_say_where)
    return 0


def _say_where(address: str) -> None:
    print(f"Lipstream is at {address}  (Ctrl-C stops it)", file=sys.stderr, flush=True)
