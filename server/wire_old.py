"""The shapes of requests that clients of older services send, and of what they are answered.

They are read as those services read them: unknown fields are passed over, numbers are taken for text, and
"" is the same as nothing.
"""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from server.wire import TEXT_LIMIT, Model, Text


class OldModel(BaseModel):
    """A request of an older client."""

    model_config = ConfigDict(extra="ignore", frozen=True, defer_build=True, coerce_numbers_to_str=True)

    @model_validator(mode="before")
    @classmethod
    def _without_empty(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return {name: value for name, value in data.items() if value not in ("", None)}


class CreateVideo(OldModel):
    """A video of the template `video_number`, or of the one at `video_url`, saying `text`."""

    text: Annotated[Text, Field(min_length=1, max_length=TEXT_LIMIT)]
    video_number: Annotated[
        str | None, Field(description="N means N.mp4 in the folder of the setting `video_base_path`")
    ] = None
    video_url: Annotated[Text, Field(max_length=2048)] | None = None
    burn_subtitles: Annotated[bool, Field(description="draw the captions into the picture")] = False
    is_srt: Annotated[bool, Field(description="captions, as a file and as a track of the video")] = False


class ProcessSync(OldModel):
    """A recording, and a video of who shall speak it: URLs, or paths in folders that the settings allow."""

    audio_url: Text | None = None
    video_url: Text | None = None
    audio_path: Text | None = None
    video_path: Text | None = None


class ProcessVideo(OldModel):
    """A video: a URL, or a path in a folder that the settings allow."""

    video_url: Text | None = None
    video_path: Text | None = None


class MadeVideo(Model):
    """Where the video is."""

    video_url: str
    job_id: str


class CreatedVideo(Model):
    """Where everything is. srt_url: if captions were asked for."""

    video_url: str
    audio_url: str | None = None
    srt_url: str | None = None
    job_id: str
