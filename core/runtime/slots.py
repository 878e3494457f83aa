"""So many at once, where how many may change."""

import asyncio


class Slots:
    """How many jobs may run at once. limit: so many, from now on; those beyond it run to their end.

    news: is set when there may be room for another.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.news = asyncio.Event()

    def resize(self, limit: int) -> None:
        """Let so many run from now on."""
        self.limit = limit
        self.news.set()
