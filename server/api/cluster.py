"""Where videos are made: the nodes of a cluster, what they do, and which get no new jobs."""

from contextlib import suppress
from typing import TYPE_CHECKING

from aiohttp import web
from pydantic import Field

from core.errors import BadInput, UnknownJob
from server.access.caller import caller
from server.api.route import Route, respond
from server.errors import Refused
from server.schemas.requests import Model
from server.schemas.responses import ClusterInfo, ClusterNode
from server.state import AppState, state_of
from server.uploads import read_json

if TYPE_CHECKING:
    from core.cluster.placement import NodeStatus  # brings Ray

NODE = r"{node:[A-Za-z0-9][\w.:-]{0,80}}"


class Drain(Model):
    """Whether a node is to get no new jobs."""

    drain: bool = Field(True, description="false: it gets jobs again")


async def show_cluster(request: web.Request) -> web.Response:
    """All nodes; of a server without a cluster there are none."""
    state = state_of(request)
    cluster = state.cluster
    nodes = [await _node(state, node) for node in cluster.nodes()] if cluster is not None else []
    slots = sum(node.slots for node in nodes) if cluster is not None else state.settings.jobs
    return respond(ClusterInfo(cluster=state.settings.cluster, slots=slots, nodes=nodes))


async def drain_node(request: web.Request) -> web.Response:
    """What runs there goes on."""
    state, wanted = state_of(request), await read_json(request, Drain)
    if state.cluster is None:
        raise Refused(404, "no_cluster", "this server makes its videos itself: it has no nodes", "node")
    try:
        node = await state.cluster.drain(request.match_info["node"], wanted.drain)
    except BadInput as error:
        raise Refused(404, error.code, error.message, error.param) from error
    return respond(await _node(state, node))


async def _node(state: AppState, node: "NodeStatus") -> ClusterNode:
    jobs: list[str] = []
    for job_id in state.figures.jobs_on(node.name):
        with suppress(UnknownJob):
            if caller.get().sees_job(await state.store.get(job_id)):
                jobs.append(job_id)
    return ClusterNode(
        id=node.name,
        address=node.address,
        state=node.state,
        slots=node.slots,
        running=node.running,
        jobs=jobs,
        cores=node.cores,
        sent_bytes=node.sent,
        problem=node.problem,
    )


ROUTES = [
    Route(
        "GET", "/v1/cluster", show_cluster, "Where videos are made, and what runs where", {200: ClusterInfo}
    ),
    Route(
        "POST",
        f"/v1/cluster/nodes/{NODE}/drain",
        drain_node,
        "Give a node no new jobs, or jobs again",
        {200: ClusterNode},
        body=Drain,
        refuses=(404, 413, 415),
        access="admin",
    ),
]
