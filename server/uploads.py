"""Take in the body of a request: JSON of a known shape, or a form whose file goes straight to the disk."""

import asyncio
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from aiohttp import BodyPartReader, MultipartReader, web
from aiohttp.http import HttpProcessingError
from pydantic import BaseModel

from core.errors import StorageFull
from server.folder import ServerFolder
from server.problems import Refused

ModelT = TypeVar("ModelT", bound=BaseModel)

JSON_LIMIT = 2 << 20
"""Bytes of a JSON body: the longest text there may be, written as carefully as JSON can."""

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
    """What a form brought. `discard` removes a file that was not moved."""

    text: str | None = None
    file: Upload | None = None

    def discard(self) -> None:
        """Remove the file if it is still where it arrived."""
        if self.file is not None:
            self.file.path.unlink(missing_ok=True)


async def read_json(request: web.Request, model: type[ModelT]) -> ModelT:
    """The body as `model`. Raises Refused: 413, 415; ValidationError."""
    if request.content_type != "application/json":
        raise Refused(
            415,
            "unsupported_media_type",
            f"send application/json, not {request.content_type[:100]}",
            "Content-Type",
        )
    return model.model_validate_json(await request.read())


async def read_form(request: web.Request, folder: ServerFolder, *, field: str, file: str, limit: int) -> Form:
    """The body as a form of at most two parts: the text `field` and the `file`, of at most `limit` bytes.

    Raises Refused: 400 for a broken form, 413 as soon as it is too large, 415, 422 for an unknown part, 507.
    """
    if request.content_type != "multipart/form-data":
        raise Refused(
            415,
            "unsupported_media_type",
            f"send multipart/form-data, not {request.content_type[:100]}",
            "Content-Type",
        )
    form = Form()
    try:
        await _read_parts(request, folder, form, field, file, limit)
    except BaseException:
        form.discard()
        raise
    return form


async def _read_parts(
    request: web.Request, folder: ServerFolder, form: Form, field: str, file: str, limit: int
) -> None:
    try:
        reader = await request.multipart()
        while (part := await reader.next()) is not None:
            if isinstance(part, MultipartReader) or part.name is None:
                raise Refused(
                    400, "malformed_form", "every part of the form needs a name, and none is a form"
                )
            if part.name == file and form.file is None:
                form.file = await _receive(part, folder, limit)
            elif part.name == field and form.text is None:
                form.text = await _text(part)
            else:
                name = part.name[:100]
                message = f"there may be one part {field!r} and one {file!r}, and no {name!r}"
                raise Refused(422, "invalid_request", message, name)
    except (ValueError, AssertionError, LookupError, RuntimeError, HttpProcessingError) as error:
        # What aiohttp raises for a form that is not one: no boundary, broken headers, unknown charset.
        raise Refused(400, "malformed_form", "the body is not the form that its headers promise") from error


async def _text(part: BodyPartReader) -> str:
    data = bytearray()
    while piece := await part.read_chunk():
        data += piece
        if len(data) > JSON_LIMIT:
            raise Refused(413, "body_too_large", f"part {part.name!r} is over {JSON_LIMIT} bytes", part.name)
    return data.decode("utf-8")


async def _receive(part: BodyPartReader, folder: ServerFolder, limit: int) -> Upload:
    path, digest, size = folder.incoming(), hashlib.sha256(), 0
    try:
        with path.open("wb") as file:  # only a name; what takes time is done elsewhere
            while piece := await part.read_chunk(_PIECE):
                size += len(piece)
                if size > limit:
                    raise Refused(
                        413, "body_too_large", f"files of {limit} bytes are taken, this is more", part.name
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
    return Upload(path, (part.filename or "")[:200], size, digest.hexdigest())


def _add(file: int, piece: bytes, hear: Callable[[bytes], None]) -> None:
    hear(piece)
    view = memoryview(piece)
    while view:
        view = view[os.write(file, view) :]
