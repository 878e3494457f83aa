"""`lipstream serve`: the server, until it is told to stop."""

import argparse
import os
import sys

from server.app import run
from server.configuration import settings_of
from server.logs import configure
from server.settings import ServerSettings


def serve_command(options: argparse.Namespace) -> int:
    """Serve where the options or the settings say; prints the address when ready."""
    names = ("host", "port", "only", "no_key", "cluster")
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    settings: ServerSettings = settings_of(ServerSettings, **given)
    configure(settings.log_level, settings.log_format)
    if run(settings, ready=_say_where):
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606  # itself, as it was started
    return 0


def _say_where(address: str) -> None:
    print(f"Lipstream is at {address}  (Ctrl-C stops it)", file=sys.stderr, flush=True)
