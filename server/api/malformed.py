"""What is no HTTP is refused like everything else: in JSON, with what keeps browsers from misusing an answer.

aiohttp answers it by itself, before there is a request for the application to see.
"""

import secrets
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from server.api.guard import protect
from server.errors import Refused, answer, request_id


class Runner(web.AppRunner):
    """Runs an application, with such refusals."""

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()  # starts the application
        options = {"request_factory": made.request_factory, **self._kwargs}
        return _Server(made.request_handler, **options)


class _Server(web.Server):
    """A factory of what speaks on a connection."""

    def __call__(self) -> RequestHandler:
        """One for a new connection."""
        return _Protocol(self, loop=self._loop, **self._kwargs)


class _Protocol(RequestHandler):
    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """See aiohttp, which logs it, and raises ConnectionError if half an answer is out."""
        super().handle_error(request, status, exc, message)
        request_id.set(secrets.token_hex(8))
        told = _told(status, message)
        response = answer(Refused(status, "internal" if status >= 500 else "malformed_request", told))
        protect(response.headers)
        response.force_close()
        return response


def _told(status: int, message: Any) -> str:
    if status >= 500:
        return "the server failed at this; its log says why"
    first = str(message or "").strip().partition("\n")[0].rstrip(":")
    what = "".join(char for char in first if char.isprintable())[:200]
    return f"this is no HTTP request ({what})" if what else "this is no HTTP request"
