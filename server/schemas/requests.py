"""The shapes of the API: what may be asked.

Answers and events have modules of their own (`server.schemas.responses`, `server.schemas.events`). Requests
are read strictly: no conversions, no unknown keys, no NUL. Models are built on first use, so importing this
is cheap.
"""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.fields import FieldInfo

from core.errors import BadInput
from core.labels import LabelKind
from core.protocols import FIDELITY
from core.subtitle_style import SubtitleStyle
from core.types import VideoFormat

Status = Literal["queued", "in_progress", "completed", "failed", "cancelled"]
TERMINAL: frozenset[str] = frozenset({"completed", "failed", "cancelled"})

Kind = Literal["video", "template", "background", "enhancement"]

StageName = Literal["prepare", "tts", "lipsync", "enhance", "encode", "upload"]
StageState = Literal["pending", "running", "finished", "error", "skipped", "cancelled"]

TEXT_LIMIT = 100_000
"""Characters of text in one request, at most: hours of speech. The setting `text_limit` may be lower."""


PROMPT_LIMIT = 1000
"""Characters of a prompt, at most."""


SURROGATE = re.compile("[\ud800-\udfff]")
"""Half a character, which JSON can spell and no UTF-8 can hold."""


def _writable(text: str) -> str:
    if "\0" in text:
        raise ValueError("has a NUL character")
    if SURROGATE.search(text):
        raise ValueError("has half a surrogate pair, which is no character")
    return text


Text = Annotated[str, AfterValidator(_writable)]
Name = Annotated[Text, Field(min_length=1, max_length=128)]


def _shaped(pattern: str, told: str) -> tuple[FieldInfo, AfterValidator]:
    """What a text has to be, as a pattern for programs and in words for people."""

    def checked(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(told)
        return text

    return Field(json_schema_extra={"pattern": pattern}), AfterValidator(checked)


_SLUG = _shaped(
    r"^[a-z0-9][a-z0-9_-]{0,63}$", "is small letters, digits, and after the first - and _; 64 at most"
)
_ROW_ID = _shaped(
    r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$", "is letters, digits, and after the first - and _; 64 at most"
)

Slug = Annotated[str, *_SLUG]
"""A name the server lets be used in paths and addresses."""


class Model(BaseModel):
    """Whatever crosses the wire."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)


class Engines(Model):
    """Which engine does each stage's work; `auto` takes the best that can run."""

    speech: Name = "auto"
    lipsync: Name = "auto"
    enhance: Name = "auto"


_SIZE = r"^[1-9][0-9]{1,3}x[1-9][0-9]{1,3}$"


def _even_sides(size: str) -> str:
    if not re.fullmatch(_SIZE, size) or not all(
        64 <= int(side) <= 4096 and int(side) % 2 == 0 for side in size.split("x")
    ):
        raise ValueError("is like 1280x720; width and height are even, 64 to 4096")
    return size


Size = Annotated[
    str,
    Field(description="like 1280x720; sides even, 64 to 4096", json_schema_extra={"pattern": _SIZE}),
    AfterValidator(_even_sides),
]


def size_of(size: str | None) -> tuple[int, int] | None:
    """Width and height of a checked `Size`."""
    width, _, height = (size or "").partition("x")
    return (int(width), int(height)) if size else None


Url = Annotated[
    Text, Field(min_length=1, max_length=2048, description="http or https; the server fetches it")
]


Webhook = Annotated[Url | None, Field(description="is told by POST how the job goes, see docs/webhooks.md")]


NotBefore = Annotated[
    float | None,
    Field(
        ge=0,
        allow_inf_nan=False,
        description="Unix seconds, at most seven days from now: the job waits until then",
    ),
]


Every = Annotated[
    int,
    Field(ge=1, le=8, description="one face in so many is enhanced; what changed in it is carried on"),
]


class VideoOptions(Model):
    """How to make a video. What is absent is the template's own."""

    fps: Annotated[int, Field(ge=5, le=60, description="frames a second")] | None = None
    size: Size | None = None
    enhance: Annotated[bool, Field(description="make the redrawn face clearer")] = True
    fidelity: Annotated[
        float,
        Field(ge=0, le=1, allow_inf_nan=False, description="of the clearer face: 0 clearest, 1 most alike"),
    ] = FIDELITY
    every: Every = 1
    speed: Annotated[float, Field(ge=0.5, le=2, allow_inf_nan=False, description="1 is the voice's own")] = (
        1.0
    )
    pitch: Annotated[float, Field(ge=-12, le=12, allow_inf_nan=False, description="in semitones")] = 0.0
    seed: Annotated[
        int, Field(ge=0, le=2**31 - 1, description="for engines that sample, and how a picture blinks")
    ] = 0
    still: Annotated[bool, Field(description="of a picture only the mouth moves")] | None = None
    burn_subtitles: Annotated[bool, Field(description="draw the captions into the picture")] = False
    subtitle_style: Annotated[SubtitleStyle | None, Field(description="how they are drawn")] = None
    subtitle_track: Annotated[
        bool,
        Field(description="captions as a track that players can show: in the finished file, not in a stream"),
    ] = False
    format: Annotated[
        VideoFormat,
        Field(description="webm, mov: the person alone, without background: VP9 with alpha, ProRes 4444"),
    ] = "mp4"
    label: Annotated[
        LabelKind | None,
        Field(description="how it says that it is generated; absent: as the server's setting says"),
    ] = None
    engines: Engines = Engines()

    @model_validator(mode="after")
    def _track_has_a_place(self) -> Self:
        if self.subtitle_track and self.format != "mp4":
            raise ValueError("subtitle_track: a track of captions is in an MP4 alone")
        return self


Language = Annotated[
    Literal["auto", "zh", "en", "yue", "ja", "ko", "fr", "de", "es", "it", "pt", "ru"],
    Field(description="what the text is written in"),
]


def _readings(written: object) -> object:
    """A list of lines as what it stands for; anything else for the shape to refuse."""
    from core.text.dictionary import parsed, readings  # not before: it brings the readers

    try:
        if isinstance(written, list) and all(isinstance(line, str) for line in written):
            words: dict[str, str] = {}
            for number, line in enumerate(written, 1):
                words |= parsed(line, "the list", number)
            written = words
        if isinstance(written, dict) and all(isinstance(said, str) for said in written.values()):
            readings(written)
    except BadInput as error:
        raise ValueError(error.message) from error
    return written


Readings = Annotated[
    dict[Text, Text],
    BeforeValidator(_readings, json_schema_input_type=dict[str, str] | list[str]),
    Field(description='how words are said: {"重庆": "chong2 qing4"}, or lines ["iPhone = 爱疯"]'),
]


def _says_something(text: str) -> str:
    if not text.strip():
        raise ValueError("is blank; write what is to be said")
    return text


class VideoRequest(Model):
    """A video of `template` saying `text`; without one it speaks a recording: sent, or at `audio_url`."""

    text: (
        Annotated[Text, Field(min_length=1, max_length=TEXT_LIMIT), AfterValidator(_says_something)] | None
    ) = None
    audio_url: Url | None = None
    template: Slug = "sample"
    template_url: Annotated[
        Url | None, Field(description="a video or picture to use in its place; prepared when it is new")
    ] = None
    voice: Annotated[Name, Field(description="from /v1/voices; the language's first if absent")] | None = None
    language: Language = "auto"
    readings: Readings | None = None
    options: VideoOptions = VideoOptions()
    stream: Annotated[bool, Field(description="answer with the growing MP4 itself, not with a job")] = False
    webhook_url: Webhook = None
    not_before: NotBefore = None


class BatchedVideo(VideoRequest):
    """A row of a batch, as VideoRequest; what it names by URL is fetched once its job begins.

    id: what the row is called; else its number.
    """

    id: Annotated[str, *_ROW_ID] | None = None

    @model_validator(mode="after")
    def _fits(self) -> "BatchedVideo":
        if self.stream:
            raise ValueError("stream does not go with a batch; leave it out")
        if (self.text is None) == (self.audio_url is None):
            raise ValueError("a row has either a text or an audio_url")
        if self.template_url is not None and "template" in self.model_fields_set:
            raise ValueError("a row has either a template's id or a template_url")
        return self

    def request(self) -> VideoRequest:
        """What is asked for, as it would be on its own."""
        return VideoRequest(**{name: getattr(self, name) for name in self.model_fields_set - {"id"}})


def _known_choice(choice: str) -> str:
    from core.faces.choice import check_choice  # not before: it brings OpenCV

    return check_choice(choice)


FaceChoice = Annotated[
    str,
    Field(
        description="whose face, if several people are seen; a number is one of /v1/templates/faces",
        json_schema_extra={"pattern": "^(auto|largest|central|[1-9][0-9]?)$"},
    ),
    AfterValidator(_known_choice),
]


class LipsyncRequest(Model):
    """A video of `template`, or of a video used once, speaking a recording; both sent, or at URLs.

    face: whose, in a video used once. Those options that are the voice's mean nothing here.
    """

    audio_url: Url | None = None
    video_url: Url | None = None
    template: Annotated[Slug | None, Field(description="without one, and without a video: the sample")] = None
    face: FaceChoice = "auto"
    options: VideoOptions = VideoOptions()
    stream: Annotated[bool, Field(description="answer with the growing MP4 itself, not with a job")] = False
    webhook_url: Webhook = None
    not_before: NotBefore = None


TemplateName = Annotated[Text, Field(min_length=1, max_length=100)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class BackgroundRequest(Model):
    """What is to be behind a template's person: `prompt`, a picture at `url`, or the uploaded `image`."""

    prompt: Annotated[Text, Field(max_length=PROMPT_LIMIT, description="for the painter")] | None = None
    url: Annotated[Text, Field(min_length=1, max_length=4096, description="of a picture")] | None = None
    name: Annotated[TemplateName, Field(description="of the new template")] | None = None
    engine: Annotated[Name, Field(description="what paints, from /v1/engines")] = "auto"
    matte: Annotated[Name, Field(description="what cuts the person out, from /v1/engines")] = "auto"
    fit: Literal["cover", "contain", "stretch"] = "cover"
    focus: Annotated[
        list[Share], Field(min_length=2, max_length=2, description="x and y of what `cover` keeps in view")
    ] = [0.5, 0.5]
    blur: Annotated[Share, Field(description="how far out of focus")] = 0.0
    tone: Annotated[bool, Field(description="bring its light nearer to the person's")] = True
    pan: Annotated[bool, Field(description="let the view wander slowly")] = False
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    negative: Annotated[Text, Field(max_length=PROMPT_LIMIT, description="what shall not be seen")] = ""
    steps: Annotated[int, Field(ge=1, le=150)] | None = None
    guidance: Annotated[float, Field(ge=0, le=30, allow_inf_nan=False)] | None = None
    webhook_url: Webhook = None

    @model_validator(mode="after")
    def _says_what(self) -> "BackgroundRequest":
        if self.prompt is not None and self.url is not None:
            raise ValueError("give either a prompt or a picture")
        if self.prompt is not None and not self.prompt.strip():
            raise ValueError("prompt is blank; say what should be behind the person")
        return self


class EnhancementRequest(Model):
    """A video, sent or at `video_url`, with its faces made clearer."""

    video_url: Url | None = None
    engine: Annotated[Name, Field(description="a clarity engine from /v1/engines")] = "auto"
    fidelity: Annotated[
        float, Field(ge=0, le=1, allow_inf_nan=False, description="0 the clearest faces, 1 the most alike")
    ] = FIDELITY
    every: Every = 1
    upscale: Annotated[int, Field(ge=1, le=2, description="2: a picture twice as large")] = 1
    background: Annotated[
        bool, Field(description="what is around the faces clearer, too, by Real-ESRGAN; wants a GPU")
    ] = False
    stream: Annotated[bool, Field(description="answer with the growing MP4 itself, not with a job")] = False
    webhook_url: Webhook = None
    not_before: NotBefore = None


def _voice_name(voice: object) -> object:
    """OpenAI's clients may name a voice as an object of its id."""
    return voice["id"] if isinstance(voice, dict) and set(voice) == {"id"} else voice


class SpeechRequest(Model):
    """OpenAI's shape of text to speech: https://platform.openai.com/docs/api-reference/audio/createSpeech.

    Voices of OpenAI's stand for voices that are here. What is not done as asked is named in the answer's
    header `Warning`.
    """

    input: Annotated[Text, Field(min_length=1, max_length=TEXT_LIMIT)]
    model: Annotated[Name, Field(description="a speech engine from /v1/engines")] = "auto"
    voice: Annotated[
        Name | None, BeforeValidator(_voice_name), Field(description='from /v1/voices; or {"id": name}')
    ] = None
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] = "mp3"
    stream_format: Annotated[
        Literal["audio", "sse"], Field(description="sse: events speech.audio.delta, then speech.audio.done")
    ] = "audio"
    speed: Annotated[
        float, Field(ge=0.25, le=4, allow_inf_nan=False, description="spoken within 0.5 to 2")
    ] = 1.0
    instructions: Annotated[Text, Field(max_length=4096, description="taken, and not followed")] | None = None
    language: Language = "auto"
    readings: Readings | None = None


class PreviewRequest(Model):
    """A text whose reading is to be shown."""

    text: Annotated[Text, Field(min_length=1, max_length=TEXT_LIMIT), AfterValidator(_says_something)]
    language: Language = "auto"
    readings: Readings | None = None


class NewVoice(Model):
    """The texts of a form that clones a voice; its recordings are the parts `audio` and `aux`."""

    name: Annotated[Text, Field(min_length=1, max_length=64, description="letters, digits, - and _")]
    text: Annotated[Text, Field(max_length=500, description="what `audio` says; without it less like it")] = (
        ""
    )
    language: Annotated[
        Literal["zh", "en", "yue", "ja", "ko"] | None,
        Field(description="the language that `audio` speaks; if not given that of `text`, else zh"),
    ] = None
    gpt: Annotated[Name, Field(description="a .ckpt in the server's models folder")] | None = None
    sovits: Annotated[Name, Field(description="a .pth in the server's models folder")] | None = None
