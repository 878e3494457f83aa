"""What `/metrics` tells of requests, by route: how many, how they ended, how long they took."""

import asyncio
import time

from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client import CollectorRegistry, Counter, Histogram

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_METHODS = frozenset({"GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS"})


class RequestFigures:
    """Counts of one server's requests."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "lipstream_http_requests",
            "Requests, by the address of their route",
            ["method", "route", "status"],
            registry=registry,
        )
        self._seconds = Histogram(
            "lipstream_http_seconds",
            "From a request's head to the end of its answer; streams last as long as they last",
            ["route"],
            buckets=_BUCKETS,
            registry=registry,
        )

    async def measure(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Have it answered, and count it. 499: the client left."""
        began, status = time.monotonic(), 500
        try:
            response = await handler(request)
            status = response.status
            return response
        except web.HTTPException as error:
            status = error.status
            raise
        except (asyncio.CancelledError, ConnectionError):
            status = 499
            raise
        finally:
            resource = request.match_info.route.resource
            # Neither addresses nor methods that somebody makes up become figures of their own.
            route = resource.canonical if resource is not None else "none"
            method = request.method if request.method in _METHODS else "other"
            self._requests.labels(method, route, str(status)).inc()
            self._seconds.labels(route).observe(time.monotonic() - began)
