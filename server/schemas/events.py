"""The shapes of the progress protocol: events of a job's log, and what is said on a socket beside them.

Every message to a client is an envelope `{type, seq, ts, job_id, data}`. Events of the log count from 1
within their job, without a gap; what is not in the log has seq 0. `docs/protocol.md` tells the rules.
"""

from typing import Annotated, Literal

from pydantic import Field

from server.schemas.requests import Model, Name
from server.schemas.responses import Job, JobError, Metrics, Output, StageProgress


class Queued(Model):
    """The job waits. ahead: how many jobs go before it. reason: why it waits again, after a restart. patient:
    nobody waits for it, so all that come later and are not go before it, too."""

    ahead: int
    reason: str | None = None
    patient: bool = False


class Started(Model):
    """The job runs; attempt counts from 1. engines: the ones that do the work, by stage."""

    attempt: int
    engines: dict[str, str] = Field(default_factory=dict)


class StageStarted(Model):
    stage: str


class StageFinished(Model):
    stage: str
    elapsed_ms: int
    items: int


class StageFailed(Model):
    stage: str
    error: JobError


class JobProgress(Model):
    """How far the whole job (0 to 1) and every stage is; at most five a second, the newest counts."""

    overall: float
    stages: dict[str, StageProgress]


class AudioSegment(Model):
    """A sentence has been spoken, in full."""

    index: int
    text: str
    start_s: float
    end_s: float


class SubtitleCue(Model):
    """A caption."""

    index: int
    start_s: float
    end_s: float
    text: str


class SubtitleWord(Model):
    """A word of a caption, with the marks around it, and when it is heard; it comes right after its caption.

    index: its number in the job. cue: that of its caption.
    """

    index: int
    cue: int
    start_s: float
    end_s: float
    text: str


class VideoInit(Model):
    """The stream can be played from here on.

    rate_hint: seconds of video to expect per second, from earlier jobs with the same engines and a picture
    about as large, rather too low than too high; null if there were none.
    """

    mime: str
    width: int
    height: int
    fps: float
    rate_hint: float | None = None


class PreviewFrame(Model):
    """The first frame as it will be, long before the others: a JPEG at `url` while the job is kept."""

    url: str
    width: int
    height: int


class Completed(Model):
    """engines: those chosen on the way. publishing: files are uploaded next, and the log goes on."""

    outputs: list[Output]
    metrics: Metrics | None = None
    engines: dict[str, str] = Field(default_factory=dict)
    publishing: bool = False


class Failed(Model):
    error: JobError


class Cancelled(Model):
    """at_stage: the furthest stage that had begun. produced_s: seconds of video made until then."""

    at_stage: str | None = None
    produced_s: float = 0.0


class Uploading(Model):
    """The files are on their way: at the start of every attempt, and about once a second from then on."""

    attempt: int
    done_bytes: int
    total_bytes: int


class Published(Model):
    """The files are in the object storage, whole; `url` of each is there, of a private bucket for a while."""

    outputs: list[Output]


class UploadFailed(Model):
    """An attempt failed. retry_in_s: until the next; absent if there will be none."""

    error: JobError
    attempt: int
    retry_in_s: float | None = None


EVENTS: dict[str, type[Model]] = {
    "job.queued": Queued,
    "job.started": Started,
    "stage.started": StageStarted,
    "stage.finished": StageFinished,
    "stage.failed": StageFailed,
    "job.progress": JobProgress,
    "audio.segment": AudioSegment,
    "subtitle.cue": SubtitleCue,
    "subtitle.word": SubtitleWord,
    "video.init": VideoInit,
    "preview.frame": PreviewFrame,
    "job.completed": Completed,
    "job.failed": Failed,
    "job.cancelled": Cancelled,
    "job.uploading": Uploading,
    "job.published": Published,
    "job.upload_failed": UploadFailed,
}
"""What `data` is, for each type of event in the log; `server.store.rows.Event` knows which ends it."""


# --- beside the log: seq 0 -----------------------------------------------------------------------


class SessionCreated(Model):
    """First on a socket for many jobs."""

    protocol: int = 1
    server: str
    heartbeat_s: float


class Snapshot(Model):
    """First after a subscription: the job as it is. Its log has `last_seq` events so far."""

    job: Job
    last_seq: int


class Resync(Model):
    """The client knows of events that the log does not have: forget them; a snapshot follows."""

    after: int
    last_seq: int


class SocketError(Model):
    """Answer to a bad message; `ref` is that message's own, if it had one."""

    code: str
    message: str
    ref: str | None = None


class Pong(Model):
    ref: str | None = None


# --- from the client -----------------------------------------------------------------------------

Seq = Annotated[int, Field(ge=0, le=2**53)]


class Subscribe(Model):
    """Follow jobs. `after`: the last seq already known, for all or by job; without it, from the beginning.

    `"*"` follows every job: a snapshot of each that has not ended, and all events from now on.
    """

    type: Literal["subscribe"]
    job_ids: Annotated[list[Name], Field(min_length=1, max_length=100)] | Literal["*"]
    after: Seq | dict[Name, Seq] | None = None
    ref: Name | None = None


class Unsubscribe(Model):
    type: Literal["unsubscribe"]
    job_ids: Annotated[list[Name], Field(min_length=1, max_length=100)] | Literal["*"]
    ref: Name | None = None


class CancelJob(Model):
    type: Literal["job.cancel"]
    job_id: Name
    ref: Name | None = None


class Ping(Model):
    type: Literal["ping"]
    ref: Name | None = None


ClientMessage = Annotated[Subscribe | Unsubscribe | CancelJob | Ping, Field(discriminator="type")]
