"""`lipstream serve`: the server, until it is told to stop."""

import argparse
import sys

from pydantic import ValidationError

from core.errors import BadInput
from server.app import run
from server.settings import ServerSettings


def serve_command(options: argparse.Namespace) -> int:
    """Serve on the address the options, the environment or `.env` give; prints it when ready."""
    given = {name: getattr(options, name) for name in ("host", "port") if getattr(options, name) is not None}
    try:
        settings = ServerSettings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        raise BadInput("bad_setting", f"{name}: {first['msg']}, not {first['input']!r}", name) from error
    run(settings, ready=_say_where)
    return 0


def _say_where(address: str) -> None:
    print(f"Lipstream is at {address}  (Ctrl-C stops it)", file=sys.stderr, flush=True)
