"""All routes, and those that tell of the server itself."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from aiohttp import web

import static
from server import (
    routes_backgrounds,
    routes_combining,
    routes_enhancements,
    routes_files,
    routes_jobs,
    routes_sharpening,
    routes_speaking,
    routes_syncing,
    routes_templates,
    routes_videos,
    routes_voices,
)
from server.house import HOUSE
from server.metrics import CONTENT_TYPE
from server.openapi import STYLE, describe_api, page
from server.route import Route
from server.settings import Service

_PAGE = Path(next(iter(static.__path__)))
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
    house = request.app[HOUSE]
    if house.ready:
        return web.Response(text="ready\n")
    return web.Response(status=503, text="stopping\n" if house.stopping else "starting\n")


async def metrics(request: web.Request) -> web.Response:
    """Figures for Prometheus."""
    house = request.app[HOUSE]
    jobs, uploads = await house.store.counts(), await house.store.publications.counts()
    text = house.figures.text(jobs, uploads, house.clips.viewers, len(house.lines))
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
    return web.FileResponse(_PAGE / "index.html", headers={"Cache-Control": "no-cache"})


ROUTES = [
    *routes_videos.ROUTES,
    *routes_enhancements.ROUTES,
    *routes_voices.ROUTES,
    *routes_templates.ROUTES,
    *routes_backgrounds.ROUTES,
    *routes_jobs.ROUTES,
    *routes_files.ROUTES,
    *routes_combining.ROUTES,
    *routes_syncing.ROUTES,
    *routes_speaking.ROUTES,
    *routes_sharpening.ROUTES,
    Route("GET", "/healthz", healthz, "Whether the process lives", {200: "text/plain"}),
    Route("GET", "/readyz", readyz, "Whether it takes requests", {200: "text/plain", 503: "text/plain"}),
    Route("GET", "/metrics", metrics, "Figures, as Prometheus reads them", {200: "text/plain"}),
    Route("GET", "/openapi.json", openapi, "This description", {200: "application/json"}),
    Route("GET", "/docs", docs, "This description, for people", {200: "text/html"}),
]


SERVICES: Mapping[Service, Sequence[Route]] = {
    "video": routes_combining.ROUTES,
    "speech": routes_speaking.ROUTES,
    "lipsync": routes_syncing.ROUTES,
    "enhance": routes_sharpening.ROUTES,
}
"""What each of the older services answered to."""


async def index_or_speech(request: web.Request) -> web.StreamResponse:
    """The web page; a query with a text asks for speech."""
    return await routes_speaking.root(request) if "text" in request.query else await index(request)


def add_routes(app: web.Application, only: Service | None = None) -> None:
    """Everything the server answers to. only: one service, and what tells of its jobs and of the server."""
    others = {id(route) for name, routes in SERVICES.items() if name != only for route in routes}
    modules = (routes_videos, routes_enhancements, routes_voices, routes_templates, routes_backgrounds)
    api = {id(route) for module in modules for route in module.ROUTES}
    for route in ROUTES:
        if only is None or id(route) not in others | api:
            route.add_to(app.router)
    if only is None:
        app.router.add_get("/", index_or_speech)
        app.router.add_static("/static", _PAGE, append_version=False)
    elif only == "speech":
        app.router.add_get("/", routes_speaking.root)
