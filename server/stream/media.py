"""The video of a job as it grows: written once, to a file, and read by any number of viewers.

A viewer is an offset into the file. What was made last is also in memory, up to TAIL bytes, because that is
what nearly every viewer wants next; older bytes are read back from the file. So the memory of a job's video
does not depend on its length or on its viewers, the maker never waits for a viewer, and a viewer who joins
late, or again, starts at the beginning or at the newest key frame. Offsets always fall between fragments.
"""

import asyncio
import os
from array import array
from bisect import bisect_right
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from core.errors import telling_no_room
from core.media.growing import fragment_ends
from core.runtime.worker import Worker

TAIL = 1 << 20
"""Bytes kept in memory."""

UNWRITTEN = 256 << 10
"""Bytes that may wait to be written: one visit to the disk's thread for many fragments."""

JOIN = 128 << 10
"""Bytes handed to a viewer at once, if there is more than one fragment to hand."""

EAGER = 80
"""Fragments announced one by one: the first second or so, when a player waits for each."""

STOPPED = "server_stopped"
"""Why a clip ended whose job will be done again."""

LEAST_PAUSE_S, LONGEST_PAUSE_S = 0.02, 0.25
"""Later fragments are announced this seldom. The further the video is ahead of a viewer who plays it, the
longer the pause: nobody misses what was made fast, and handing it out in pieces would cost the makers."""


class Clip:
    """One growing file. `start`, `append`, `flush`, `end` are its maker's; viewers `read`.

    size: bytes so far. newest_key: offset of the newest key frame, where a player may begin that has the init
    segment.
    ended: why it grows no more ("completed", "failed", ...), None while it may.
    """

    def __init__(self, disk: Worker) -> None:
        self.size = 0
        self.newest_key = 0
        self.ended: str | None = None
        self.viewers = 0
        self._disk = disk
        self._file = -1
        self._ends = array("Q")  # where each fragment ends
        self._tail: list[bytes] = []  # the newest fragments; `_base` is the number of the first of them
        self._base = 0
        self._held = 0
        self._written = 0
        self._news = asyncio.Event()
        self._announcing = False
        self._began = 0.0

    @property
    def init(self) -> int:
        """Length of the init segment; 0 while there is none."""
        return self._ends[0] if self._ends else 0

    async def start(self, path: Path) -> None:
        """Begin the file. Raises OSError."""
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        self._file = await self._disk.call(os.open, path, flags, 0o644)

    async def append(self, data: bytes, *, key: bool = False, until_s: float = 0.0) -> None:
        """Add a fragment; viewers have it at once. key: a player may begin here. until_s: where in the video
        it ends, in seconds.

        Raises StorageFull, OSError.
        """
        if key:
            self.newest_key = self.size
        self._tail.append(data)
        self._held += len(data)
        self.size += len(data)
        self._ends.append(self.size)
        self._announce(until_s)
        if self.size - self._written >= UNWRITTEN:
            await self.flush()

    async def flush(self) -> None:
        """Have every byte in the file. Raises StorageFull, OSError."""
        first, upto = bisect_right(self._ends, self._written), self.size
        data = b"".join(self._tail[first - self._base :])
        with telling_no_room("the disk is full"):
            # At its place, not at the end: a cancelled flush may have written it already.
            await self._disk.call(_write_all, self._file, data, self._written)
        self._written = max(self._written, upto)
        self._trim()

    def end(self, reason: str) -> None:
        """Say that nothing more comes: viewers get what is there, then the end. The first reason counts."""
        if self.ended is None:
            self.ended = reason
            self._wake()

    async def read(self, offset: int) -> bytes | None:
        """Whole fragments from `offset` on, about JOIN bytes; waits for some. None after the last."""
        while offset >= self.size:
            if self.ended is not None:
                return None
            await self._news.wait()
        first = bisect_right(self._ends, offset)
        stop = max(first + 1, bisect_right(self._ends, offset + JOIN))
        if first >= self._base:
            return b"".join(self._tail[first - self._base : stop - self._base])
        # Everything before the tail is in the file.
        size = self._ends[min(stop, self._base) - 1] - offset
        return await self._disk.call(os.pread, self._file, size, offset)

    def fragment_of(self, offset: int) -> int:
        """Where the fragment begins that the byte at `offset` is in."""
        before = bisect_right(self._ends, offset)
        return self._ends[before - 1] if before else 0

    async def pieces(self, *, live: bool = False) -> AsyncGenerator[bytes, None]:
        """The init segment, then fragments from the first on; live: from the newest key frame on."""
        offset = 0
        while (data := await self.read(offset)) is not None:
            if live and not offset:
                data = data[: self.init]
            yield data
            offset += len(data)
            if live and offset == self.init:
                offset = max(offset, self.newest_key)

    async def close(self) -> None:
        """Let go of the file."""
        file, self._file = self._file, -1
        if file >= 0:
            await self._disk.call(os.close, file)

    def reopen(self, file: int, ends: "array[int]") -> None:
        """Become the clip in an open file that grows no more; `ends`: where its fragments end."""
        self._file, self._ends, self._base = file, ends, len(ends)
        self.size = self._written = ends[-1] if ends else 0
        self.end("completed")

    def _trim(self) -> None:
        drop = 0
        while self._held > TAIL and self._ends[self._base + drop] <= self._written:
            self._held -= len(self._tail[drop])
            drop += 1
        del self._tail[:drop]
        self._base += drop

    def _announce(self, until_s: float) -> None:
        now = asyncio.get_running_loop().time()
        if len(self._ends) <= EAGER:
            self._began = self._began or now
            self._wake()
        elif not self._announcing:
            self._announcing = True
            ahead = until_s - (now - self._began)
            pause = min(LONGEST_PAUSE_S, max(LEAST_PAUSE_S, ahead / 10))
            asyncio.get_running_loop().call_later(pause, self._wake)

    def _wake(self) -> None:
        self._announcing = False
        news, self._news = self._news, asyncio.Event()
        news.set()


class Clips:
    """The clips of all jobs that have not ended; those that have are opened from their files.

    path: where the clip of a job lies.
    """

    def __init__(self, path: Callable[[str], Path]) -> None:
        self._path = path
        self._disk = Worker("clips")
        self._growing: dict[str, Clip] = {}
        self._stopped = False
        self.viewers = 0

    def coming(self, job_id: str) -> Clip:
        """The clip of a job that has not ended, perhaps not begun: reading waits for its first bytes."""
        if job_id not in self._growing:
            clip = self._growing[job_id] = Clip(self._disk)
            if self._stopped:
                clip.end(STOPPED)
        return self._growing[job_id]

    async def begin(self, job_id: str) -> Clip:
        """Start the file of a job that runs; whoever waits for it has waited for this. Raises OSError."""
        clip = self.coming(job_id)
        await clip.start(self._path(job_id))
        return clip

    async def end(self, job_id: str, reason: str) -> None:
        """Say that a job's clip, if there is one, grows no more. It stays open for those who view it."""
        clip = self._growing.pop(job_id, None)
        if clip is not None:
            clip.end(reason)
            if not clip.viewers:
                await clip.close()

    async def finished(self, job_id: str) -> Clip:
        """The clip of a completed job. Raises OSError if it is gone."""
        clip = Clip(self._disk)
        clip.reopen(*await self._disk.call(_open_finished, self._path(job_id)))
        return clip

    @asynccontextmanager
    async def viewing(self, clip: Clip) -> AsyncGenerator[None, None]:
        """Keep a clip open while someone views it."""
        clip.viewers += 1
        self.viewers += 1
        try:
            yield
        finally:
            clip.viewers -= 1
            self.viewers -= 1
            if clip.ended is not None and not clip.viewers:
                await clip.close()

    def stop(self) -> None:
        """The server stops: nothing comes of a clip that has not begun, or in this process ever will."""
        self._stopped = True
        for clip in self._growing.values():
            if not clip.size:
                clip.end(STOPPED)

    async def close(self) -> None:
        """The server stops: end every clip and wait for the disk."""
        for job_id in list(self._growing):
            await self.end(job_id, STOPPED)
        await asyncio.to_thread(self._disk.close)


def _write_all(file: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        done = os.pwrite(file, view, offset)
        view, offset = view[done:], offset + done


def _open_finished(path: Path) -> tuple[int, "array[int]"]:
    """An open file of ours and where its fragments end."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return file, fragment_ends(file)
    except BaseException:
        os.close(file)
        raise
