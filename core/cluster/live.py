"""A live session on a node: what is said goes there by calls, its video and events come by a generator."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from core.cluster.files import Bundle
from core.cluster.machine import Machine
from core.cluster.node import Piece, Told
from core.live.commands import Command
from core.live.session import Event, SessionRequest
from core.live.session import Sink as SessionSink
from core.renderer import Shape
from core.types import Fragment


class LiveThere:
    """A `core.renderer.Live`. `close` it."""

    def __init__(
        self, machine: Machine, number: int, first: Sequence[Piece], told: AsyncGenerator[Told, None]
    ) -> None:
        """number: of what the machine makes there. first: what was told of it so far. told: the rest."""
        shape, *self._first = first
        assert isinstance(shape, Shape)  # noqa: S101  # as `Node` tells it
        self.shape, self.node = shape, machine.place.name
        self._machine, self._number, self._told = machine, number, told

    async def close(self) -> None:
        """End it; on return nothing of it runs there."""
        await self._told.aclose()

    async def do(self, command: Command) -> int:
        """See `core.renderer.Live.do`."""
        return await self._machine.do(self._number, command)

    async def run(self, sink: SessionSink) -> None:
        """See `core.renderer.Live.run`."""
        async with aclosing(self._told) as tellings:
            for item in self._first:
                await _take(item, sink)
            async for told in tellings:
                for item in told.items:
                    await _take(item, sink)


async def open_there(machine: Machine, wanted: SessionRequest, bundles: Sequence[Bundle]) -> LiveThere:
    """A session on a node, ready to run. bundles: what it needs, which the node holds.

    Raises FilesGone, NodeLost, and as `core.live.session.open_session`.
    """
    number = machine.number()
    tellings = machine.make(wanted, bundles, number)
    told = await anext(tellings)
    while not told.items:
        told = await anext(tellings)
    return LiveThere(machine, number, told.items, tellings)


async def _take(item: Piece, sink: SessionSink) -> None:
    if isinstance(item, Fragment | Event):
        await sink(item)
