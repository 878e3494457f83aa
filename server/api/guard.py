"""Who may talk to the server from a browser, and what a browser may do with the answers.

A page of any site can make a visitor's browser send requests to a server on that visitor's own machine. So:

- the Host must be an address, `localhost`, or a name that was allowed: a hostile name that is made to point
  here (DNS rebinding) is turned away;
- what changes something, and every WebSocket, must come from this server's own pages or from no page at all;
  `Origin: null`, which any sandboxed frame can send, is refused like any other stranger;
- nothing is handed to another site's page, except that a link may be followed, and a signed one embedded;
- pages of origins that the operator trusts may do all that the server's own may: they are told so (CORS);
- every answer says its type and that it is to be believed.

Learnt from ComfyUI's history (CVE-2024-10481, `Origin: null`, stored scripts in outputs) and from the Fetch
Metadata recommendations (https://web.dev/articles/fetch-metadata).
"""

import ipaddress
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from server.errors import Refused, request_id
from server.storage.local import LINKS

_SAFE = {"GET", "HEAD", "OPTIONS"}

_PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked by what knows the server by other names, or by none (HTTP/1.0)."""

_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST, PATCH, DELETE",
    "Access-Control-Allow-Headers": "Content-Type, Authorization, Idempotency-Key, Last-Event-ID, Range",
    "Access-Control-Max-Age": "600",
}
_EXPOSED = (
    "Location, Retry-After, Warning, X-Request-Id, Content-Range, Content-Disposition, X-RateLimit-Resource,"
    " X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset"
)

CONTENT_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; object-src 'none';"
    " base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": CONTENT_POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    # Ask before using a kept copy: after an upgrade, modules of two versions must not meet in one page.
    "Cache-Control": "no-cache",
}


def guard(hosts: Collection[str], origins: Collection[str]) -> Middleware:
    """The middleware. hosts: names this server is known by, besides `localhost`, without port.
    origins: pages elsewhere that may use it, like `https://studio.example`."""
    known = {"localhost", *(host.lower() for host in hosts)}
    trusted = _listed(origins)

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path not in _PROBES:
            _check_host(request.headers.get("Host", ""), known)
        _check_origin(request, trusted)
        if request.method == "OPTIONS" and _page_of(request) in trusted:
            return web.Response(status=204, headers=_PREFLIGHT)
        return await handler(request)

    return check


def hardener(
    origins: Collection[str],
) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """What adds to every answer, of whatever kind, what keeps browsers from misusing it, and lets pages of
    `origins` use it (`on_response_prepare`)."""
    trusted = _listed(origins)

    async def harden(request: web.Request, response: web.StreamResponse) -> None:
        headers = response.headers
        if trusted:  # a kept answer is no answer to another page
            headers["Vary"] = ", ".join(filter(None, (headers.get("Vary"), "Origin, Referer")))
        if _page_of(request) in trusted:
            headers["Cross-Origin-Resource-Policy"] = "cross-origin"
            if origin := request.headers.get("Origin"):
                headers["Access-Control-Allow-Origin"] = origin
                headers["Access-Control-Expose-Headers"] = _EXPOSED
        protect(headers)
        if known := request_id.get(""):
            headers["X-Request-Id"] = known

    return harden


def protect(headers: MutableMapping[str, str]) -> None:
    """Add to an answer's headers what keeps browsers from misusing it."""
    for name, value in _HEADERS.items():
        headers.setdefault(name, value)
    headers["Server"] = "lipstream"


def is_own(origin: str, request: web.Request) -> bool:
    """Whether pages of this origin are this server's own, by the name that the request has for it."""
    try:
        parts = urlsplit(origin.lower())
    except ValueError:  # brackets that are no address
        return False
    return parts.scheme in ("http", "https") and parts.netloc == request.headers.get("Host", "").lower()


def _listed(origins: Collection[str]) -> frozenset[str]:
    return frozenset(origin.lower().rstrip("/") for origin in origins)


def _page_of(request: web.Request) -> str:
    """The origin of the page that asks, as its browser tells it; of `<audio src>` only Referer tells."""
    if (origin := request.headers.get("Origin")) is not None:
        return origin.lower()
    try:
        parts = urlsplit(request.headers.get("Referer", "").lower())
    except ValueError:  # brackets that are no address
        return ""
    return f"{parts.scheme}://{parts.netloc}"


def _check_host(host: str, known: Collection[str]) -> None:
    name = _without_port(host).lower().rstrip(".")
    if name in known:
        return
    try:
        ipaddress.ip_address(name.strip("[]"))  # no name, so nothing that could be rebound
    except ValueError:
        raise Refused(
            421,
            "unknown_host",
            f"this server is not known as {host[:100]!r}; see the setting `hosts`",
            "Host",
        ) from None


def _check_origin(request: web.Request, trusted: Collection[str]) -> None:
    origin = request.headers.get("Origin")
    site = request.headers.get("Sec-Fetch-Site")
    socket = request.headers.get("Upgrade", "").lower() == "websocket"
    if request.path.startswith(LINKS + "/") and request.method in _SAFE:
        return  # who has a signed link may use it anywhere
    if origin is not None and (socket or request.method not in _SAFE):
        if not is_own(origin, request) and origin.lower() not in trusted:
            raise Refused(403, "foreign_origin", f"a page of {origin[:100]!r} may not do this", "Origin")
    elif request.method in _SAFE and not socket and _page_of(request) in trusted:
        return
    elif site == "cross-site" and not (
        request.method in _SAFE and not socket and request.headers.get("Sec-Fetch-Mode") == "navigate"
    ):
        raise Refused(403, "foreign_origin", "a page of another site may not do this", "Sec-Fetch-Site")


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]
