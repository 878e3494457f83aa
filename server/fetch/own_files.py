"""Files that the server has itself where a URL names one: read from its disk or storage, never fetched."""

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from yarl import URL

from core.errors import BadInput, StorageError, UnknownJob
from core.runtime.tasks import in_daemon_thread
from server.access.caller import caller
from server.addresses import Allowed, allowed
from server.errors import Refused
from server.fetch.fetcher import Source
from server.folder import ServerFolder, link
from server.settings import ServerSettings
from server.storage.links import Files
from server.storage.local import LINKS, SignedLinks
from server.store.store import Store

if TYPE_CHECKING:
    from server.storage.oss import OssStorage

_ID, _NAME = r"([A-Za-z0-9_-]{1,64})", r"([A-Za-z0-9][A-Za-z0-9_.-]{0,63})"
_OUTPUT = re.compile(rf"/v1/(?:jobs/{_ID}/outputs|files/{_ID}/[0-9a-f]{{32}})/{_NAME}$")


def own_results(store: Store, folder: ServerFolder, local: SignedLinks) -> Source:
    """Knows a result by its job, whatever host the URL names: a server has many names, a job has one.

    Another's result is theirs who have a signed link to it; else it is as if it were not here.
    """

    async def read(url: URL, path: Path, limit: int) -> bool:
        match = _OUTPUT.search(url.path)
        if match is None or url.scheme == "oss":
            return False
        try:
            job = await store.get(match[1] or match[2])
        except UnknownJob:
            return False  # perhaps another server's
        if not (caller.get().sees_job(job) or _signed(local, url)):
            return False
        output = next((output for output in job.outputs if output.name == match[3]), None)
        if output is None:
            raise BadInput("unknown_output", f"job {job.id} has no {match[3]!r}; it is {job.status}")
        if output.bytes > limit:
            raise BadInput("url_too_large", f"{output.name} is over {limit >> 20} MB")
        await asyncio.to_thread(link, folder.root / output.path, path)
        return True

    return read


def _signed(local: SignedLinks, url: URL) -> bool:
    """Whether the URL is a link of ours that still holds."""
    key = url.path.partition(f"{LINKS}/")[2]
    try:
        local.check(key, url.query.get("expires", ""), url.query.get("signature", ""))
    except Refused:
        return False
    return bool(key)


def oss_objects(storage: "OssStorage", prefix: str, allowed: Allowed) -> Source:
    """Knows the objects of our bucket: our own, below `prefix`, and those that the operator allows."""

    async def read(url: URL, path: Path, limit: int) -> bool:
        name = storage.name_in(url)
        if name is None:
            return False
        if not ((prefix and name.startswith(prefix)) or allowed.object(storage.bucket, name)):
            return False  # what is on the web for everybody can be had there
        try:
            await in_daemon_thread(lambda: storage.read(name, path, limit))
        except StorageError as error:
            raise BadInput("url_unreachable", str(error)) from error
        return True

    return read


def sources(files: Files, settings: ServerSettings, store: Store, folder: ServerFolder) -> Sequence[Source]:
    """Where a URL is looked for before it is fetched."""
    found = [own_results(store, folder, files.local)]
    if files.remote is not None:
        found.append(oss_objects(files.remote, settings.oss_prefix, allowed(settings.fetch_allow)))
    return found
