"""`lipstream keys`: the keys that open the server; and `webhook-secret`, which its posts are signed with."""

import argparse
import sys
import time

from rich.console import Console
from rich.table import Table

from server.access.keys import Keys
from server.configuration import settings_of
from server.jobs.webhooks import secret_word
from server.settings import ServerSettings


def keys_command(options: argparse.Namespace) -> int:
    """Dispatch `add`, `list`, `remove`. A server that runs goes by it at once."""
    keys = Keys(settings_of(ServerSettings).data_dir)
    if options.action == "list":
        return _list(keys)
    if options.action == "remove":
        keys.remove(options.name)
        return 0
    secret = keys.add(options.name, options.scope, options.owner, options.jobs, options.minutes_a_day)
    print(secret)
    print("Keep it: it is not shown again. Programs send it as Authorization: Bearer KEY.", file=sys.stderr)
    return 0


def _list(keys: Keys) -> int:
    found = keys.all()
    if not found:
        print("There is no key: whoever reaches the server may do everything.", file=sys.stderr)
        return 0
    table = Table(
        "key", "scope", "opens what is of", "jobs", "minutes a day", "since", box=None, pad_edge=False
    )
    for key in found:
        since = time.strftime("%Y-%m-%d", time.localtime(key.created_at))
        quotas = (f"{one:g}" if one is not None else "" for one in (key.jobs, key.minutes_a_day))
        table.add_row(key.name, key.scope, key.owner, *quotas, since)
    Console().print(table)
    return 0


def webhook_secret_command(_options: argparse.Namespace) -> int:
    """Show it; what there is none of yet is made."""
    settings = settings_of(ServerSettings)
    settings.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    print(secret_word(settings.folder, settings.webhook_secret.get_secret_value()))
    return 0
