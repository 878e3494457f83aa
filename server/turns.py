"""Work of one kind that requests have done while they wait: so much at once, so many in line, no more."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from server.errors import Refused

RETRY_S = 5


class Turns:
    """`at_once` blocks run, `waiting` wait for their turn, one more is refused.

    what: of what there is too much, for people.
    """

    def __init__(self, at_once: int, waiting: int, what: str) -> None:
        self._slots = asyncio.Semaphore(at_once)
        self._most = at_once + waiting
        self._what = what
        self._here = 0

    def check(self) -> None:
        """Raises Refused 429 if one more would be refused: to be asked before a body is read."""
        if self._here >= self._most:
            message = f"there are {self._here} {self._what} already, and no more may be; try again soon"
            raise Refused(429, "too_busy", message, headers={"Retry-After": str(RETRY_S)})

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[None, None]:
        """Wait for a turn, and have it until the block ends. Raises Refused like `check`."""
        self.check()
        self._here += 1
        try:
            async with self._slots:
                yield
        finally:
            self._here -= 1
