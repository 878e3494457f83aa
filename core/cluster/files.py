"""Files by their content: what a job needs is sent to a node once, and kept there as long as there is room.

A bundle is files that belong together, such as a template. Its digest says all of what is in it, so whoever
has a bundle of that digest need not be sent it again, and what has arrived can be checked.
"""

import asyncio
import hashlib
import json
import shutil
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from core.digest import sha256_of
from core.errors import Error

_HASHES = 4096
"""Files whose hash is remembered."""


class FilesGone(Error):
    """Files of a job are not on the node any more, as others took their room: they are to be sent again."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """Files that belong together. files: where each lies here, by its name in the bundle. bytes: of all."""

    digest: str
    files: Mapping[str, Path]
    bytes: int


class Bundler:
    """Makes bundles; a file that is as it was is not read again."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, int, int], str] = OrderedDict()

    async def bundle(self, files: Mapping[str, Path]) -> Bundle:
        """The bundle of these files. Raises OSError."""
        return await asyncio.to_thread(self._bundle, dict(files))

    async def template(self, folder: Path) -> Bundle:
        """The bundle of a template of a library, with its preparations as they are now. Raises OSError."""
        return await asyncio.to_thread(lambda: self._bundle(_files_of(folder)))

    def _bundle(self, files: Mapping[str, Path]) -> Bundle:
        hashes = {name: self._hash(path) for name, path in files.items()}
        return Bundle(digest_of(hashes), files, sum(path.stat().st_size for path in files.values()))

    def _hash(self, path: Path) -> str:
        seen = path.stat()
        key = str(path), seen.st_mtime_ns, seen.st_size
        if key not in self._known:
            self._known[key] = sha256_of(path)
            while len(self._known) > _HASHES:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        return self._known[key]


class Cache:
    """Bundles on a node, each a folder below `folder` that is named by its digest; `limit` bytes at most, but
    for what jobs use.

    received: bytes that were sent, by digest, of what is here.
    """

    def __init__(self, folder: Path, limit: int, remove: Callable[[str], Awaitable[None]]) -> None:
        """remove: forgets the folder of that name, with whatever is open in it."""
        self.received: Counter[str] = Counter()
        self._folder, self._limit, self._remove = folder, limit, remove
        self._order: OrderedDict[str, None] = OrderedDict()  # what was used longest ago comes first
        self._used: Counter[str] = Counter()
        folder.mkdir(parents=True, exist_ok=True)

    def missing(self, digests: Iterable[str]) -> list[str]:
        """Those that are not here."""
        return [digest for digest in digests if digest not in self._order]

    def wants(self, digest: str) -> bool:
        """Whether it is to be sent, from its beginning: what was begun before is removed. Blocking."""
        if digest in self._order:
            return False
        shutil.rmtree(self._draft(digest), ignore_errors=True)
        return True

    def write(self, digest: str, name: str, data: bytes) -> None:
        """Add to a file of a bundle that is being sent. Blocking.

        Raises ValueError for a name that leaves the bundle.
        """
        place = PurePosixPath(name)
        if place.is_absolute() or ".." in place.parts:
            raise ValueError(f"{name!r} is no name in a bundle")
        path = self._draft(digest) / place
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(data)
        self.received[digest] += len(data)

    async def keep(self, digest: str) -> None:
        """All of it has been sent. Raises Error if it is not what the digest says."""
        draft = self._draft(digest)
        try:
            there = await asyncio.to_thread(lambda: digest_of(_hashes(draft)))
            if there != digest:
                raise Error(f"a bundle of files did not arrive as it was sent: {there[:8]}, not {digest[:8]}")
            draft.rename(self._folder / digest)
        finally:
            await asyncio.to_thread(shutil.rmtree, draft, ignore_errors=True)
        self._order[digest] = None
        await self._trim()

    @contextmanager
    def using(self, digests: Iterable[str]) -> Generator[None, None, None]:
        """Keep these as long as the block runs. Raises FilesGone."""
        held = list(digests)
        if gone := self.missing(held):
            raise FilesGone(f"files of the job are not on this node any more: {gone[0][:8]}")
        for digest in held:
            self._order.move_to_end(digest)
        self._used.update(held)
        try:
            yield
        finally:
            self._used.subtract(held)
            self._used = +self._used  # what nobody uses is not counted

    async def _trim(self) -> None:
        """Remove what was used longest ago until the rest fits; the newest stays, whatever its size."""
        sizes = await asyncio.to_thread(lambda: {one: _size(self._folder / one) for one in list(self._order)})
        held = sum(sizes.values())
        for digest in list(self._order)[:-1]:
            if held <= self._limit:
                return
            if not self._used[digest]:
                del self._order[digest], self.received[digest]
                held -= sizes[digest]
                await self._remove(digest)

    def _draft(self, digest: str) -> Path:
        return self._folder / f".{digest}"


def digest_of(hashes: Mapping[str, str]) -> str:
    """The digest of files with these hashes, by name: 64 hex digits."""
    return hashlib.sha256(json.dumps(sorted(hashes.items())).encode()).hexdigest()


def _files_of(folder: Path) -> dict[str, Path]:
    """What of a template's folder a job needs. Mattes are not sent: a node cuts out whom it needs alone."""
    prepared = [*folder.glob("prepared/[!.]*/video.mp4"), *folder.glob("prepared/[!.]*/[!.]*.npz")]
    found = [folder / "template.json", *folder.glob("source.*"), *prepared]
    return {path.relative_to(folder).as_posix(): path for path in sorted(found)}


def _hashes(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): sha256_of(path) for path in files}


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
