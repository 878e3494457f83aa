"""The server's own settings; `core.config` has the others. Read from the same places."""

from base64 import b64decode
from ipaddress import ip_address
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from core.cluster.settings import ClusterSettings
from server.addresses import allowed


def region_of(endpoint: str) -> str:
    """`cn-hangzhou` of `https://oss-cn-hangzhou-internal.aliyuncs.com`; empty if it does not say."""
    name = host_of(endpoint).partition(".")[0]
    return name.removeprefix("oss-").removesuffix("-internal") if name.startswith("oss-") else ""


def host_of(endpoint: str) -> str:
    """The host of an endpoint, written with or without a scheme; empty if there is none."""
    return urlsplit(endpoint if "://" in endpoint else f"//{endpoint}").hostname or ""


Service = Literal["video", "speech", "lipsync", "enhance"]


class ServerSettings(ClusterSettings):
    """`LIPSTREAM_PORT=9000` sets `port`, and so on."""

    host: str = "127.0.0.1"
    port: int = Field(default=8010, ge=0, le=65535)
    """Where to listen; port 0 takes a free one."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["text", "json"] = "text"
    """What goes to the log, on standard error: at `info` a line a request, and for a job's start and end."""

    only: Service | None = None
    """One service alone, at the addresses its clients know: video, speech, lipsync or enhance. Its jobs have
    a record of their own."""

    no_key: bool = False
    """Let everybody who reaches the server do everything, also from other machines. Without it, and without a
    key (`lipstream keys add`), it listens on this machine only. Keys count all the same."""

    hosts: tuple[str, ...] = ()
    """Names this server is known by, besides `localhost` and its addresses."""

    origins: tuple[str, ...] = ()
    """Pages elsewhere that may use it, like `https://studio.example`: those of a proxy in front."""

    jobs: int = Field(default=2, ge=1)
    """Jobs that run at once."""

    waiting: int = Field(default=64, ge=1)
    """Jobs that may wait; one more is refused with 429."""

    backlog: int = Field(default=2000, ge=1)
    """Patient jobs that may wait besides, rows of batches and those with `not_before`: they are done while
    others leave room. One more is refused with 429."""

    sessions: int = Field(default=4, ge=0)
    """Live sessions at once; one more is refused with 429. Each takes some processor time while idle, too."""

    chat_url: str = ""
    """A language model's server of OpenAI's shape, up to its version, like http://127.0.0.1:11434/v1: what is
    asked in a live session is answered by it. Empty: nothing can be asked."""

    chat_key: SecretStr = SecretStr("")
    """The key it wants, sent as `Authorization: Bearer`."""

    chat_model: str = "default"
    """What it calls the model that is to answer."""

    chat_prompt: str = (
        "You are spoken to and your answers are spoken aloud: be brief, in plain sentences, no lists."
    )
    """What the model is told before the conversation; empty: nothing."""

    transcribe_url: str = ""
    """A server that turns speech into text, of OpenAI's shape (`/audio/transcriptions`), up to its version:
    what is asked of `chat_url` may be sound. Empty: only text may."""

    transcribe_key: SecretStr = SecretStr("")
    """The key it wants, sent as `Authorization: Bearer`."""

    transcribe_model: str = "whisper-1"
    """What it calls the model that is to listen."""

    lines: int = Field(default=512, ge=1)
    """Open sockets, event streams and streams of speech or video, at most."""

    connections: int = Field(default=2048, ge=1)
    """Connections of all clients at once; one more is refused with 503."""

    connections_each: int = Field(default=128, ge=1)
    """Of them, from one address; one more is refused with 429. This machine's own are not counted so."""

    speaking: int = Field(default=16, ge=1)
    """Requests for speech that are spoken at once; as many more wait, and one more is refused with 429."""

    upload_mb: int = Field(default=512, ge=1)
    """Size of an uploaded file, at most."""

    fetch: bool = True
    """Whether templates and recordings may be named by a URL, which the server then fetches."""

    fetch_allow: tuple[str, ...] = ()
    """What may be fetched besides the public internet: `media.internal`, `10.0.0.7:9000`, `10.1.0.0/16`, and
    objects of the storage: `oss://bucket/templates/`."""

    ice_servers: tuple[str, ...] = ()
    """STUN and TURN servers for viewers by WebRTC, like `stun:stun.example:3478`: none is asked that is not
    here."""

    push: bool = True
    """Whether the video of live sessions may be sent to RTMP servers: those of the public internet, and what
    `fetch_allow` names."""

    fetch_s: float = Field(default=120, gt=0)
    """Seconds that fetching one URL may take."""

    fetch_cache_gb: float = Field(default=2, ge=0)
    """Room for fetched files that are kept for the next time."""

    webhook_secret: SecretStr = SecretStr("")
    """What posts to `webhook_url` are signed with: whsec_ and base64, or any words. Empty: made at the first
    start, and kept in the server's folder as webhooks.key."""

    public_url: str = ""
    """Where clients reach this server, like `https://studio.example` or `https://example.org/lipstream`, if a
    proxy stands before it: its host is known, its pages are trusted, and its path goes before addresses."""

    link_hours: float = Field(default=24, gt=0, le=168)
    """Hours that a link works which was handed out for a file, here or in a private bucket."""

    oss_endpoint: str = ""
    """Aliyun OSS, where results are uploaded to: `https://oss-cn-hangzhou.aliyuncs.com`. Empty: nowhere."""

    oss_internal_endpoint: str = ""
    """The endpoint that the server itself uses, if it stands in Aliyun's network."""

    oss_region: str = ""
    """Like `cn-hangzhou`; needed only if the endpoint's name does not say."""

    oss_bucket: str = ""
    """The bucket, which must exist."""

    oss_prefix: str = Field(default="lipstream/", pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]*/)*$")
    """What the names of all objects begin with: a folder, with a slash at its end, or nothing."""

    oss_cname: str = ""
    """A domain bound to the bucket, for the addresses that are handed out: `https://video.example`."""

    oss_acl: Literal["bucket", "private", "public-read"] = "private"
    """Who may read an object: private ones are handed out by signed links, public ones by plain addresses;
    bucket leaves it to the bucket, and signs."""

    oss_access_key_id: str = ""
    oss_access_key_secret: SecretStr = SecretStr("")
    """An access key that may put and get objects below the prefix."""

    keep_days: float = Field(default=7, ge=0)
    """Days that a job and its files are kept after its end."""

    keep_gb: float = Field(default=20, gt=0)
    """Room for the files of ended jobs; the oldest go first."""

    keep_template_days: float = Field(default=7, ge=0)
    """Days that a template which came by URL with a video is kept after its last use."""

    ballast_mb: int = Field(default=16, ge=0)
    """Room on the disk that is given up when it is full, so that failures can still be recorded."""

    video_base_path: Path | None = None
    """Folder of templates by number: `POST /create-video/` with `video_number` N speaks with N.mp4 in it."""

    control: bool = False
    """Whether `/control` may stop the server and start it anew, as GPT-SoVITS's services let anybody do."""

    media_paths: tuple[Path, ...] = ()
    """Folders whose files requests to the older addresses may name by path, besides `video_base_path`,
    `temp_video_path`, `generated_audio_path`, `temp_dir_base` and `result_dir_base`."""

    result_dir_base: Path | None = None
    """Folder that gets a copy of every video made for `/create-video/` or `/process_sync/`, JOB.mp4."""

    srt_path: Path | None = None
    """Folder that gets a copy of the captions of those videos, JOB.srt."""

    keep_temp: bool = False
    """Keep what those requests need only on the way, in the folders below."""

    temp_video_path: Path | None = None
    generated_audio_path: Path | None = None
    temp_srt_path: Path | None = None
    """Folders for what `keep_temp` keeps: the growing video as it was, the speech, the captions."""

    temp_dir_base: Path | None = None
    """Folder for those of the three that have none of their own."""

    @field_validator("webhook_secret")
    @classmethod
    def _a_secret(cls, secret: SecretStr) -> SecretStr:
        prefix, _, rest = secret.get_secret_value().partition("_")
        if prefix == "whsec":
            try:
                b64decode(rest, validate=True)
            except ValueError:
                raise ValueError("is whsec_ and base64, or any words") from None
        return secret

    @field_validator("public_url")
    @classmethod
    def _a_place(cls, url: str) -> str:
        parts = urlsplit(url)
        if url and (
            parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment
        ):
            raise ValueError("is like https://studio.example or https://example.org/lipstream")
        return url.rstrip("/")

    @field_validator("chat_url")
    @classmethod
    def _an_address(cls, url: str) -> str:
        if url and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname):
            raise ValueError("is like http://127.0.0.1:11434/v1")
        return url

    @field_validator("chat_key")
    @classmethod
    def _a_header(cls, key: SecretStr) -> SecretStr:
        text = key.get_secret_value()
        if not text.isascii() or not (text.isprintable() or not text):
            raise ValueError("has characters that no header may have")
        return key

    @field_validator("fetch_allow")
    @classmethod
    def _readable(cls, entries: tuple[str, ...]) -> tuple[str, ...]:
        allowed(entries)
        return entries

    @model_validator(mode="after")
    def _whole_storage(self) -> "ServerSettings":
        needed = ("oss_endpoint", "oss_bucket", "oss_access_key_id", "oss_access_key_secret")
        missing = [name for name in needed if not getattr(self, name)]
        # A key alone is somebody else's: its usual names are in many an environment.
        if (self.oss_endpoint or self.oss_bucket) and missing:
            raise ValueError(f"the object storage also needs {', '.join(missing)}")
        if self.oss_bucket and not (self.oss_region or region_of(self.oss_endpoint)):
            raise ValueError("the endpoint's name tells no region: the object storage also needs oss_region")
        return self

    @property
    def uploads(self) -> bool:
        """Whether results go to an object storage."""
        return bool(self.oss_bucket)

    @property
    def folder(self) -> Path:
        """Where the server's record and its jobs' files lie."""
        return self.data_dir / (f"server-{self.only}" if self.only else "server")

    @property
    def prefix(self) -> str:
        """What a proxy puts before our paths: `/lipstream`, or nothing."""
        return urlsplit(self.public_url).path

    @property
    def trusted_origins(self) -> tuple[str, ...]:
        """Origins of pages that may use the server, as browsers tell them."""
        public = urlsplit(self.public_url)
        return (*self.origins, *([f"{public.scheme}://{public.netloc}"] if public.netloc else []))

    @property
    def known_hosts(self) -> tuple[str, ...]:
        """Names a request may be addressed to."""
        names = [*self.hosts, host_of(self.public_url)]
        try:
            ip_address(self.host)
        except ValueError:
            names.append(self.host)
        return tuple(filter(None, names))
