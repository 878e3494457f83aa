"""A Ray cluster as one place where videos are made: nodes come and go, and each job is given to one of them.

The node with a free slot is taken that has the job's template, else the one with the most room. Which nodes
there are is looked up every LOOK_S: one that is new gets an actor; what ran on one that is gone raises
NodeLost.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any, Literal, TypeVar

import ray
from ray._private.state import state  # `ray drain-node` is told nowhere else

import core
from core.cluster.files import Bundle, FilesGone
from core.cluster.live import open_there
from core.cluster.machine import Machine, Place
from core.cluster.packing import Packer
from core.config import Settings
from core.enhancement.video import Enhancement
from core.enhancement.video import Sink as FragmentSink
from core.errors import BadInput, Error, NodeLost
from core.live.session import Event, SessionRequest
from core.progress import Progress
from core.render import Request, Sink
from core.renderer import Here, Live, Shape
from core.runtime.slots import Slots
from core.runtime.tasks import in_daemon_thread
from core.templates.library import Templates
from core.types import Fragment

log = logging.getLogger(__name__)

LOOK_S = 1.0
"""Seconds between two looks at which nodes there are."""

HEAD_S = 5.0
"""Seconds in which the head of the cluster tells which nodes there are, usually in a few milliseconds."""

AGAIN_S = 10.0
"""Seconds until a node is tried again whose actor could not be opened."""

SLOTS = "lipstream"
"""The resource of a node that says how many jobs it may do at once, as `ray start --resources` takes it."""

_SENDS = 3
"""Times that files are sent to a node where others take their room before the job has begun."""

_HERE = ("data_dir", "subtitle_font", "readings")
"""Settings that are paths of this machine."""


T = TypeVar("T")

NodeState = Literal["starting", "ready", "draining", "unusable"]


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """What a node is and does. slots: jobs it may do at once. running: those that it does. sent: bytes of
    templates and the like. problem: why it is not used."""

    name: str
    address: str
    state: NodeState
    slots: int = 0
    running: int = 0
    cores: int = 0
    sent: int = 0
    problem: str | None = None


class Cluster:
    """Makes videos on the nodes of a cluster; a `Renderer`.

    machines: by Ray's name of the node. problems: of nodes that cannot be used, why. slots: as many jobs as
    the nodes can do beside their sessions. headless: the head does not answer just now.
    """

    def __init__(self, templates: Templates, slots: Slots) -> None:
        """slots: is kept up to date."""
        self.machines: dict[str, Machine] = {}
        self.problems: dict[str, str] = {}
        self.headless = False
        self._templates, self._settings = templates, templates.settings
        self._packer = Packer(templates)
        self._here = Here(templates.pool, templates)
        self._sessions = 0  # that hold a slot
        self.slots = slots
        self._places: Mapping[str, Place] = {}
        self._room = asyncio.Condition()
        self._opening: dict[str, asyncio.Task[None]] = {}

    # --- a Renderer ------------------------------------------------------------------------------

    async def render(self, request: Request, sink: Sink, progress: Progress) -> None:
        """See `core.renderer.Renderer.render`. With a cloned voice it is made here, where that is."""
        if await self._stays(request.voice):
            return await self._here.render(request, sink, progress)
        what, bundles = await self._packer.request(request)
        await self._make(what, bundles, sink, progress)

    async def enhance(self, request: Enhancement, sink: FragmentSink, progress: Progress) -> None:
        """See `core.renderer.Renderer.enhance`."""

        async def fragments(item: object) -> None:
            if isinstance(item, Fragment):
                await sink(item)

        what, bundles = await self._packer.enhancement(request)
        await self._make(what, bundles, fragments, progress)

    @asynccontextmanager
    async def session(self, wanted: SessionRequest) -> AsyncGenerator[Live, None]:
        """See `core.renderer.Renderer.session`. It holds a slot of a node for as long as it lasts."""
        if await self._stays(wanted.voice):
            async with self._here.session(wanted) as here:
                yield here
            return
        what, bundles = await self._packer.session(wanted)
        async with self._slot(bundles) as machine:
            with self._one_slot_less():
                live = await _supplied(machine, bundles, partial(open_there, machine, what, bundles))
                try:
                    yield live
                finally:
                    await live.close()

    async def _stays(self, voice: str | None) -> bool:
        """Whether it is a cloned voice, which nodes do not have."""
        return voice is not None and await asyncio.to_thread(self._packer.stays, voice)

    async def _make(
        self, what: Request | Enhancement, bundles: Sequence[Bundle], sink: Sink, progress: Progress
    ) -> None:
        try:
            async with self._slot(bundles) as machine:
                progress.node = machine.place.name
                following = partial(self._follow_render, machine, what, bundles, sink, progress)
                await _supplied(machine, bundles, following)
        finally:
            progress.total_s = perf_counter() - progress.started

    async def _follow_render(
        self,
        machine: Machine,
        what: Request | Enhancement,
        bundles: Sequence[Bundle],
        sink: Sink,
        progress: Progress,
    ) -> None:
        async with aclosing(machine.make(what, bundles)) as tellings:
            async for told in tellings:
                progress.follow(told.progress, perf_counter() - told.clock)
                for item in told.items:
                    if not isinstance(item, Shape | Event):  # of a session
                        await sink(item)

    # --- who does what ---------------------------------------------------------------------------

    @asynccontextmanager
    async def _slot(self, bundles: Sequence[Bundle]) -> AsyncGenerator[Machine, None]:
        """Wait for a node with room, the best for these, and take a slot of it."""
        async with self._room:
            await self._room.wait_for(lambda: self._best(bundles) is not None)
            machine = self._best(bundles)
            assert machine is not None  # noqa: S101  # it was waited for
            machine.running += 1
        try:
            yield machine
        except NodeLost:
            self._drop(machine)
            raise
        finally:
            machine.running -= 1
            async with self._room:
                self._room.notify_all()

    def _best(self, bundles: Sequence[Bundle]) -> Machine | None:
        """With a free slot: who has most of the files, of those who has most room."""
        able = [machine for machine in self.machines.values() if machine.free > 0]
        wanted = {bundle.digest for bundle in bundles}
        return max(able, key=lambda one: (len(wanted & one.warm.keys()), one.free), default=None)

    def nodes(self) -> list[NodeStatus]:
        """All that Ray lists and that could do something, those that joined first before the others."""
        return [self._status(place) for place in self._places.values()]

    def _status(self, place: Place) -> NodeStatus:
        machine, problem = self.machines.get(place.identity), self.problems.get(place.identity)
        if machine is None:
            return NodeStatus(
                place.name, place.address, "unusable" if problem else "starting", problem=problem
            )
        state: NodeState = "ready" if machine.slots else "draining"
        cores = machine.hello.cores if machine.hello is not None else 0
        return NodeStatus(
            place.name, place.address, state, machine.slots, machine.running, cores, machine.sent
        )

    @property
    def lacking(self) -> str | None:
        """Why it can make no video just now; None if it can."""
        if self.headless:
            return "the head of the cluster does not answer"
        return None if any(one.slots for one in self.machines.values()) else "no node of the cluster is ready"

    async def drain(self, name: str, on: bool = True) -> NodeStatus:
        """Give a node no new job, or jobs again; what runs there goes on. Raises BadInput `unknown_node`."""
        for machine in self.machines.values():
            if machine.place.name == name:
                machine.drained = on
                async with self._room:
                    self._count()
                    self._room.notify_all()
                return self._status(machine.place)
        known = ", ".join(machine.place.name for machine in self.machines.values()) or "none"
        raise BadInput("unknown_node", f"no node {name[:80]!r} does jobs; there are: {known}", "node")

    async def watch(self) -> None:
        """Keep up with which nodes there are, until this is cancelled."""
        settings = self._settings.model_dump(include=set(Settings.model_fields) - set(_HERE))
        while True:
            try:
                await self._follow(await self._look(), settings)
            except Exception:
                log.exception("could not look which nodes the cluster has; trying again in %g s", LOOK_S)
            await asyncio.sleep(LOOK_S)

    async def _look(self) -> Mapping[str, Place]:
        """The nodes, once the head tells."""
        looking = asyncio.ensure_future(in_daemon_thread(_places))
        await asyncio.wait([looking], timeout=HEAD_S)
        if not looking.done():  # one look waits for the head: it is not asked again meanwhile
            self.headless = True
            log.error("the head of the cluster does not answer; Ray ends this process if it stays so")
        try:
            return await looking
        finally:
            self.headless = False

    async def _follow(self, places: Mapping[str, Place], settings: Mapping[str, Any]) -> None:
        self._places = places
        for machine in list(self.machines.values()):
            if (place := places.get(machine.place.identity)) is None:
                self._drop(machine)
            else:
                machine.place = place
        for identity in set(self.problems) - set(places):
            del self.problems[identity]
        for identity, place in places.items():
            if identity not in self.machines and identity not in self._opening:
                self._opening[identity] = asyncio.create_task(self._open(place, settings))
        async with self._room:
            self._count()
            self._room.notify_all()

    def _drop(self, machine: Machine) -> None:
        """Its actor is gone; if the node is not, it gets another."""
        if self.machines.get(machine.place.identity) is machine:
            log.warning("node %s is gone", machine.place.name)
            del self.machines[machine.place.identity]
            self._count()
            machine.close()

    def _count(self) -> None:
        self.slots.resize(max(0, sum(machine.slots for machine in self.machines.values()) - self._sessions))

    @contextmanager
    def _one_slot_less(self) -> Generator[None, None, None]:
        """For jobs: a session has it."""
        self._sessions += 1
        self._count()
        try:
            yield
        finally:
            self._sessions -= 1
            self._count()

    async def _open(self, place: Place, settings: Mapping[str, Any]) -> None:
        machine = Machine(place, settings)
        try:
            hello = await machine.open()
            if hello.version != core.__version__:
                raise Error(f"it has lipstream {hello.version}, this server {core.__version__}")
        except Exception as error:  # noqa: BLE001  # whatever it is, the node is not used, and why is told
            self.problems[place.identity] = str(error)
            log.warning("node %s cannot be used: %s", place.name, error)
            machine.close()
            await asyncio.sleep(AGAIN_S)
        else:
            self.problems.pop(place.identity, None)
            self.machines[place.identity] = machine
            log.info("node %s has joined, with %d slots", place.name, place.slots)
        finally:
            del self._opening[place.identity]

    async def close(self) -> None:
        """End the actors."""
        for task in self._opening.values():
            task.cancel()
        await asyncio.gather(*self._opening.values(), return_exceptions=True)
        for machine in self.machines.values():
            machine.close()


@asynccontextmanager
async def following(templates: Templates, slots: Slots) -> AsyncGenerator[Cluster, None]:
    """The cluster that this process is a member of, for as long as the block runs."""
    cluster = Cluster(templates, slots)
    watching = asyncio.create_task(cluster.watch())
    try:
        yield cluster
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        await cluster.close()


async def _supplied(machine: Machine, bundles: Sequence[Bundle], work: Callable[[], Awaitable[T]]) -> T:
    """What `work` returns, which raises FilesGone, before anything else, if these are not on the machine."""
    for _ in range(_SENDS - 1):
        await machine.supply(bundles)
        with suppress(FilesGone):
            return await work()
    await machine.supply(bundles)
    return await work()


def _places() -> dict[str, Place]:
    """The nodes that live and could do something. Blocking."""
    leaving = state.get_draining_nodes()
    found = (_place(node, node["NodeID"] in leaving) for node in ray.nodes() if node["Alive"])
    return {place.identity: place for place in found if place.slots}


def _place(node: Mapping[str, Any], draining: bool) -> Place:
    """A node as Ray lists it; how many slots it has is what its resources say, else half its cores, and two
    for each GPU."""
    has = node["Resources"]
    cpus, gpus = has.get("CPU", 0.0), has.get("GPU", 0.0)
    slots = int(has.get(SLOTS, 2 * gpus or (max(1, cpus // 2) if cpus else 0)))
    reserved = {name: has[name] for name in ("CPU", "GPU", SLOTS) if has.get(name)}
    return Place(node["NodeID"], node["NodeManagerAddress"], slots, reserved, draining)
