"""The shapes of the API's answers; those of requests, and what both share, are in
`server.schemas.requests`.
"""

from typing import Annotated, Literal

from pydantic import Field

from server.schemas.requests import (
    EnhancementRequest,
    Kind,
    LipsyncRequest,
    Model,
    StageState,
    Status,
    VideoRequest,
)


class ReadSentence(Model):
    """A sentence as any voice will say it: `text` is written, `spoken` said.

    start: of its first character in the whole text. pause_s: seconds of silence asked for after it.
    actions: what the person does in it.
    """

    index: int
    start: int
    text: str
    spoken: str
    language: str
    actions: list[str]
    pause_s: float = 0.0


class ReadText(Model):
    """How a text is read, in the pieces in which it is spoken."""

    object: Literal["list"] = "list"
    data: list[ReadSentence]


OutputKind = Literal["video", "subtitles", "audio", "image"]
PublicationState = Literal["uploading", "published", "failed"]


class StageProgress(Model):
    """How far one stage is.

    done, total: in the stage's own unit (sentences, frames); total is null while nobody knows.
    rate: units a second of running time. queue_depth: items made and not yet taken by the next stage.
    busy: share of its running time the stage itself worked, 0 to 1; the rest it waited for its neighbours.
    """

    state: StageState = "pending"
    done: int = 0
    total: int | None = None
    rate: float = 0.0
    queue_depth: int = 0
    busy: float = 0.0


class Output(Model):
    """A file that a job made."""

    name: str
    kind: OutputKind
    type: str
    url: str
    bytes: int
    sha256: str


class JobError(Model):
    """Why a job failed. param: the field of the request at fault, where there is one. retryable: the same
    request may well succeed later."""

    code: str
    message: str
    param: str | None = None
    stage: str | None = None
    retryable: bool = False


class Publication(Model):
    """The upload of a job's files to the object storage. attempts: how often it was tried so far."""

    state: PublicationState
    attempts: int
    error: JobError | None = None


class Metrics(Model):
    """What a finished job measured; times count from the moment it started to run.

    prepare_ms: to make the template ready, before all else.
    rtf: seconds of work for one second of video, preparation apart; below 1 is faster than it plays.
    tiles_made, tiles_reused: pieces of backgrounds that were made clearer, and that did not have to be again.
    warnings: what of the template will not look right and why, for people.
    """

    prepare_ms: int = 0
    first_audio_ms: int | None = None
    first_frame_ms: int | None = None
    total_ms: int
    audio_s: float = 0.0
    rtf: float = 0.0
    fps: float = 0.0
    frames: int = 0
    frames_without_face: int = 0
    frames_sharp: int = 0
    tiles_made: int = 0
    tiles_reused: int = 0
    retries: int = 0
    warnings: list[str] = Field(default_factory=list)


class Job(Model):
    """Work that was accepted; times are Unix seconds."""

    id: str
    object: Kind
    status: Status
    title: Annotated[str, Field(description="the beginning of the text, or the name of the upload")]
    template: str | None = None
    created_at: float
    not_before: Annotated[float | None, Field(description="it is not started earlier")] = None
    started_at: float | None = None
    finished_at: float | None = None
    attempt: Annotated[int, Field(description="how many times it was started")] = 0
    progress: Annotated[float, Field(description="0 to 1")] = 0.0
    stages: dict[str, StageProgress] = Field(default_factory=dict)
    engines: dict[str, str] = Field(default_factory=dict)
    outputs: list[Output] = Field(default_factory=list)
    error: JobError | None = None
    metrics: Metrics | None = None
    publication: Publication | None = None
    last_seq: int
    request: VideoRequest | LipsyncRequest | EnhancementRequest | None = None


class Link(Model):
    """An address for others: whoever has it may get the file until it expires (null: it never does)."""

    url: str
    expires_at: float | None


class JobList(Model):
    """A page of jobs, newest first."""

    object: Literal["list"] = "list"
    data: list[Job]
    has_more: bool


RowStatus = Literal["queued", "in_progress", "completed", "failed", "cancelled", "forgotten"]


class Batch(Model):
    """Videos that were asked for together. counts: of its rows, by status: `failed` are also those that no
    job could be made of, `forgotten` those whose job is not kept any more. results: where to read of each."""

    id: str
    object: Literal["batch"] = "batch"
    status: Annotated[
        Literal["in_progress", "ended"], Field(description="ended: no row is queued or in progress")
    ]
    created_at: float
    total: int
    counts: dict[RowStatus, int]
    results: str


class BatchList(Model):
    """Batches, newest first."""

    object: Literal["list"] = "list"
    data: list[Batch]


class BatchResult(Model):
    """A row of a batch as it stands. row: its line, from 1. error: its job's, or why there is no job."""

    row: int
    id: str
    status: RowStatus
    error: JobError | None = None
    job: Job | None = None


class VoiceReference(Model):
    """What a cloned voice was made of. recordings: how many, `aux` included. gpt, sovits: its own models."""

    text: str
    language: str
    duration_s: float
    recordings: int
    gpt: str | None = None
    sovits: str | None = None


class VoiceInfo(Model):
    """A voice of an engine. available: the engine can run here. reference: of a cloned voice.

    quality: robotic, natural or cloned; empty where it is not known. licence: of what the voice is made with.
    """

    name: str
    languages: list[str]
    about: str
    engine: str
    available: bool
    quality: str = ""
    licence: str = ""
    reference: VoiceReference | None = None


class VoiceList(Model):
    """Voices. A job that names none gets the first engine's that reads its text."""

    object: Literal["list"] = "list"
    data: list[VoiceInfo]


class EngineInfo(Model):
    """Something that can do one stage's work. missing: what it lacks here; remedy: commands that get it."""

    name: str
    kind: str
    about: str
    available: bool
    missing: list[str]
    remedy: str


class EngineList(Model):
    """Every engine, by kind, in order of preference."""

    object: Literal["list"] = "list"
    data: list[EngineInfo]


class TemplateInfo(Model):
    """A prepared video or picture of a person; the figures are the source's. A picture lasts 0 s.

    face: which of several people was chosen. warnings: what will not look right and why, for people.
    actions: what the person can do besides idling; `[[name]]` in a text asks for one, but for `talk`.
    """

    id: str
    object: Literal["template"] = "template"
    name: str
    kind: str
    width: int
    height: int
    fps: float
    duration_s: float
    bytes: int
    created_at: float
    face: str
    thumbnail: str
    warnings: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()


class TemplateList(Model):
    """Every template."""

    object: Literal["list"] = "list"
    data: list[TemplateInfo]


class NumberedFace(Model):
    """A face in a picture: its box in the picture's pixels, and its number, counted from the left."""

    number: int
    left: float
    top: float
    width: float
    height: float


class FaceList(Model):
    """Who is to be seen in a video: in that picture of its first seconds that shows most people.

    picture: a JPEG with the numbers drawn in, as a data URL.
    """

    object: Literal["list"] = "list"
    data: list[NumberedFace]
    width: int
    height: int
    picture: str


class ModelInfo(Model):
    """A speech engine, or a name of OpenAI's for whichever is best, as OpenAI's clients list models."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "lipstream"


class ModelList(Model):
    """What `model` of /v1/audio/speech may be."""

    object: Literal["list"] = "list"
    data: list[ModelInfo]


class ClusterNode(Model):
    """A node of a cluster.

    slots: jobs it may do at once. running: how many it does. jobs: which, of those that the caller may see.
    sent_bytes: of templates, sound and videos that jobs needed there. problem: why it is not used.
    """

    id: str
    address: str
    state: Literal["starting", "ready", "draining", "unusable"]
    slots: int
    running: int
    jobs: list[str]
    cores: int
    sent_bytes: int
    problem: str | None = None


class ClusterInfo(Model):
    """Where videos are made. cluster: `local` is the server itself, else the cluster's address. slots: jobs
    and live sessions that may run at once. nodes: of the cluster."""

    object: Literal["cluster"] = "cluster"
    cluster: str
    slots: int
    nodes: list[ClusterNode]


class Deleted(Model):
    """What is no more."""

    id: str
    deleted: Literal[True] = True


class Problem(Model):
    """What was wrong with a request. `param` names the field at fault, where there is one. type: whose fault
    it is, in OpenAI's words: `invalid_request_error`, `rate_limit_error`, `server_error`."""

    type: Literal["invalid_request_error", "rate_limit_error", "server_error"]
    code: str
    message: str
    param: str | None = None
    request_id: str


class ErrorBody(Model):
    """The body of every answer that is an error. code, message: the same, where older clients look."""

    error: Problem
    code: int | None = None
    message: str | None = None
