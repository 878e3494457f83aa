"""What a job's record keeps of its request: one shape for each kind of job.

Written here and read here, so reading is lenient: what a later version of the server added is passed over.
"""

import json
from collections.abc import Mapping
from typing import Literal, TypeVar

from pydantic import BaseModel, ValidationError

from core.errors import Error, UnreadableRecord
from server.schemas.requests import (
    BackgroundRequest,
    EnhancementRequest,
    FaceChoice,
    LipsyncRequest,
    Model,
    VideoRequest,
)
from server.schemas.templates import ActionsRequest, EnlargeRequest, PrepareRequest

M = TypeVar("M", bound=BaseModel)


class VideoSpec(Model):
    """A video: a text spoken, or a recording.

    upload: the recording in the job's folder. scene: a video there, used in place of a template.
    template_file: what `template` is to be prepared of, if that is not done yet: a path, or a name in the
        job's folder. template_name: for people. template_sha256: what is in the file, if that is known.
    service: asked for by a client of an older service, who gets the speech as a file, and copies where the
        settings say.
    """

    kind: Literal["video"] = "video"
    title: str
    template: str | None
    video: VideoRequest | LipsyncRequest
    upload: str | None = None
    scene: str | None = None
    template_file: str | None = None
    template_name: str | None = None
    template_sha256: str | None = None
    service: bool = False


class TemplateSpec(Model):
    """A template: made of the file `upload` in the job's folder, whose `face` is meant; or one that is there,
    to be prepared for videos like `prepare`, or made of `base` as `enlarge` or `actions` says.
    file_name: the upload's own."""

    kind: Literal["template"] = "template"
    title: str
    template: str
    upload: str | None = None
    file_name: str = ""
    face: FaceChoice = "auto"
    prepare: PrepareRequest | None = None
    base: str | None = None
    enlarge: EnlargeRequest | None = None
    actions: ActionsRequest | None = None
    webhook_url: str | None = None


class BackgroundSpec(Model):
    """A template like `base`, before another background. upload: its picture, in the job's folder."""

    kind: Literal["background"] = "background"
    title: str
    template: str
    base: str
    background: BackgroundRequest
    upload: str | None = None


class EnhancementSpec(Model):
    """The video `upload` in the job's folder, its faces made clearer. service: as in `VideoSpec`."""

    kind: Literal["enhancement"] = "enhancement"
    title: str
    template: None = None
    enhancement: EnhancementRequest
    upload: str
    service: bool = False


JobSpec = VideoSpec | TemplateSpec | BackgroundSpec | EnhancementSpec

_SPECS: Mapping[str, type[JobSpec]] = {
    "video": VideoSpec,
    "template": TemplateSpec,
    "background": BackgroundSpec,
    "enhancement": EnhancementSpec,
}


def webhook_of(spec: JobSpec) -> str | None:
    """Whom to tell how the job goes."""
    match spec:
        case VideoSpec():
            return spec.video.webhook_url
        case EnhancementSpec():
            return spec.enhancement.webhook_url
        case BackgroundSpec():
            return spec.background.webhook_url
    asked = spec.prepare or spec.enlarge or spec.actions
    return asked.webhook_url if asked is not None else spec.webhook_url


def not_before_of(spec: JobSpec) -> float | None:
    """When it may begin, in Unix seconds; None: at once."""
    match spec:
        case VideoSpec():
            return spec.video.not_before
        case EnhancementSpec():
            return spec.enhancement.not_before
    return None


def read_spec(kind: str, text: str) -> JobSpec:
    """The request of a recorded job. kind: what its record says it is.

    Raises UnreadableRecord for what is no such request, or of a kind that this version does not know.
    """
    shape = _SPECS.get(kind)
    if shape is None:
        raise UnreadableRecord(f"its kind is {kind[:80]!r}, which is not known here")
    try:
        return read_record(shape, text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "all of it"
        raise UnreadableRecord(f"its request is not readable ({place}: {first['msg']})") from error
    except Error as error:  # a choice that is none here
        raise UnreadableRecord(f"its request is not readable ({error})") from error


def body_of(spec: JobSpec, files: Mapping[str, str]) -> str:
    """What an Idempotency-Key came with, to be kept. files: hashes of what was uploaded, by name."""
    return json.dumps([spec.kind, spec.model_dump(mode="json"), dict(files)])


def same_body(one: str, other: str) -> bool:
    """Whether two `body_of`, perhaps of other versions of the server, ask for the same.

    What is as it is by default says nothing: a version may have a field that another has not.
    """
    return one == other or _said(one) == _said(other) is not None


def _said(body: str) -> object:
    """What a body says beyond defaults; None if it cannot be read."""
    try:
        kind, spec, files = json.loads(body)
        said = read_spec(kind, json.dumps(spec)).model_dump(mode="json", exclude_defaults=True)
    except (ValueError, TypeError, UnreadableRecord):
        return None
    return kind, said, files


def read_record(model: type[M], text: str) -> M:
    """What we wrote once, or a later version of us: fields that are not known are passed over."""
    return model.model_validate_json(text, extra="ignore")
