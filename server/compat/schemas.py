"""The parameters of the older services, and of LiveAvatar's LITE mode.

Those of GPT-SoVITS's two speech services (api.py, api_v2.py) are read as one: both spellings of a parameter
are understood on both addresses; `streaming_mode` and `media_type` too.
"""

from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from server.schemas.requests import TEXT_LIMIT, Model, Name, Slug, Text


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


LANGUAGES = {
    "中文": "zh",
    "粤语": "yue",
    "英文": "en",
    "日文": "ja",
    "韩文": "ko",
    "中英混合": "zh",
    "日英混合": "ja",
    "粤英混合": "yue",
    "韩英混合": "ko",
    "多语种混合": "auto",
    "多语种混合(粤语)": "yue",
    "all_zh": "zh",
    "all_yue": "yue",
    "all_ja": "ja",
    "all_ko": "ko",
    "auto_yue": "yue",
}
"""Their names of languages that are not ours."""

WITHOUT_MEANING = (
    *("top_k", "top_p", "temperature", "repetition_penalty", "text_split_method", "cut_punc"),
    *("batch_size", "batch_threshold", "split_bucket", "parallel_infer", "fragment_interval"),
    *("sample_steps", "super_sampling", "if_sr", "overlap_length", "min_chunk_length"),
)
"""Parameters of theirs that change nothing here: sampling is the engine's, and so is what is batched."""


def _language(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    name = value.strip().lower()
    return LANGUAGES.get(name, name)


def _listed(value: Any) -> Any:
    return [part for part in value.split(";") if part] if isinstance(value, str) else value


def _prompt_language(value: Any) -> Any:
    """`auto` is no answer: the prompt's text tells."""
    return None if (language := _language(value)) == "auto" else language


Language = Annotated[Literal["auto", "zh", "en", "yue", "ja", "ko"], BeforeValidator(_language)]
Spoken = Annotated[Literal["zh", "en", "yue", "ja", "ko"] | None, BeforeValidator(_prompt_language)]


def _either(*names: str) -> Any:
    return Field(default=None, validation_alias=AliasChoices(*names))


class OldSpeech(OldModel):
    """A text to be spoken. streaming_mode: 0 waits for all of it; anything else sends it as it is made."""

    text: Annotated[Text, Field(min_length=1, max_length=TEXT_LIMIT)]
    text_lang: Annotated[Language | None, _either("text_lang", "text_language")] = None
    ref_audio_path: Annotated[Text | None, _either("ref_audio_path", "refer_wav_path")] = None
    prompt_text: Text | None = None
    prompt_lang: Annotated[Spoken, _either("prompt_lang", "prompt_language")] = None
    aux_ref_audio_paths: Annotated[
        Annotated[list[Text], BeforeValidator(_listed)] | None, _either("aux_ref_audio_paths", "inp_refs")
    ] = None
    speed_factor: Annotated[
        float,
        Field(
            allow_inf_nan=False,
            description="spoken within 0.5 to 2",
            validation_alias=AliasChoices("speed_factor", "speed"),
        ),
    ] = 1.0
    seed: Annotated[int, Field(ge=-1, le=2**32 - 1)] = -1
    media_type: Literal["wav", "raw", "ogg", "aac"] = "wav"
    streaming_mode: Literal[0, 1, 2, 3] = 0

    @model_validator(mode="before")
    @classmethod
    def _numbered(cls, data: Any) -> Any:
        """true and false, and digits of a query, as the numbers they stand for."""
        if isinstance(data, dict) and "streaming_mode" in data:
            mode = str(data["streaming_mode"]).lower()
            mode = {"true": "1", "false": "0"}.get(mode, mode)
            data = data | {"streaming_mode": int(mode) if mode in ("0", "1", "2", "3") else mode}
        return data


class Refer(OldModel):
    """The recording to speak like from now on."""

    ref_audio_path: Annotated[
        Text | None, _either("refer_wav_path", "refer_audio_path", "ref_audio_path")
    ] = None
    prompt_text: Text | None = None
    prompt_lang: Annotated[Spoken, _either("prompt_language", "prompt_lang")] = None


class Weights(OldModel):
    """The models to speak with from now on; only the name of a file counts, not its folder."""

    gpt: Annotated[Text | None, _either("weights_path", "gpt_model_path")] = None
    sovits: Annotated[Text | None, _either("sovits_weights_path", "sovits_model_path")] = None


class Success(Model):
    """It has been done."""

    message: Literal["success"] = "success"


class Code(Model):
    """It has been done, as api.py says it."""

    code: Literal[0] = 0
    message: Literal["Success"] = "Success"


class Control(OldModel):
    """What the server shall do."""

    command: Literal["restart", "exit"]


# --- LiveAvatar's LITE mode ----------------------------------------------------------------------


class LiteToken(OldModel):
    """Who shall speak. What else stock clients send (mode, is_sandbox, livekit_config) changes nothing."""

    avatar_id: Annotated[Slug, Field(description="a template")] = "sample"


class LiteStart(OldModel):
    """A session that was begun; pipecat names it by its token alone."""

    session_id: Name | None = None


class LiteStop(LiteStart):
    """Why it ends makes no difference."""


class LiteSession(Model):
    """A session, and what proves that it is one's own."""

    session_id: str
    session_token: str


class LiteTokenAnswer(Model):
    """code: 1000, it is made."""

    code: int
    data: LiteSession
    message: str = ""


class LiteStarted(Model):
    """ws_url: the socket for the voice. What else pipecat looks for is empty: there is no room, no end."""

    session_id: str
    ws_url: str
    livekit_url: str = ""
    livekit_client_token: str = ""
    livekit_agent_token: str = ""
    max_session_duration: int = 0


class LiteAnswer(Model):
    """code: 1000, it has started."""

    code: int
    data: LiteStarted
    message: str = ""


class LiteStopped(Model):
    """code: 100, it has ended."""

    code: int


class LiteMessage(OldModel):
    """What an agent says: agent.speak with sound, agent.speak_end, agent.interrupt, session.keep_alive, and
    others, which change nothing here. audio: base64 of s16le, 24 kHz, mono."""

    type: Text
    audio: str = ""
