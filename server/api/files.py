"""Links to a job's files for others: people, pages of other sites, players without an account."""

from aiohttp import web

from server.api.jobs import number, output_file, output_of
from server.api.route import ID, NAME, Route, respond
from server.errors import Refused
from server.schemas.responses import Link
from server.state import state_of
from server.storage.local import LINKS
from server.store.rows import key_of

LONGEST_S = 7 * 86_400

_SHARED = {
    # Whoever has the link may use it in any page.
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Content-Disposition": "inline",
}
_SUBTITLES = ("application/x-subrip", "text/vtt", "text/x-ssa")
_TYPES = ("video/mp4", "video/webm", "video/quicktime", "audio/mp4", *_SUBTITLES)
_TEXT = {"type": "string"}


async def output_link(request: web.Request) -> web.Response:
    """An address of one file that works for anybody, for a while."""
    state = state_of(request)
    job, output = await output_of(request, request.match_info["name"])
    wanted = request.query.get("seconds")
    seconds = None if wanted is None else float(number(wanted, "seconds", 0, LONGEST_S))
    return respond(state.files.link(job, output, seconds))


async def linked_file(request: web.Request) -> web.StreamResponse:
    """What a signed link leads to."""
    query, found = request.query, request.match_info
    key = f"{found['job_id']}/{found['digest']}/{found['name']}"
    state_of(request).files.local.check(key, query.get("expires", ""), query.get("signature", ""))
    job, output = await output_of(request, found["name"])
    if key_of(job.id, output) != key:
        raise Refused(404, "unknown_output", f"job {job.id} has another {output.name} by now")
    return await output_file(request, output.name, _SHARED)


ROUTES = [
    Route(
        "GET",
        f"/v1/jobs/{ID}/outputs/{NAME}/link",
        output_link,
        "A link to a file for others, which expires",
        {200: Link},
        query={"seconds": {"type": "integer", "minimum": 0, "maximum": LONGEST_S}},
        refuses=(404, 409),
    ),
    Route(
        "GET",
        f"{LINKS}/{ID}/{{digest:[0-9a-f]{{32}}}}/{NAME}",
        linked_file,
        "A file, by a link with a signature",
        {200: _TYPES, 206: _TYPES, 304: None},
        query={"expires": _TEXT, "signature": _TEXT},
        access="public",  # its signature is what it takes
        refuses=(403, 404, 409, 416),
    ),
]
