"""The description of the API: OpenAPI 3.1 made from routes and models, and a page of it for people."""

import html
import json
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

import core
from server.access.cookies import COOKIE
from server.api.route import PARAMETER, Answer, Route
from server.schemas.events import EVENTS
from server.schemas.live import SESSION_EVENTS
from server.schemas.requests import BatchedVideo
from server.schemas.responses import BatchResult, ErrorBody

ANY = (400, 403, 421, 422)
"""Errors that any request may get: malformed, of a foreign page, to a foreign name, invalid."""

_SCHEMES = {
    "key": {
        "type": "http",
        "scheme": "bearer",
        "description": "a key of `lipstream keys add`; on a WebSocket also as the subprotocol"
        " `lipstream.key.KEY`, beside `lipstream.v1`",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE,
        "description": "what the page's form /login gives for a key",
    },
}

_LINES: tuple[type[BaseModel], ...] = (BatchedVideo, BatchResult)
"""What lines of JSON have the shape of."""

_FILE = {"type": "string", "format": "binary"}
_REF = "#/components/schemas/{model}"


def describe_api(routes: Sequence[Route]) -> dict[str, Any]:
    """The OpenAPI document."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.address, {})[route.method.lower()] = _operation(route)
    _, schemas = models_json_schema([(m, "validation") for m in _models(routes)], ref_template=_REF)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Lipstream",
            "version": core.__version__,
            "description": "Text and a template video in, a talking video out, playing while it is made.",
        },
        "paths": paths,
        "components": {"schemas": schemas["$defs"], "securitySchemes": _SCHEMES},
    }


def _models(routes: Sequence[Route]) -> list[type[BaseModel]]:
    found: dict[type[BaseModel], None] = {ErrorBody: None}
    for route in routes:
        bodies = [route.body, *(a for answer in route.answers.values() for a in _each(answer))]
        found.update((m, None) for m in bodies if isinstance(m, type))
    found.update((model, None) for model in (*EVENTS.values(), *SESSION_EVENTS.values(), *_LINES))
    return list(found)


def _each(answer: Answer | tuple[Answer, ...]) -> tuple[Answer, ...]:
    return answer if isinstance(answer, tuple) else (answer,)


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": route.summary,
        "operationId": route.operation or route.handler.__name__,
        "responses": {str(status): _response(status, answer) for status, answer in route.answers.items()},
        # Where the server asks for keys; with {} it may be one that does not.
        "security": [] if route.needs == "public" else [{"key": []}, {"session": []}, {}],
    }
    guarded = () if route.needs == "public" else (401,)
    started = (429, 503) if route.starts else ()
    for status in sorted({*ANY, *guarded, *started, *route.refuses}):
        operation["responses"].setdefault(str(status), _response(status, ErrorBody))
    if parameters := list(_parameters(route)):
        operation["parameters"] = parameters
    if content := _content(route):
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _parameters(route: Route) -> Iterable[dict[str, Any]]:
    for name, pattern in PARAMETER.findall(route.path):
        schema = {"type": "string", "pattern": f"^(?:{pattern})$"}
        yield {"name": name, "in": "path", "required": True, "schema": schema}
    for place, parameters in (("query", route.query), ("header", route.headers)):
        for name, wanted in parameters.items():
            yield {"name": name, "in": place, "required": False, "schema": dict(wanted)}


def _content(route: Route) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if route.text is not None:
        content[route.text] = {"schema": {"type": "string"}}
    if route.body is not None:
        content["application/json"] = {"schema": {"$ref": _REF.format(model=route.body.__name__)}}
    if route.form:
        properties = {name: dict(schema) for name, schema in route.form.items()}
        content["multipart/form-data"] = {"schema": {"type": "object", "properties": properties}}
    return content


def _response(status: int, answer: Answer | tuple[Answer, ...]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for one in _each(answer):
        if isinstance(one, str):
            if one == "application/json":
                content[one] = {}
            else:  # generators take what has no schema for text
                content[one] = {"schema": {} if one.startswith("text/") else _FILE}
        elif one is not None:
            content["application/json"] = {"schema": {"$ref": _REF.format(model=one.__name__)}}
    response: dict[str, Any] = {"description": HTTPStatus(status).phrase}
    if content:
        response["content"] = content
    return response


# --- for people ----------------------------------------------------------------------------------

STYLE = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 1rem }
code, pre { font: 14px/1.4 ui-monospace, monospace }
pre { overflow: auto; padding: .75rem; border: 1px solid #8886; border-radius: .5rem }
section { border-top: 1px solid #8886; padding: .25rem 0 }
h3 code { font-size: 1rem } b.method { display: inline-block; min-width: 4.5rem }
"""


def page(api: Mapping[str, Any]) -> str:
    """The document as one page of HTML that needs nothing else."""
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><title>Lipstream API</title>",
        "<meta name=viewport content='width=device-width'>",
        f"<style>{STYLE}</style><h1>Lipstream API</h1><p>{_text(api['info']['description'])}",
        f" Version {_text(api['info']['version'])}. For programs: <a href=openapi.json>openapi.json</a>.</p>",
        "<h2>Operations</h2>",
    ]
    for path, operations in api["paths"].items():
        for method, operation in operations.items():
            parts.append(_section(method, path, operation))
    parts.append("<h2>Shapes</h2>")
    for name, schema in sorted(api["components"]["schemas"].items()):
        text = json.dumps(schema, indent=1, ensure_ascii=False)
        parts.append(f"<section id='{_text(name)}'><h3>{_text(name)}</h3><pre>{_text(text)}</pre></section>")
    return "".join(parts)


def _section(method: str, path: str, operation: Mapping[str, Any]) -> str:
    lines = [f"<section><h3><b class=method>{method.upper()}</b> <code>{_text(path)}</code></h3>"]
    lines.append(f"<p>{_text(operation['summary'])}</p><ul>")
    for parameter in operation.get("parameters", ()):
        schema = json.dumps(parameter["schema"], ensure_ascii=False)
        lines.append(
            f"<li>{parameter['in']} <code>{_text(parameter['name'])}</code>: <code>{_text(schema)}</code>"
        )
    if "requestBody" in operation:
        lines.append(f"<li>body: {_contents(operation['requestBody'])}")
    for status, response in operation["responses"].items():
        lines.append(f"<li>{status} {_text(response['description'])}: {_contents(response)}")
    return "".join([*lines, "</ul></section>"])


def _contents(holder: Mapping[str, Any]) -> str:
    shown = []
    for kind, content in holder.get("content", {}).items():
        reference = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
        shown.append(
            f"<code>{_text(kind)}</code>" + (f" <a href='#{reference}'>{reference}</a>" if reference else "")
        )
    return ", ".join(shown) or "no body"


def _text(words: str) -> str:
    return html.escape(words, quote=True)
