"""What may be asked of templates: new ones, of files and of each other."""

from typing import Annotated

from pydantic import Field

from server.schemas.requests import (
    FaceChoice,
    Model,
    Name,
    Slug,
    TemplateName,
    Text,
    Url,
    VideoOptions,
    Webhook,
)


class TemplateRequest(Model):
    """A new template, from the video or picture at `url`; without a name it has the file's."""

    url: Url
    name: Annotated[Text, Field(max_length=100)] = ""
    face: FaceChoice = "auto"
    webhook_url: Webhook = None


class PrepareRequest(Model):
    """What the first video with these options would wait for; those of the voice mean nothing here."""

    options: VideoOptions = VideoOptions()
    webhook_url: Webhook = None


class RenameRequest(Model):
    """Another name for a template; its id stays."""

    name: TemplateName


class EnlargeRequest(Model):
    """A template of twice the size; asking for the same again gives the one that is there."""

    name: Annotated[TemplateName, Field(description="of the new template")] | None = None
    engine: Annotated[Name, Field(description="what enlarges, from /v1/engines")] = "auto"
    webhook_url: Webhook = None


class ActionsRequest(Model):
    """A template that can do what other templates of the same person show."""

    actions: Annotated[
        dict[Name, Slug],
        Field(
            description="the template of each action by its name; `talk` is shown while something is heard"
        ),
    ]
    name: Annotated[TemplateName, Field(description="of the new template")] | None = None
    webhook_url: Webhook = None
