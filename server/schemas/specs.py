"""What a job's record keeps of its request: one shape for each kind of job.

Written here and read here, so reading is lenient: what a later version of the server added is passed over.
"""

from collections.abc import Mapping
from typing import Literal, TypeVar

from pydantic import BaseModel

from server.schemas.requests import (
    BackgroundRequest,
    EnhancementRequest,
    EnlargeRequest,
    FaceChoice,
    LipsyncRequest,
    Model,
    PrepareRequest,
    VideoRequest,
)

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
    to be prepared for videos like `prepare`, or made of `base` as `enlarge` says."""

    kind: Literal["template"] = "template"
    title: str
    template: str
    upload: str | None = None
    face: FaceChoice = "auto"
    prepare: PrepareRequest | None = None
    base: str | None = None
    enlarge: EnlargeRequest | None = None


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


def read_spec(kind: str, text: str) -> JobSpec:
    """The request of a recorded job. kind: what its record says it is.

    Raises ValidationError for what is no such request.
    """
    return read_record(_SPECS[kind], text)


def read_record(model: type[M], text: str) -> M:
    """What we wrote once, or a later version of us: fields that are not known are passed over."""
    return model.model_validate_json(text, extra="ignore")
