"""Parts of files, by the letter of RFC 9110, section 14: one part in bytes is answered with it.

Whatever else may stand in `Range` is ignored, as it says, and the whole answered: other units, several parts,
what is no range, any method but GET, and a part of what the file no longer is (`If-Range`). aiohttp, whose
FileResponse does the rest, answers those with 416 or the part.
"""

import asyncio
import math
import re
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from email.utils import parsedate_to_datetime
from pathlib import Path

from aiohttp import web

from server.errors import Refused
from server.stream.media import Clip
from server.stream.sockets import ClientGone, send
from server.stream.viewers import WHOLE

_ONE = re.compile(r"bytes=[ \t]*(\d*)-(\d*)[ \t]*", re.IGNORECASE | re.ASCII)


_FAR = 10**18
"""Bytes that no file has."""


class RangedRequest(web.Request):
    """A request whose `http_range` is what is to be answered.

    unchanged: its `If-Range` has been looked at, and is of the file as it is; else no part is wanted of it.
    """

    ATTRS = web.Request.ATTRS | frozenset({"unchanged"})
    unchanged: bool = False

    @property
    def http_range(self) -> "slice[int, int, int]":
        """The part that is wanted; all of it if that does not matter. A suffix begins below 0."""
        whole: slice[int, int, int] = slice(None, None, 1)
        found = _ONE.fullmatch(", ".join(self.headers.getall("Range", ())))
        changed = "If-Range" in self.headers and not self.unchanged
        if self.method != "GET" or found is None or changed:
            return whole
        first, last = found.groups()
        if first:
            start, stop = _position(first), _position(last) + 1 if last else None
            return whole if stop is not None and stop <= start else slice(start, stop, 1)
        if not last:
            return whole
        return slice(-_position(last) or sys.maxsize, None, 1)  # the last 0 bytes are none that there are

    @property
    def if_range(self) -> None:
        """Nothing, for FileResponse: it looks at dates alone, and takes fractions of a second for changes."""


async def file_or_part(
    request: web.Request, path: Path, headers: Mapping[str, str], what: str
) -> web.StreamResponse:
    """A file, or the part asked for. what: what it is called.

    Raises Refused 416 for a part beyond its end, 404 if the file is gone.
    """
    try:
        found = await asyncio.to_thread(path.stat)
    except FileNotFoundError:
        raise Refused(404, "not_found", f"{what} is gone") from None
    tag = f'"{found.st_mtime_ns:x}-{found.st_size:x}"'  # as FileResponse has it
    if (known := request.headers.get("If-Range")) is not None:
        assert isinstance(request, RangedRequest)  # noqa: S101  # as the entrance makes them
        request.unchanged = _is_of(known, tag, found.st_mtime)
    if (request.http_range.start or 0) >= found.st_size > 0:
        size = {"Content-Range": f"bytes */{found.st_size}"}
        raise Refused(416, "range_not_satisfiable", f"{what} has {found.st_size} bytes", "Range", size)
    return web.FileResponse(path, headers=headers)


async def part_so_far(
    request: web.Request, clip: Clip, headers: Mapping[str, str]
) -> web.StreamResponse | None:
    """The part asked for of a video that may grow, if all of it is there already.

    None if it is not, or no part is asked for, or one up to an end that is not there yet: then the whole is
    the answer, as it grows. Raises Refused 416 for what is beyond the end of one that grows no more.
    """
    start, stop = request.http_range.start, request.http_range.stop
    if start is None:
        return None
    size: int | None = None
    if clip.ended in WHOLE:
        size = clip.size
        start, stop = (max(0, size + start) if start < 0 else start), min(size, stop or size)
        if start >= size:
            headers = {"Content-Range": f"bytes */{size}"}
            raise Refused(416, "range_not_satisfiable", f"the video has {size} bytes", "Range", headers)
    if start < 0 or stop is None or stop > clip.size:
        return None
    usual = {"Cache-Control": "no-store", "Content-Type": "video/mp4"}
    response = web.StreamResponse(status=206, headers=usual | dict(headers))
    response.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{'*' if size is None else size}"
    response.content_length = stop - start
    await response.prepare(request)
    with suppress(ClientGone):
        async with aclosing(_part(clip, start, stop)) as pieces:
            async for data in pieces:
                await send(request, response.write(data))
    return response


async def _part(clip: Clip, start: int, stop: int) -> AsyncGenerator[bytes, None]:
    """Bytes `start` to `stop` of a clip that has them."""
    offset = clip.fragment_of(start)
    while offset < stop and (data := await clip.read(offset)) is not None:
        yield data[max(0, start - offset) : stop - offset]
        offset += len(data)


def _position(digits: str) -> int:
    """The number, or one that is as far beyond any file; however many digits there are."""
    digits = digits.lstrip("0")
    return int(digits or "0") if len(digits) <= 18 else _FAR


def _is_of(known: str, tag: str, modified: float) -> bool:
    """Whether `If-Range` is of a file as it is: its tag, or when it was changed last as aiohttp tells it."""
    if known.lstrip().startswith(('"', "W/")):
        return known.strip() == tag  # a weak one never is
    try:
        return parsedate_to_datetime(known).timestamp() == math.ceil(modified)
    except (ValueError, TypeError):
        return False
