"""`lipstream serve`: the server, until it is told to stop."""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import SecretStr

from core.config import Settings
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
    with without_secrets():
        again = run(settings, ready=_say_where)
    if again:
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606  # itself, as it was started
    return 0


@contextmanager
def without_secrets() -> Iterator[None]:
    """Until the block ends the environment has none of the server's own secrets, which are read by now: what
    is started meanwhile (voices, processes of engines) would inherit them."""
    kept = {name: value for name, value in os.environ.items() if _is_secret(name)}
    for name in kept:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(kept)


def _is_secret(name: str) -> bool:
    name = name.lower().removeprefix("lipstream_")
    field = ServerSettings.model_fields.get(name)
    # Those of `core.config` are read by engines, each in its process.
    return field is not None and field.annotation is SecretStr and name not in Settings.model_fields


def _say_where(address: str) -> None:
    print(f"Lipstream is at {address}  (Ctrl-C stops it)", file=sys.stderr, flush=True)
