"""All routes, and those that tell of the server itself."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from aiohttp import web

from server.access.caller import caller
from server.api import (
    backgrounds,
    batches,
    cluster,
    enhancements,
    files,
    gate,
    jobs,
    login,
    pushes,
    sessions,
    templates,
    videos,
    voices,
    whep,
)
from server.api.openapi import STYLE, describe_api, page
from server.api.route import Route
from server.compat import combining, enhance, lipsync, liveavatar, speech
from server.metrics import CONTENT_TYPE
from server.settings import Service
from server.state import STATE

_PAGE = Path(__file__).parents[1] / "static"
_STYLE = "sha256-" + base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()


@cache
def _description() -> tuple[str, str]:
    """The API's description as JSON and as a page; it does not change while the server runs."""
    api = describe_api(ROUTES)
    return json.dumps(api), page(api)


async def healthz(request: web.Request) -> web.Response:
    """The process lives."""
    return web.Response(text="ok\n")


async def readyz(request: web.Request) -> web.Response:
    """Whether requests should be sent here: not before engines are loaded, not once it stops."""
    state = request.app[STATE]
    lacking = state.cluster.lacking if state.cluster is not None else None
    if state.ready and state.runner.alive and lacking is None:
        return web.Response(text="ready\n")
    why = "stopping" if state.stopping else "starting"
    if state.ready:
        why = lacking or "no job is started any more"
    return web.Response(status=503, text=f"{why}\n")


async def metrics(request: web.Request) -> web.Response:
    """Figures for Prometheus."""
    state = request.app[STATE]
    jobs, uploads = await state.store.counts(), await state.store.publications.counts()
    viewers = state.clips.viewers + state.sessions.viewers
    sessions = [session.info() for session in state.sessions.all()]
    nodes = {node.name: node.slots for node in state.cluster.nodes()} if state.cluster is not None else {}
    text = state.figures.text(
        jobs, uploads, sessions, viewers, len(state.connections), len(state.doors), nodes
    )
    return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE})


async def openapi(request: web.Request) -> web.Response:
    """The API's description, for programs."""
    return web.Response(text=_description()[0], content_type="application/json")


async def docs(request: web.Request) -> web.Response:
    """The API's description, for people."""
    policy = f"default-src 'none'; style-src '{_STYLE}'; base-uri 'none'; frame-ancestors 'none'"
    return web.Response(
        text=_description()[1],
        content_type="text/html",
        headers={"Content-Security-Policy": policy},
    )


async def index(request: web.Request) -> web.FileResponse:
    """The web page."""
    answer = web.FileResponse(_PAGE / "index.html", headers={"Cache-Control": "no-cache"})
    login.tell_signed_in(answer)
    return answer


GROUPS: Mapping[str, Sequence[Route]] = {
    "api": [
        *videos.ROUTES,
        *enhancements.ROUTES,
        *voices.ROUTES,
        *templates.ROUTES,
        *backgrounds.ROUTES,
        *batches.ROUTES,
        *sessions.ROUTES,
        *pushes.ROUTES,
        *cluster.ROUTES,
        *whep.ROUTES,
        *liveavatar.ROUTES,
    ],
    "jobs": [*jobs.ROUTES, *files.ROUTES],
    "video": combining.ROUTES,
    "lipsync": lipsync.ROUTES,
    "speech": speech.ROUTES,
    "enhance": enhance.ROUTES,
    "page": login.ROUTES,
    "server": [
        Route("GET", "/healthz", healthz, "Whether the process lives", {200: "text/plain"}, access="public"),
        Route(
            "GET",
            "/readyz",
            readyz,
            "Whether it takes requests",
            {200: "text/plain", 503: "text/plain"},
            access="public",
        ),
        Route("GET", "/metrics", metrics, "Figures, as Prometheus reads them", {200: "text/plain"}),
        Route(
            "GET",
            "/openapi.json",
            openapi,
            "This description",
            {200: "application/json"},
            access="public",
        ),
        Route("GET", "/docs", docs, "This description, for people", {200: "text/html"}, access="public"),
    ],
}
"""Routes by what they are for; those of an older service are called like the service."""

ROUTES = [route for group in GROUPS.values() for route in group]


async def index_or_speech(request: web.Request) -> web.StreamResponse:
    """The web page; a query with a text asks for speech."""
    if "text" in request.query:
        return await speech_alone(request)
    return login.login_page(401) if login.is_nobody() else await index(request)


async def speech_alone(request: web.Request) -> web.StreamResponse:
    """Speech, of a server that has no page."""
    caller.get().require("make")
    await gate.admit(request, "speech")
    return await speech.root(request)


PUBLIC = ("/", "/static")
"""What the page is made of: anybody may have it. Of `/` its handler says who sees what."""


def add_routes(app: web.Application, only: Service | None = None) -> None:
    """Everything the server answers to. only: one service, and what tells of its jobs and of the server."""
    for group in GROUPS if only is None else ("jobs", only, "server"):
        for route in GROUPS[group]:
            route.add_to(app.router)
    if only is None:
        app.router.add_get("/", index_or_speech)
        app.router.add_static("/static", _PAGE, append_version=False)
    elif only == "speech":
        app.router.add_get("/", speech_alone)
