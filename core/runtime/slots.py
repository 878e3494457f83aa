"""So many at once, where how many may change."""

import asyncio


class Slots:
    """What a semaphore is, but that its limit may be changed, even below what is taken.

    taken: how many are. limit: how many may be.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.taken = 0
        self._closed = False
        self._news = asyncio.Event()

    async def acquire(self) -> None:
        """Wait for one and take it; from `close` on, at once."""
        while self.taken >= self.limit and not self._closed:
            self._news.clear()
            await self._news.wait()
        self.taken += 1

    def release(self) -> None:
        """Give one back."""
        self.taken -= 1
        self._news.set()

    def resize(self, limit: int) -> None:
        """From now on so many; what is taken beyond that stays taken until it is given back."""
        self.limit = limit
        self._news.set()

    def close(self) -> None:
        """Have nobody wait any more."""
        self._closed = True
        self._news.set()
