"""A node of the cluster, as the server sees it: an actor there, and what it may be asked.

Here, in `core.cluster.connect` and `core.cluster.placement` alone Ray is imported. Ray Core is used as its
documentation has it: an actor bound to a node, methods that are generators (`num_returns="streaming"`) whose
results are taken one by one, and at most so many of them ahead.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Any
from weakref import WeakValueDictionary

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from core.cluster.files import Bundle
from core.cluster.node import Hello, Node, NodeFigures, Told, Work
from core.errors import NodeLost
from core.live.commands import Command

AHEAD = 2
"""Tellings that a node may be ahead of the server, of up to `core.cluster.node.AHEAD` items each."""

PIECE = 4 << 20
"""Bytes of a file that are sent in one go."""

_WARM = 1000
"""Bundles of which is remembered that a node had them, to give it jobs that want them."""

END_S = 30.0
"""Seconds that a node has to let go of a job that was cut short, before its slot is given to another."""


@dataclass(frozen=True, slots=True)
class Place:
    """A node as Ray lists it.

    slots: jobs it may do at once. reserved: resources the actor takes there. draining: it is to leave soon.
    """

    identity: str
    address: str
    slots: int
    reserved: Mapping[str, float]
    draining: bool = False

    @property
    def name(self) -> str:
        """What people call it: several nodes may have one address."""
        return f"{self.address}-{self.identity[:6]}"


class Machine:
    """The actor of a node. Methods raise NodeLost if it is gone, else what they raised there.

    hello: None until it has opened. running: renders that were given to it. warm: bundles that it had lately.
    drained: it was told to get no new job. sent: bytes.
    """

    def __init__(self, place: Place, settings: Mapping[str, object]) -> None:
        self.place = place
        self.hello: Hello | None = None
        self.running = 0
        self._numbers = count()
        self.drained = False
        self.warm: OrderedDict[str, None] = OrderedDict()
        self.sent = 0
        # By digest, and only while somebody holds or awaits it.
        self._sending: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        reserved = dict(place.reserved)
        options: dict[str, Any] = {
            "num_cpus": reserved.pop("CPU", 0),
            "num_gpus": reserved.pop("GPU", 0),
            "resources": reserved,
            "scheduling_strategy": NodeAffinitySchedulingStrategy(place.identity, soft=False),
            "max_restarts": 0,  # a new one is made, and what ran begins again: the record says so
            "max_task_retries": 0,  # Ray would tell a render again from its start, as if nothing had been
        }
        self._actor: Any = ray.remote(Node).options(**options).remote(place.identity, settings)

    @property
    def slots(self) -> int:
        """Jobs that it may do at once: none of one that has not opened or is to leave."""
        return 0 if self.hello is None or self.drained or self.place.draining else self.place.slots

    @property
    def free(self) -> int:
        """Jobs that it may still be given."""
        return self.slots - self.running

    async def open(self) -> Hello:
        """Have it load its engines."""
        hello: Hello = await self._ask(self._actor.open.remote())
        self.hello = hello
        return hello

    async def figures(self) -> NodeFigures:
        """What it does."""
        found: NodeFigures = await self._ask(self._actor.figures.remote())
        return found

    async def supply(self, bundles: Sequence[Bundle]) -> None:
        """Have it hold these; each is sent once, however many jobs want it. Raises OSError."""
        for bundle in bundles:
            async with self._sending.setdefault(bundle.digest, asyncio.Lock()):
                if await self._ask(self._actor.wants.remote(bundle.digest)):
                    await self._send(bundle)
                self.warm[bundle.digest] = None
                self.warm.move_to_end(bundle.digest)
                while len(self.warm) > _WARM:
                    self.warm.popitem(last=False)

    def number(self) -> int:
        """One for a render, which no other has."""
        return next(self._numbers)

    async def do(self, number: int, command: Command) -> int:
        """See `Node.do`."""
        utterance: int = await self._ask(self._actor.do.remote(number, command))
        return utterance

    async def make(
        self, what: Work, bundles: Sequence[Bundle], number: int | None = None
    ) -> AsyncGenerator[Told, None]:
        """See `Node.make`. Whenever this ends, the render there has ended, too, or the node is gone."""
        number = self.number() if number is None else number
        method = self._actor.make.options(num_returns="streaming", _generator_backpressure_num_objects=AHEAD)
        told = method.remote(number, what, [bundle.digest for bundle in bundles])
        try:
            async for one in told:
                yield await self._ask(one)
        except RayActorError as error:  # before anything of it was told
            raise self._lost(error) from error
        finally:
            # One that is merely dropped would run on, and nothing would hold it back any more.
            ray.cancel(told)
            with suppress(NodeLost, TimeoutError):
                await asyncio.wait_for(self._ask(self._actor.ended.remote(number)), END_S)

    def close(self) -> None:
        """End it."""
        with suppress(RayError):
            ray.kill(self._actor)

    async def _send(self, bundle: Bundle) -> None:
        for name, path in bundle.files.items():
            with path.open("rb") as file:
                while True:
                    piece = await asyncio.to_thread(file.read, PIECE)
                    if not piece and file.tell():
                        break
                    await self._ask(self._actor.write.remote(bundle.digest, name, piece))
                    self.sent += len(piece)
                    if not piece:
                        break  # an empty file is a file
        await self._ask(self._actor.keep.remote(bundle.digest))

    async def _ask(self, answer: Any) -> Any:
        try:
            return await answer
        except RayActorError as error:
            raise self._lost(error) from error
        except RayTaskError as error:
            if isinstance(error, RayActorError):
                raise self._lost(error) from error
            raise _cause(error) from None

    def _lost(self, error: Exception) -> NodeLost:
        why = str(error).strip().splitlines()[0]
        return NodeLost(f"node {self.place.name} is gone: {why}")


def _cause(error: RayTaskError) -> Exception:
    """What was raised on the node; there it may be an Error or not, and where not it is still told apart."""
    return error.cause if isinstance(error.cause, Exception) else error
