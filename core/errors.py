"""Every error that this project raises on purpose: what it means, and whether a retry helps.

Error                  base of them all; the message is for people
  BadInput             what was given cannot be used; `code` is for programs        no: change the input
    EngineUnavailable  the engine asked for cannot run here; `missing` says why     no: install what lacks
  StageError           a stage of a running pipeline failed; `cause` says why       as its cause
  SpeechFault          a speech engine returned something that is not the sentence  yes: engines vary
  SpeechServerFailed   a speech server elsewhere failed; `why` says how             unless it is `unusable`
  VoiceFailed          the voice process died on a sentence, twice                  no: it would again
  DamagedFile          a file of an installed package is not the expected one       no: install it anew
  StorageFull          the disk has no room for the result                          yes: once there is room
  OutOfMemory          the machine had too little memory                            yes: later
  Stopped              long work was told to stop, and did                          nobody waits for it
  Stalled              a job did nothing for too long                               yes
  NodeLost              the machine that did the work is gone                      yes: another does it
  FolderInUse          another server works in this data folder                     once it has ended
  StorageError         the place of finished files failed; `code` says why          as its `retryable` says
  UnknownJob           there is no job of that id                                   no
  UnreadableRecord     a job's record makes no sense to this version                no: a later version may
  JobOver              the job has ended or does not run; its log takes no more     no
  JobRunning           the job has not ended, so it cannot be deleted               once it has ended
  OverQuota            a key has used up what it may                                after `reset_s`
  TooManyJobs          as many jobs wait as may wait                                after `retry_after_s`

`server.errors.Refused`, an Error too, is a request's answer with an HTTP status, which `core` does not know.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What an OSError says where the disk is full, a quota used up, or a file as large as it may be."""


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


@contextmanager
def calling(file: str, name: str) -> Iterator[None]:
    """A BadInput that leaves the block and speaks of `file` calls it by the name that people know, if any."""
    try:
        yield
    except BadInput as error:
        if not name or not error.message.startswith(f"{file}"):
            raise
        raise BadInput(error.code, name + error.message[len(file) :], error.param) from error


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


@contextmanager
def telling_no_room(message: str) -> Iterator[None]:
    """An OSError in the block that says that there is no room is raised as StorageFull, with `message`."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_ROOM:
            raise StorageFull(message) from error
        raise


class OutOfMemory(Error):
    """The machine had too little memory for it; later it may have enough."""


class Stopped(Error):
    """Long work was told to stop, and did; whoever told it so does not wait for an answer."""


class SpeechFault(Error):
    """The speech engine returned something that is not the sentence spoken."""


ServerFault = Literal["failed", "slow", "busy", "unusable"]


class SpeechServerFailed(Error):
    """A speech server that runs elsewhere failed.

    why: `slow` (nothing came in time), `busy` (it says so; `retry_after_s` is when to ask again), `unusable`
    (its answers are of no kind that is known, so that asking again is no use), else `failed`.
    """

    def __init__(
        self,
        message: str,
        why: ServerFault = "failed",
        retry_after_s: int = 5,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.why = why
        self.retry_after_s = retry_after_s

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.message, self.why, self.retry_after_s))

    @property
    def retryable(self) -> bool:
        """Whether to ask again may help."""
        return self.why != "unusable"


class VoiceFailed(Error):
    """The voice process died on this sentence, twice."""


class DamagedFile(Error):
    """A file of an installed package is not the one that was tried out."""


class Stalled(Error):
    """A job did nothing for too long."""


class NodeLost(Error):
    """The machine, or the process on it, that did the work is gone; another may do it, from the start."""


class FolderInUse(Error):
    """Another server works in this folder."""


class StorageError(Error):
    """The storage of finished files failed. code: why, for programs; retryable: later it may work."""

    def __init__(self, code: str, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.code = code
        self.retryable = retryable


class UnknownJob(Error):
    """There is no job of that id."""


class UnreadableRecord(Error):
    """A job of which this version cannot make sense: damaged, or of a kind that it does not know."""


class JobOver(Error):
    """The job has ended, or does not run: its log takes no more."""


class JobRunning(Error):
    """The job has not ended, so it cannot be deleted."""


class OverQuota(Error):
    """A key has used up what it may. resource: `jobs` (at once) or `minutes` (in 24 hours); `limit` of them,
    and `reset_s` seconds until there is room."""

    def __init__(self, resource: str, limit: float, reset_s: int) -> None:
        told = f"{limit:g} jobs at once" if resource == "jobs" else f"{limit:g} minutes in 24 hours"
        super().__init__(f"this key may have {told}, and has; try again in {reset_s} s")
        self.resource = resource
        self.limit = limit
        self.reset_s = reset_s


class TooManyJobs(Error):
    """As many jobs wait as may wait. `retry_after_s` is a guess at when there is room."""

    def __init__(self, waiting: int, retry_after_s: int) -> None:
        super().__init__(f"{waiting} jobs are waiting, and no more may; try again in {retry_after_s} s")
        self.retry_after_s = retry_after_s
