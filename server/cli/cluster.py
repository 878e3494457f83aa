"""`lipstream cluster`: what a running server's nodes do, and which get no new jobs."""

import argparse
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rich.table import Table

from core.errors import BadInput, Error
from server.cli.shown import listed
from server.configuration import settings_of
from server.settings import ServerSettings

WAIT_S = 10.0
"""Seconds for the server to answer."""


def cluster_command(options: argparse.Namespace) -> int:
    """Dispatch `status`, `drain`."""
    if options.action == "drain":
        node = _ask(options, f"/v1/cluster/nodes/{quote(options.node)}/drain", {"drain": not options.off})
        print(f"{node['id']} is {node['state']}; {node['running']} jobs run there")
        return 0
    found = _ask(options, "/v1/cluster")
    table = Table("node", "state", "jobs", "slots", "cores", "sent", box=None, pad_edge=False)
    for node in found["nodes"]:
        sent = f"{node['sent_bytes'] / 1e6:.1f} MB"
        jobs = f"{node['running']} {' '.join(node['jobs'])}"
        state = node["state"] + (f": {node['problem']}" if node.get("problem") else "")
        table.add_row(node["id"], state, jobs, str(node["slots"]), str(node["cores"]), sent)
    if not options.json:
        where = (
            "by the server itself" if found["cluster"] == "local" else f"on the cluster {found['cluster']}"
        )
        print(f"videos are made {where}, {found['slots']} at once")
    if found["nodes"] or options.json:
        listed(options, found["nodes"], table)
    return 0


def asked_server(options: argparse.Namespace) -> tuple[str, dict[str, str]]:
    """The server's address, and the headers that open it. Raises BadInput."""
    settings: ServerSettings = settings_of(ServerSettings)
    server = (options.server or f"http://{settings.host}:{settings.port}").rstrip("/")
    if not server.startswith(("http://", "https://")):
        raise BadInput("bad_address", f"--server {server}: write it like http://127.0.0.1:8010", "server")
    if not options.key_file:
        return server, {}
    key = Path(options.key_file).read_text(encoding="ascii").strip()
    return server, {"Authorization": f"Bearer {key}"}


def _ask(options: argparse.Namespace, path: str, body: object = None) -> dict[str, Any]:
    """What the server answers. Raises Error, BadInput."""
    server, headers = asked_server(options)
    headers["Content-Type"] = "application/json"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(server + path, data, headers)  # noqa: S310  # http or https, see above
    try:
        with urllib.request.urlopen(request, timeout=WAIT_S) as answer:  # noqa: S310
            found: dict[str, Any] = json.load(answer)
    except urllib.error.HTTPError as error:
        raise Error(f"{server} says: {_message(error)}") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "reason", error)
        raise Error(f"no Lipstream server answers at {server} ({why}); say where with --server") from None
    return found


def _message(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"{error.code} {error.reason}"
