"""Options of the commands that talk to a running server."""

import argparse

from server.cli.options import json_option


def add_cluster(cluster: argparse.ArgumentParser) -> None:
    """`lipstream cluster`."""
    cluster.set_defaults(run="server.cli.cluster:cluster_command")
    actions = cluster.add_subparsers(dest="action", metavar="ACTION", required=True)
    status = actions.add_parser("status", help="every node: what it does, and why it is not used")
    json_option(status)
    drain = actions.add_parser("drain", help="give a node no new jobs; what runs there goes on")
    drain.add_argument("node", metavar="NODE", help="as `cluster status` names it")
    drain.add_argument("--off", action="store_true", help="give it jobs again")
    _server_options(status)
    _server_options(drain)


def add_batch(batch: argparse.ArgumentParser) -> None:
    """`lipstream batch`."""
    batch.set_defaults(run="server.cli.batch:batch_command")
    batch.add_argument(
        "file", metavar="FILE", help="a .csv with a line of names, or JSON objects, one a line"
    )
    batch.add_argument("-o", "--output", default="out", metavar="FOLDER", help="(default: out)")
    batch.add_argument("--at-once", type=int, default=2, metavar="N", help="jobs, 1 to 64 (default: 2)")
    batch.add_argument("--webhook", metavar="URL", help="is told how each job goes, see docs/webhooks.md")
    _server_options(batch)


def add_webhook_secret(secret: argparse.ArgumentParser) -> None:
    """`lipstream webhook-secret`."""
    secret.set_defaults(run="server.cli.keys:webhook_secret_command")


def _server_options(command: argparse.ArgumentParser) -> None:
    """Which running server is meant, and what opens it."""
    command.add_argument("--server", metavar="URL", help="(default: where the settings have it listen)")
    command.add_argument("--key-file", metavar="FILE", help="a file with a key of that server")
