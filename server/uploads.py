"""Take in the body of a request: JSON of a known shape, or a form whose files go straight to the disk."""

import asyncio
import codecs
import hashlib
import os
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Set
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from aiohttp import BodyPartReader, MultipartReader, web
from aiohttp.http import HttpProcessingError
from pydantic import BaseModel

from core.errors import BadInput, StorageFull
from server.errors import Refused, reading
from server.folder import ServerFolder

ModelT = TypeVar("ModelT", bound=BaseModel)

JSON_LIMIT = 2 << 20
"""Bytes of a JSON body: the longest text there may be, written as carefully as JSON can."""

SILENCE_S, BODY_S = 30.0, 120.0
"""Seconds that a body may stop coming, and that one of JSON may take in all."""

SLOWEST, PATIENCE_S = 16 << 10, 60.0
"""Bytes a second that an upload must come with, once it has come for so long."""

_JSON, _FORM = "application/json", "multipart/form-data"
_PIECE = 256 << 10
_ROOM = 64 << 20
"""Bytes of disk that an upload leaves free."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of a form, at `path` until it is moved. name: the client's, for people only."""

    path: Path
    name: str
    bytes: int
    sha256: str


@dataclass(slots=True)
class Form:
    """What a form brought, by the names of its parts. `discard` removes files that were not moved."""

    texts: dict[str, str] = field(default_factory=dict)
    files: dict[str, list[Upload]] = field(default_factory=dict)

    def text(self, name: str) -> str | None:
        """The part's text, if it came."""
        return self.texts.get(name)

    def file(self, name: str) -> Upload | None:
        """The part's file, if it came; of several the first."""
        return next(iter(self.files.get(name, ())), None)

    def discard(self) -> None:
        """Remove the files that are still where they arrived."""
        for uploads in self.files.values():
            for upload in uploads:
                upload.path.unlink(missing_ok=True)


@contextmanager
def named(upload: Upload, param: str) -> Iterator[None]:
    """Around what looks at a file: a BadInput calls it as its sender does, not as we do. param: its part."""
    try:
        yield
    except BadInput as error:
        message = error.message.replace(upload.path.name, upload.name or "the file")
        raise BadInput(error.code, message, param) from error


def is_json(request: web.Request) -> bool:
    """Whether a body that may be JSON or a form is JSON. Raises Refused 415 for what is neither."""
    if request.content_type not in (_JSON, _FORM):
        raise _unsupported(request, f"{_JSON} or {_FORM}")
    return request.content_type == _JSON


def _unsupported(request: web.Request, expected: str) -> Refused:
    got = (
        request.content_type[:100]
        if "Content-Type" in request.headers
        else "a request without a Content-Type"
    )
    return Refused(415, "unsupported_media_type", f"send {expected}, not {got}", "Content-Type")


async def read_json(request: web.Request, model: type[ModelT]) -> ModelT:
    """The body as `model`; no body is an empty one. Raises Refused: 400, 413, 415, 422."""
    if not request.can_read_body and request.content_type != _JSON:
        with reading(model):
            return model.model_validate({})
    if request.content_type != _JSON:
        raise _unsupported(request, _JSON)
    body = (await read_body(request)).removeprefix(codecs.BOM_UTF8)
    with reading(model):
        return model.model_validate_json(body)


async def read_body(request: web.Request, limit: int = JSON_LIMIT) -> bytes:
    """All of a body of at most `limit` bytes.

    Raises Refused: 408 for one that stops, or comes at a trickle; 413.
    """
    body = bytearray()
    async with _in_time(BODY_S):
        while not request.content.at_eof():
            async with _in_time(SILENCE_S):
                body += await request.content.readany()
            if len(body) > limit:
                raise web.HTTPRequestEntityTooLarge(limit, len(body))
    return bytes(body)


@asynccontextmanager
async def _in_time(seconds: float) -> AsyncGenerator[None, None]:
    """Around the reading of a body: raises Refused 408 if it takes longer."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        message = "the body stopped coming, or comes too slowly; send it again"
        raise Refused(408, "body_too_slow", message) from None


async def read_form(
    request: web.Request, folder: ServerFolder, *, texts: Set[str], files: Mapping[str, int], limit: int
) -> Form:
    """The body as a form of the parts named here, each text once at most.

    files: how often each may come. limit: bytes of all files together.
    Raises Refused: 400 for a broken form, 413 as soon as it is too large, 415, 422 for an unknown part, 507.
    """
    if request.content_type != _FORM:
        raise _unsupported(request, _FORM)
    form = Form()
    try:
        await _read_parts(request, folder, form, texts, files, limit)
    except BaseException:
        form.discard()
        raise
    return form


async def _read_parts(
    request: web.Request,
    folder: ServerFolder,
    form: Form,
    texts: Set[str],
    files: Mapping[str, int],
    limit: int,
) -> None:
    try:
        reader = await request.multipart()
        while (part := await _next_part(reader)) is not None:
            if isinstance(part, MultipartReader) or part.name is None:
                raise Refused(
                    400, "malformed_form", "every part of the form needs a name, and none is a form"
                )
            there = form.files.setdefault(part.name, []) if part.name in files else []
            if len(there) < files.get(part.name, 0):
                there.append(await _receive(part, folder, limit))
                limit -= there[-1].bytes
            elif part.name in texts and part.name not in form.texts:
                form.texts[part.name] = await _text(part)
            else:
                raise _unexpected(part.name, texts, files)
    except (ValueError, AssertionError, LookupError, RuntimeError, HttpProcessingError) as error:
        # What aiohttp raises for a form that is not one: no boundary, broken headers, unknown charset.
        raise Refused(400, "malformed_form", "the body is not the form that its headers promise") from error


async def _next_part(reader: MultipartReader) -> MultipartReader | BodyPartReader | None:
    async with _in_time(SILENCE_S):
        return await reader.next()


def _unexpected(name: str, texts: Set[str], files: Mapping[str, int]) -> Refused:
    known = [repr(text) for text in sorted(texts)]
    known += [f"{file!r} ({most} times)" if most > 1 else repr(file) for file, most in files.items()]
    what = "one too many" if name in texts or name in files else "no part of this form"
    message = f"{name[:100]!r} is {what}; there may be: {', '.join(known)}"
    return Refused(422, "invalid_request", message, name[:100])


async def _text(part: BodyPartReader) -> str:
    data = bytearray()
    while piece := await part.read_chunk():
        data += piece
        if len(data) > JSON_LIMIT:
            raise Refused(413, "body_too_large", f"part {part.name!r} is over {JSON_LIMIT} bytes", part.name)
    return data.decode("utf-8")


async def _receive(part: BodyPartReader, folder: ServerFolder, limit: int) -> Upload:
    path, digest, size, began = folder.incoming(), hashlib.sha256(), 0, time.monotonic()
    try:
        with path.open("wb") as file:  # only a name; what takes time is done elsewhere
            while piece := await _piece(part, size, began):
                size += len(piece)
                if size > limit:
                    raise Refused(
                        413,
                        "body_too_large",
                        f"there is room for {limit} bytes of files here, this is more",
                        part.name,
                    )
                if folder.free() < _ROOM:
                    raise StorageFull("the disk is too full for an upload")
                await asyncio.to_thread(_add, file.fileno(), piece, digest.update)
            await asyncio.to_thread(os.fsync, file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    if not size:
        path.unlink()
        raise Refused(422, "empty_file", f"the file in part {part.name!r} is empty", part.name)
    # Bytes that are no UTF-8 come as halves of surrogate pairs, which nothing else can hold.
    name = (part.filename or "").encode("utf-8", "replace").decode()
    return Upload(path, name[:200], size, digest.hexdigest())


async def _piece(part: BodyPartReader, size: int, began: float) -> bytes:
    """The next bytes of a file of which `size` have come since `began`. Raises Refused 408."""
    left = began + PATIENCE_S + size / SLOWEST - time.monotonic()
    async with _in_time(min(SILENCE_S, max(0.0, left))):
        return await part.read_chunk(_PIECE)


def _add(file: int, piece: bytes, hear: Callable[[bytes], None]) -> None:
    hear(piece)
    view = memoryview(piece)
    while view:
        view = view[os.write(file, view) :]
