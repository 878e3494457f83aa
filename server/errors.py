"""How the server says no: every error, from anywhere, as one kind of JSON body with a true status."""

import errno
import json
import logging
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from difflib import get_close_matches
from typing import Final, get_args

from aiohttp import web
from aiohttp.http_exceptions import ContentEncodingError
from aiohttp.typedefs import Handler
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from core.errors import (
    NO_ROOM,
    BadInput,
    Error,
    JobOver,
    JobRunning,
    NodeLost,
    OutOfMemory,
    OverQuota,
    SpeechFault,
    SpeechServerFailed,
    StageError,
    StorageFull,
    TooManyJobs,
    UnknownJob,
    UnreadableRecord,
)

log = logging.getLogger(__name__)

request_id: ContextVar[str] = ContextVar("request id")
"""Set while a request is handled: it stands in the answer and in the log."""

_CODES = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    411: "length_required",
    408: "body_too_slow",
    413: "body_too_large",
    415: "unsupported_media_type",
    416: "range_not_satisfiable",
    417: "expectation_failed",
    431: "headers_too_large",
}


class Refused(Error):
    """A request that is not met: HTTP `status`, and what the body of the answer says."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.param = param
        self.headers = dict(headers or {})


_BRANCH: Final = re.compile(r"\[.*\]$|^constrained-")


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request an id, and turn whatever is raised into an answer."""
    request_id.set(secrets.token_hex(8))
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        refused = _from_aiohttp(error, request)
    except Exception as error:
        if isinstance(error, ConnectionError) and gone(request):
            raise  # nobody is there to be told, and nothing is wrong here
        refused = refusal(error)
        if refused.code == "internal":
            log.exception("request %s failed: %s %r", request_id.get(), request.method, request.path)
        elif refused.status >= 500:  # foreseen: a line will do, as there may be many of them
            log.warning("request %s: %d %s, %r", request_id.get(), refused.status, refused.code, str(error))
        if request.writer.output_size:
            # Half an answer is out. Cut the line, so that nobody takes it for a whole one.
            if request.transport is not None:
                request.transport.abort()
            raise ConnectionResetError("the answer broke off") from error
    return answer(refused)


def gone(request: web.BaseRequest) -> bool:
    """Whether the client has left."""
    return request.transport is None or request.transport.is_closing()


def answer(refused: Refused, **more: object) -> web.Response:
    """The error as a response. more: what its body says besides."""
    problem = {
        "type": _type(refused.status),
        "code": refused.code,
        "message": refused.message,
        "param": refused.param,
        "request_id": request_id.get(),
    }
    response = web.Response(
        status=refused.status,
        text=json.dumps({"error": problem, **more}),
        content_type="application/json",
        headers=refused.headers,
    )
    if refused.status == 408:
        response.force_close()
    return response


def _type(status: int) -> str:
    if status == 429:
        return "rate_limit_error"
    return "server_error" if status >= 500 else "invalid_request_error"


def refusal(error: Exception) -> Refused:
    """What to tell the client about `error`; 500 without details if nobody foresaw it."""
    match error:
        case Refused():
            return error
        case web.RequestPayloadError() | ContentEncodingError():
            return Refused(400, "malformed_body", "the body is not what its headers say; send it anew")
        case UnknownJob():
            return Refused(404, "unknown_job", str(error))
        case UnreadableRecord():
            return Refused(410, "unreadable_record", str(error))
        case JobRunning():
            return Refused(409, "job_running", str(error))
        case JobOver():
            return Refused(409, "job_over", str(error))
        case TooManyJobs(retry_after_s=wait):
            return Refused(429, "too_many_jobs", str(error), headers={"Retry-After": str(wait)})
        case OverQuota(resource=resource, limit=limit, reset_s=wait):
            told = {"Retry-After": str(wait), "X-RateLimit-Resource": resource}
            told |= {"X-RateLimit-Limit": f"{limit:g}", "X-RateLimit-Remaining": "0"}
            return Refused(429, "over_quota", str(error), headers=told | {"X-RateLimit-Reset": str(wait)})
        case NodeLost():
            return Refused(503, "node_lost", str(error), headers={"Retry-After": "2"})
        case OutOfMemory():
            return Refused(503, "out_of_memory", str(error), headers={"Retry-After": "30"})
        case SpeechServerFailed(why=why, retry_after_s=wait):
            status = {"slow": 504, "busy": 503}.get(why, 502)
            headers = {"Retry-After": str(wait)} if why == "busy" else {}
            return Refused(status, "speech_server", str(error), headers=headers)
        case SpeechFault():  # of whatever speaks: a model, or a server elsewhere
            return Refused(502, "speech_fault", str(error))
        case StorageFull():
            return Refused(507, "storage_full", str(error))
        case BadInput(code="unknown_batch" as code, message=message):
            return Refused(404, code, message)
        case BadInput(code="url_too_large" as code, message=message, param=param):
            return Refused(413, code, message, param)
        case BadInput(code="fetching_off" as code, message=message, param=param):
            return Refused(403, code, message, param)
        case BadInput(code=code, message=message, param=param):
            return Refused(422, code, message, param)
        case StageError(cause=BadInput() as cause):
            return refusal(cause)
        case OSError(errno=number) if number in NO_ROOM:
            return Refused(507, "storage_full", "the disk is full; make room on it")
        case OSError(errno=errno.ENAMETOOLONG):
            return Refused(404, "not_found", "there is nothing at so long an address")
        case Error():  # raised on purpose, so it says what went wrong, as a job's error does
            return Refused(500, "internal", str(error))
    return Refused(500, "internal", "the server failed at this; its log says why, under the request_id")


@contextmanager
def reading(model: type[BaseModel] | None = None) -> Iterator[None]:
    """Around the reading of a body or a query: a ValidationError is a Refused 400 or 422 there.

    model: what it is read as. Anywhere else it is a fault of the server's, answered with 500 and logged.
    """
    try:
        yield
    except ValidationError as error:
        raise invalid(error, model) from error


def invalid(error: ValidationError, model: type[BaseModel] | None = None) -> Refused:
    """What to tell a client whose message has not the shape that it should have: that of `model`."""
    first = error.errors(include_url=False)[0]
    if first["type"] == "json_invalid":
        why = first["msg"].removeprefix("Invalid JSON: ")
        return Refused(400, "malformed_json", f"this is not JSON: {why}")
    # Pydantic names branches of unions too, such as list[function-after[...]] and constrained-int.
    names = [str(part) for part in first["loc"] if not _BRANCH.search(str(part))]
    param = ".".join(names)[:100] or None
    message = _told(first)
    if first["type"] == "extra_forbidden":
        message = "there is no such field" + meant(names[-1], _fields(model, names[:-1]))
    return Refused(422, "invalid_request", f"{param}: {message}" if param else message, param)


def _told(first: ErrorDetails) -> str:
    """What is wrong, where Pydantic's own words do not serve: it speaks of items, of a text too."""
    context = first.get("ctx", {})
    match first:
        case {"type": "too_short"} if context["min_length"] == 1:
            return "is empty"
        case {"type": "too_long", "input": str()}:
            return f"has {context['actual_length']} characters; at most {context['max_length']} may be"
        case {"type": "union_tag_not_found"}:
            return "is no object with a type: say by `type` what it is"
        case {"type": "union_tag_invalid"}:
            return f"there is no type {context['tag'][:100]!r}; there are {context['expected_tags']}"
    return first["msg"].removeprefix("Value error, ")


def meant(name: str, known: Iterable[str]) -> str:
    """A question after the one of `known` that is most like an unknown name; nothing if none is like it."""
    near = get_close_matches(name, list(known), n=1, cutoff=0.75)
    return f"; did you mean {near[0]}?" if near else ""


def _fields(model: type[BaseModel] | None, path: Sequence[str]) -> list[str]:
    """The names of the fields at a place within a model; none where that cannot be told."""
    for name in path:
        field = model.model_fields.get(name) if model is not None else None
        kinds = (field.annotation, *get_args(field.annotation)) if field is not None else ()
        model = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)
    return [field.alias or name for name, field in model.model_fields.items()] if model is not None else []


def _from_aiohttp(error: web.HTTPException, request: web.Request) -> Refused:
    code = _CODES.get(error.status, "error")
    headers = {name: error.headers[name] for name in ("Allow", "Content-Range") if name in error.headers}
    message = error.text or error.reason
    if error.status == 404:
        message = f"there is nothing at {request.path}"
    elif error.status == 405:
        possible = " or ".join(headers.get("Allow", "").split(","))
        message = f"{request.method} is not possible here; {possible} is"
    return Refused(error.status, code, message, headers=headers)
