"""What the server writes to its log: a line a request, and a line for the start and the end of each job.

To standard error, as text or as JSON, a line a record, whatever clients send: what would begin a line of its
own is written as an escape. The standard library does it in few lines, so structlog is not needed.
"""

import json
import logging
from collections.abc import Callable, Sequence

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from server.access.caller import caller
from server.errors import request_id
from server.store.rows import Event

log = logging.getLogger(__name__)

_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})
_TOLD = ("job.started", "job.completed", "job.failed", "job.cancelled", "job.published", "job.upload_failed")
Publish = Callable[[Sequence[Event]], None]


def configure(level: str, format: str) -> None:
    """Have everything that this process logs written to standard error. format: `text` or `json`."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Json() if format == "json" else _Text())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)  # of libraries
    for ours in ("server", "core", "lipstream"):
        logging.getLogger(ours).setLevel(level.upper())


class RequestLog(AbstractAccessLogger):
    """A line for each request once it has been answered, sockets at their end; probes only for debugging."""

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Write it. time: seconds from the request to the end of the answer."""
        fields = {
            "method": request.method,
            "path": request.path,  # without the query: signatures stand there
            "status": response.status,
            "ms": round(time * 1000),
            "owner": caller.get().owner,
        }
        level = logging.DEBUG if request.path in _QUIET else logging.INFO
        self.logger.log(level, "%(method)s %(path)s %(status)s %(ms)s ms", fields, extra={"fields": fields})


def jobs(publish: Publish) -> Publish:
    """`publish`, which also writes a line when a job starts and ends."""

    def published(events: Sequence[Event]) -> None:
        publish(events)
        for event in events:
            if event.type in _TOLD:
                error = json.loads(event.data).get("error") or {}
                fields = {"job": event.job_id, "event": event.type, "code": error.get("code", "")}
                log.info("%(event)s %(job)s %(code)s", fields, extra={"fields": fields})

    return published


class _Text(logging.Formatter):
    """`2026-11-30 08:00:00 INFO server.logs [request] words`."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s%(request)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """The line; a traceback follows on lines of its own."""
        known = request_id.get("")
        record.request = f" [{known}]" if known else ""
        record.msg, record.args = _one_line(record.getMessage()), None
        return super().format(record)


class _Json(logging.Formatter):
    """One object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        told = {
            "time": round(record.created, 3),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage().rstrip(),
            "request_id": request_id.get(""),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            told["traceback"] = self.formatException(record.exc_info)
        return json.dumps({name: value for name, value in told.items() if value != ""})


def _one_line(message: str) -> str:
    """What cannot be printed, as escapes: no client begins a line of the log."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in message.rstrip())
