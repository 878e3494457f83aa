"""Results of this server's own jobs, where a URL names one: read from the disk, never over the network."""

import asyncio
import re
from pathlib import Path

from yarl import URL

from core.errors import BadInput
from server.fetched import link
from server.fetching import Source
from server.folder import ServerFolder
from server.store import Store
from server.store_rows import UnknownJob

_OUTPUT = re.compile(r"/v1/jobs/([A-Za-z0-9_-]{1,64})/outputs/([A-Za-z0-9][A-Za-z0-9_.-]{0,63})$")


def own_results(store: Store, folder: ServerFolder) -> Source:
    """Knows a result by its job, whatever host the URL names: a server has many names, a job has one."""

    async def read(url: URL, path: Path, limit: int) -> bool:
        match = _OUTPUT.search(url.path)
        if match is None or url.scheme == "oss":
            return False
        try:
            job = await store.get(match[1])
        except UnknownJob:
            return False  # perhaps another server's
        output = next((output for output in job.outputs if output.name == match[2]), None)
        if output is None:
            raise BadInput("unknown_output", f"job {job.id} has no {match[2]!r}; it is {job.status}")
        if output.bytes > limit:
            raise BadInput("url_too_large", f"{output.name} is over {limit >> 20} MB")
        await asyncio.to_thread(link, folder.root / output.path, path)
        return True

    return read
