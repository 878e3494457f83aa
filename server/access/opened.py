"""What the holders of keys have open just now: a key that is removed takes it away from them."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager

from server.access.keys import Keys

LOOK_S = 1.0
"""Seconds between two looks at what keys there are."""


class Opened:
    """Requests that are being answered, however long: streams, sockets, uploads, speech."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._lines: dict[str, dict[object, asyncio.Transport]] = {}

    @contextmanager
    def by(self, key: str, line: asyncio.Transport | None) -> Generator[None, None, None]:
        """A request of this key's holder ("" of nobody's), until the block ends."""
        if not key or line is None:
            yield
            return
        this, held = object(), self._lines.setdefault(key, {})
        held[this] = line
        try:
            yield
        finally:
            del held[this]
            if not held:
                self._lines.pop(key, None)

    def __len__(self) -> int:
        """How many there are."""
        return sum(map(len, self._lines.values()))

    async def cut_of_removed(self) -> None:
        """Cut the lines of keys that are removed, within LOOK_S; for ever. Who comes again is told why."""
        while True:
            await asyncio.sleep(LOOK_S)
            if not self._lines:
                continue
            for key in self._lines.keys() - self._keys.marks:
                for line in list(self._lines[key].values()):
                    line.abort()
