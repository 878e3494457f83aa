"""A slash more or less at an address's end leads to what is there, as with the services of old.

Those were made with FastAPI, whose redirects keep the method and the body (307).
"""

from urllib.parse import quote

from aiohttp import web
from aiohttp.typedefs import Handler


@web.middleware
async def lenient_slash(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Redirect from what is not there to what is there but for the slash."""
    missing = isinstance(request.match_info.http_exception, web.HTTPNotFound)
    if missing and (place := await _other(request)) is not None:
        return web.Response(status=307, headers={"Location": place})
    return await handler(request)


async def _other(request: web.Request) -> str | None:
    """Where to, relative to the request's address: a proxy may have put a prefix before it."""
    path = request.path
    other, name = (path[:-1], "../") if path.endswith("/") else (path + "/", "./")
    last = other.strip("/").rpartition("/")[2]
    if not last or "//" in path:
        return None
    clone = request.clone(rel_url=request.rel_url.with_path(other))
    match = await request.app.router.resolve(clone)
    if match.http_exception is not None:
        return None
    place = name + quote(last, safe="") + ("/" if other.endswith("/") else "")
    return f"{place}?{request.rel_url.raw_query_string}" if request.rel_url.raw_query_string else place
