"""Fetch a file that a URL names: a template, a recording, a picture. Nothing of our own network is reached.

Only http and https, ports 80 and 443, no credentials; at most REDIRECTS redirects, each looked at like the
first URL; the address is checked as it is dialled (`server.addresses`), so neither names that point inside
nor names that change while they are looked up get through. Size, time and type are limited, and what arrives
is looked at in a child process before anybody gets it. What the server has itself is read, not fetched: that
is what a `Source` is for.

Learnt from OWASP's SSRF cheat sheet (https://cheatsheetseries.owasp.org), which says to check the address
that is used.
"""

import asyncio
import hashlib
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal
from weakref import WeakValueDictionary

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from core.digest import sha256_of
from core.errors import NO_ROOM, BadInput, Error, StorageFull
from core.media.foreign import probe
from server.addresses import Allowed, allowed
from server.fetch.cache import Cache, Entry
from server.fetch.guard import Guard, check_place, parsed, short
from server.folder import link
from server.settings import ServerSettings

Kind = Literal["video", "audio", "image"]

REDIRECTS = 3

CONNECT_S, SILENCE_S = 10.0, 20.0
"""Seconds to get through, and without a byte."""

AT_ONCE = 4
"""Fetches that run at the same time; more of them wait."""

CACHE = "fetched"
"""What the cache's folder in the data folder is called."""

_PIECE = 256 << 10
_ROOM = 64 << 20
"""Bytes of disk that a fetch leaves free."""

_TYPES = ("video/", "audio/", "image/", "application/octet-stream", "binary/octet-stream", "application/mp4")
_MOVED = (301, 302, 303, 307, 308)

Source = Callable[[URL, Path, int], Awaitable[bool]]
"""Writes what a URL names to the path, at most so many bytes, if the URL names something we have; else False.
Raises BadInput if it names something of ours that is not there."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A fetched file. path: in the cache, which owns it; `Fetcher.take` gives one of one's own.

    name: the last part of the URL, for people only.
    """

    path: Path
    name: str
    kind: str
    type: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one fetch: bytes, and seconds for everything."""

    bytes: int
    seconds: float


class Fetcher:
    """Fetches into one cache."""

    def __init__(
        self,
        cache: Cache,
        limits: Limits,
        allowed: Allowed,
        sources: Sequence[Source] = (),
        *,
        enabled: bool = True,
        resolver: AbstractResolver | None = None,
    ) -> None:
        """enabled: False refuses everything. resolver: looks up names; the system's if None."""
        self._cache = cache
        self._limits = limits
        self._allowed = allowed
        self._sources = sources
        self._enabled = enabled
        self._resolver = resolver
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def fetch(self, url: str, *kinds: Kind, param: str = "url") -> Fetched:
        """The file at `url`, which must be one of `kinds`; a video with sound will do as audio.

        param: what to call the URL in an error. Raises BadInput: `bad_url`, `url_not_allowed`,
        `url_unreachable`, `url_too_slow`, `url_refused`, `url_too_large`, `wrong_media`, and those of
        `core.media.foreign.probe`; StorageFull.
        """
        return await self._within_limits(url, kinds, None, param)

    async def take(self, url: str, *kinds: Kind, into: Path, param: str = "url") -> Fetched:
        """`fetch`, as the caller's own file at `into`, whatever happens to the cache."""
        return await self._within_limits(url, kinds, into, param)

    def check(self, url: str, param: str = "url") -> None:
        """Raises BadInput for what would not be fetched, whatever is there: `fetching_off`, `bad_url`."""
        if not self._enabled:
            raise BadInput("fetching_off", "this server fetches nothing from URLs; send the file", param)
        try:
            parsed(url)
        except BadInput as error:
            error.param = param
            raise

    async def _within_limits(self, url: str, kinds: Sequence[Kind], into: Path | None, param: str) -> Fetched:
        self.check(url, param)
        try:
            async with asyncio.timeout(self._limits.seconds):
                async with self._lock(url), self._slots:
                    return await self._fetch(url, kinds, into)
        except BadInput as error:
            error.param = param
            raise
        except TimeoutError:
            message = f"{short(url)} took over {self._limits.seconds:.0f} s; send the file itself"
            raise BadInput("url_too_slow", message, param) from None

    def _lock(self, url: str) -> asyncio.Lock:
        return self._locks.setdefault(url, asyncio.Lock())

    async def _fetch(self, url: str, kinds: Sequence[Kind], into: Path | None) -> Fetched:
        target = parsed(url)
        known = await asyncio.to_thread(self._cache.find, str(target))
        draft = await asyncio.to_thread(self._cache.draft)
        try:
            entry = await self._read(target, draft) or await self._download(target, draft, known)
            if entry is not known:
                entry = await _looked_at(entry, draft)
            _check_kind(entry, kinds)
            # Handed over before it is the cache's: that may drop it for the next file at any time.
            if into is not None:
                await asyncio.to_thread(link, self._cache.path(entry) if entry is known else draft, into)
            if entry is not known:
                await asyncio.to_thread(self._cache.add, entry, draft)
        except FileNotFoundError:
            if known is None:
                raise
            # It was dropped after it was found: what is not known is fetched whole.
            await asyncio.to_thread(self._cache.forget, str(target))
            return await self._fetch(url, kinds, into)
        finally:
            draft.unlink(missing_ok=True)
        path = into or self._cache.path(entry)
        return Fetched(path, entry.name, entry.kind.partition("+")[0], entry.type, entry.bytes, entry.sha256)

    async def _read(self, url: URL, draft: Path) -> Entry | None:
        """What the URL names if we have it ourselves."""
        for source in self._sources:
            if await source(url, draft, self._limits.bytes):
                size, digest = await asyncio.to_thread(_measure, draft)
                return Entry(str(url), "", _name(url), "", "", size, digest)
        return None

    async def _download(self, url: URL, draft: Path, known: Entry | None) -> Entry:
        """What the URL answers, in `draft`; `known` if that is still right."""
        first, headers = url, {"Accept-Encoding": "identity", "User-Agent": "lipstream"}
        if known is not None and known.etag:
            headers["If-None-Match"] = known.etag
        for _ in range(REDIRECTS + 1):
            check_place(self._allowed, url)
            async with self._answer(url, headers) as response:
                if response.status in _MOVED:
                    url = parsed(_location(response))
                    continue
                if response.status == 304 and known is not None and "If-None-Match" in headers:
                    return known
                _check_answer(response, self._limits.bytes)
                size, digest = await self._receive(response, draft)
                etag, media = response.headers.get("ETag", ""), response.content_type
                return Entry(str(first), etag[:256], _name(first), "", media, size, digest)
        raise BadInput("url_refused", f"{short(str(first))} redirects more than {REDIRECTS} times")

    @asynccontextmanager
    async def _answer(
        self, url: URL, headers: dict[str, str]
    ) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        """The answer to one GET, dialled under guard."""
        guard = Guard(self._allowed, url)
        session = guard.session(
            aiohttp.ClientTimeout(total=None, connect=CONNECT_S, sock_read=SILENCE_S), self._resolver
        )
        try:
            async with session, session.get(url, headers=headers, allow_redirects=False) as response:
                yield response
        except aiohttp.ServerTimeoutError as error:
            raise BadInput("url_too_slow", f"{short(str(url))} does not answer in time") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise self._why(url, guard, error) from error

    @staticmethod
    def _why(url: URL, guard: Guard, error: Exception) -> BadInput:
        if guard.refused:
            return BadInput(
                "url_not_allowed",
                f"{short(str(url))} leads to an address that is not of the public internet; "
                "the server's setting `fetch_allow` can name it",
            )
        # Of the error only its kind: its words may tell of the network here.
        return BadInput("url_unreachable", f"{short(str(url))} could not be read ({type(error).__name__})")

    async def _receive(self, response: aiohttp.ClientResponse, draft: Path) -> tuple[int, str]:
        """Write the body; its size and SHA-256. Raises BadInput as soon as it is too large, StorageFull."""
        digest, size = hashlib.sha256(), 0
        with draft.open("wb") as file:
            async for piece in response.content.iter_chunked(_PIECE):
                size += len(piece)
                if size > self._limits.bytes:
                    raise _too_large(self._limits.bytes)
                await asyncio.to_thread(_add, file.fileno(), piece, digest.update)
        if not size:
            raise BadInput("empty_file", f"{short(str(response.url))} is an empty file")
        return size, digest.hexdigest()


def _location(response: aiohttp.ClientResponse) -> str:
    try:
        return str(response.url.join(URL(response.headers.get("Location", ""))))
    except ValueError:
        raise BadInput("url_refused", f"{short(str(response.url))} redirects to no URL") from None


def _check_answer(response: aiohttp.ClientResponse, limit: int) -> None:
    where = short(str(response.url))
    if response.status != 200:
        raise BadInput("url_refused", f"{where} answered {response.status}; expected the file itself")
    if "Content-Type" in response.headers and not response.content_type.startswith(_TYPES):
        message = f"{where} is {response.content_type[:80]}; expected a video, sound or picture"
        raise BadInput("wrong_media", message)
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise BadInput("url_refused", f"{where} is sent compressed, though that was not asked for")
    if (response.content_length or 0) > limit:
        raise _too_large(limit)


def _too_large(limit: int) -> BadInput:
    return BadInput("url_too_large", f"the file is over {limit >> 20} MB, the most that is fetched")


async def _looked_at(entry: Entry, draft: Path) -> Entry:
    """The entry with its kind, as a child process sees it; `video+` has sound. Raises BadInput."""
    try:
        info = await probe(draft)
    except BadInput as error:
        error.message = error.message.replace(draft.name, entry.name)
        raise
    kind = "video+" if info.kind == "video" and info.audio_rate else info.kind
    return Entry(entry.url, entry.etag, entry.name, kind, entry.type, entry.bytes, entry.sha256)


def _check_kind(entry: Entry, kinds: Sequence[Kind]) -> None:
    kind = entry.kind.partition("+")[0]
    if kind in kinds or ("audio" in kinds and entry.kind == "video+"):
        return
    shown = {"video": "a video", "audio": "sound", "image": "a picture"}
    wanted = " or ".join(shown[kind] for kind in kinds)
    raise BadInput("wrong_media", f"{entry.name} is {shown[kind]}; expected {wanted}")


def _name(url: URL) -> str:
    """The last part of the path, for people: printable, short, no separators."""
    name = PurePosixPath(url.path).name
    return "".join(c for c in name if c.isprintable() and c not in '/\\"')[:100] or (url.host or "file")


def _add(file: int, piece: bytes, hear: Callable[[bytes], None]) -> None:
    """Write all of it. Raises StorageFull while there is still some room."""
    hear(piece)
    view = memoryview(piece)
    room = os.fstatvfs(file)
    if room.f_bavail * room.f_frsize < _ROOM:
        raise StorageFull("the disk is too full to fetch a file")
    try:
        while view:
            view = view[os.write(file, view) :]
    except OSError as error:  # not the line to the other side, which OSError stands for elsewhere
        full = error.errno in NO_ROOM
        raise StorageFull("the disk is full") if full else Error("a file cannot be written") from error


def _measure(path: Path) -> tuple[int, str]:
    return path.stat().st_size, sha256_of(path)


def fetcher_of(settings: ServerSettings, sources: Sequence[Source] = ()) -> Fetcher:
    """The fetcher that these settings describe."""
    return Fetcher(
        Cache(settings.data_dir / CACHE, int(settings.fetch_cache_gb * 1e9)),
        Limits(settings.upload_mb << 20, settings.fetch_s),
        allowed(settings.fetch_allow),
        sources,
        enabled=settings.fetch,
    )
