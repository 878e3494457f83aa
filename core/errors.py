"""Errors a caller may want to catch.

Error
  BadInput           what the user gave cannot be used; `code` is for programs, the message for people
    EngineUnavailable  the engine asked for cannot run here; `missing` says what it lacks
  StageError         a stage of a running pipeline failed; `stage` names it, `__cause__` says why
  StorageFull        the disk has no room for the result
  OutOfMemory        the machine had too little memory; later it may have enough
  Stopped            long work was told to stop, and did
"""

from collections.abc import Iterator
from contextlib import contextmanager


class Error(Exception):
    """Base of every error this project raises on purpose."""


class BadInput(Error):
    """What the user gave cannot be used.

    The message says what was wrong, what was expected and what to do. `code` is stable snake_case
    (`no_face`, `malformed_media`, ...); `param` names the argument or field at fault, where there is one.
    """

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.code, self.message, self.param))


@contextmanager
def blaming(param: str) -> Iterator[None]:
    """A BadInput that leaves the block names `param`, unless it names another argument already."""
    try:
        yield
    except BadInput as error:
        error.param = error.param or param
        raise


class EngineUnavailable(BadInput):
    """The engine asked for by name cannot run here."""

    def __init__(self, name: str, missing: list[str], remedy: str = "") -> None:
        text = f"{name} cannot run here: {', '.join(missing)} missing"
        super().__init__("engine_unavailable", f"{text}; {remedy}" if remedy else text)
        self.name = name
        self.missing = missing
        self.remedy = remedy

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.name, self.missing, self.remedy))


class StageError(Error):
    """A stage of a running pipeline failed. `__cause__` is what it raised."""

    def __init__(self, stage: str, cause: BaseException) -> None:
        super().__init__(f"{stage} failed: {cause}")
        self.stage = stage
        self.cause = cause

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.stage, self.cause))


class StorageFull(Error):
    """The disk has no room for the result; nothing half-written was kept."""


class OutOfMemory(Error):
    """The machine had too little memory for it; later it may have enough."""


class Stopped(Error):
    """Long work was told to stop, and did; whoever told it so does not wait for an answer."""
