"""The video of a session, which never ends: its newest seconds in memory, read by any number of viewers.

A viewer is the number of the fragment it wants next, and begins at the newest key frame. One who takes the
video slower than it is made, until what it wants next is gone, goes on at the newest key frame as well. So a
session's memory depends neither on how long it lasts nor on its viewers, and the maker waits for nobody.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator

from core.types import Fragment

KEPT_S = 4.0
"""Seconds of video that are kept, from a key frame on; about as far as a viewer may fall behind."""

KEPT = 8 << 20
"""Bytes that are kept, at most, beyond the newest key frame and what follows it."""

JOIN = 128 << 10
"""Bytes handed to a viewer at once, if there is more than one fragment to hand."""


class Ring:
    """`append` and `end` are its maker's; viewers read `pieces`.

    ended: why it grows no more, None while it may.
    """

    def __init__(self) -> None:
        self.ended: str | None = None
        self._init = b""
        self._fragments: list[bytes] = []
        self._base = 0  # the number of the first of them, which is a key frame
        self._keys: deque[tuple[int, float]] = deque()  # numbers of key frames, and when each is shown
        self._held = 0
        self._news = asyncio.Event()

    @property
    def held(self) -> int:
        """Bytes in memory."""
        return self._held

    def append(self, fragment: Fragment) -> None:
        """Add what was made; viewers have it at once. What comes before the first key frame is of no use."""
        if fragment.kind == "init":
            self._init = fragment.data
            return
        if fragment.kind == "video" and fragment.key:
            shown = fragment.start / fragment.timescale
            self._keys.append((self._base + len(self._fragments), shown))
            self._trim(shown)
        if self._keys:
            self._fragments.append(fragment.data)
            self._held += len(fragment.data)
            self._wake()

    def end(self, reason: str) -> None:
        """Say that nothing more comes: viewers get what is there, then the end. The first reason counts."""
        if self.ended is None:
            self.ended = reason
            self._wake()

    async def pieces(self, *, live: bool = True) -> AsyncGenerator[bytes, None]:
        """The init segment, then whole fragments from the newest key frame on; there is no other way."""
        while not self._keys:
            if self.ended is not None:
                return
            await self._news.wait()
        yield self._init
        wanted = self._keys[-1][0]
        while True:
            if wanted < self._base:
                wanted = self._keys[-1][0]
            if wanted < self._base + len(self._fragments):
                data, wanted = self._from(wanted)
                yield data
            elif self.ended is not None:
                return
            else:
                await self._news.wait()

    def _from(self, first: int) -> tuple[bytes, int]:
        """Fragments from number `first` on, about JOIN bytes, and the number after them."""
        found: list[bytes] = []
        size, stop = 0, first
        for data in self._fragments[first - self._base :]:
            if found and size + len(data) > JOIN:
                break
            found.append(data)
            size, stop = size + len(data), stop + 1
        return b"".join(found), stop

    def _trim(self, now_s: float) -> None:
        """Let go of what is too old or too much, from one key frame to another."""
        while len(self._keys) > 1 and (self._keys[1][1] < now_s - KEPT_S or self._held > KEPT):
            self._keys.popleft()
            gone = self._keys[0][0] - self._base
            self._held -= sum(map(len, self._fragments[:gone]))
            del self._fragments[:gone]
            self._base += gone

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()
