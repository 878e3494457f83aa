"""What a route is: an address, who answers, and what its description says of it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import BaseModel

from server.access.caller import Scope

ID = r"{job_id:[A-Za-z0-9_-]{1,64}}"
BATCH = r"{batch_id:[A-Za-z0-9_-]{1,64}}"
NAME = r"{name:[A-Za-z0-9][A-Za-z0-9_.-]{0,63}}"
TEMPLATE = r"{template:[a-z0-9][a-z0-9_-]{0,63}}"
MODEL = r"{model:[A-Za-z0-9][\w.-]{0,63}}"
VOICE = r"{voice:[\w-]{1,64}}"
"""Parts of paths. What does not match is simply not there: no odd name gets any further."""


PARAMETER = re.compile(r"{(\w+):((?:[^{}]|{[^{}]*})*)}")
"""A part of a path, and what it matches."""

Access = Scope | Literal["public"]
"""What it takes to use a route; `public`: not even a key."""

Work = Literal["job", "speech", "look"]
"""What a request has the server do."""

Answer = type[BaseModel] | str | None
"""What a body is: JSON of a model, something of a media type, or nothing."""


@dataclass(frozen=True, slots=True)
class Route:
    """One operation.

    answers: by status; several where it depends. body: JSON. text: the media type of a body that is text.
    form: its parts, each with JSON schema. query, headers: parameters, with JSON schema. refuses: statuses of
    errors it may answer with, besides those that any may. operation: its name, if it is not the handler's.
    fields: how its request calls what an error names otherwise: {"speech": "model"}.
    access: what it takes; `read` for what is only looked at, else `make`, unless it says otherwise.
    starts: what the server is to do, so whether there is room for more is looked at before the body is read:
    a `job` that will be put on record, `speech`, or to `look` at a file.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    answers: Mapping[int, Answer | tuple[Answer, ...]]
    body: type[BaseModel] | None = None
    text: str | None = None
    form: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    query: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    headers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    refuses: tuple[int, ...] = ()
    head: bool = True
    operation: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    access: Access | None = None
    starts: Work | None = None

    @property
    def address(self) -> str:
        """The path with its parts by name alone."""
        return PARAMETER.sub(r"{\1}", self.path)

    @property
    def needs(self) -> Access:
        """What it takes to use it."""
        return self.access or ("read" if self.method == "GET" else "make")

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Have the router call the handler."""
        if self.method == "GET":
            router.add_get(self.path, self.handler, allow_head=self.head, expect_handler=_later)
        else:
            router.add_route(self.method, self.path, self.handler, expect_handler=_later)


async def _later(request: web.Request) -> None:
    """A body is asked for once its sender has been let in, see `gate`, not as soon as it is announced."""


def respond(model: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """The model as JSON."""
    return web.Response(
        status=status, text=model.model_dump_json(), content_type="application/json", headers=headers
    )
