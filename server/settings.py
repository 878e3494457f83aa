"""The server's own settings; `core.config` has the others. Read from the same places."""

from ipaddress import ip_address
from pathlib import Path

from pydantic import Field, field_validator

from core.config import Settings
from server.addresses import allowed


class ServerSettings(Settings):
    """`LIPSTREAM_PORT=9000` sets `port`, and so on."""

    host: str = "127.0.0.1"
    port: int = Field(default=8010, ge=0, le=65535)
    """Where to listen; port 0 takes a free one."""

    hosts: tuple[str, ...] = ()
    """Names this server is known by, besides `localhost` and its addresses."""

    origins: tuple[str, ...] = ()
    """Pages elsewhere that may use it, like `https://studio.example`: those of a proxy in front."""

    jobs: int = Field(default=2, ge=1)
    """Jobs that run at once."""

    waiting: int = Field(default=64, ge=1)
    """Jobs that may wait; one more is refused with 429."""

    lines: int = Field(default=512, ge=1)
    """Open sockets and event streams, at most."""

    upload_mb: int = Field(default=512, ge=1)
    """Size of an uploaded file, at most."""

    fetch: bool = True
    """Whether templates and recordings may be named by a URL, which the server then fetches."""

    fetch_allow: tuple[str, ...] = ()
    """What may be fetched besides the public internet: `media.internal`, `10.0.0.7:9000`, `10.1.0.0/16`, and
    objects of the storage: `oss://bucket/templates/`."""

    fetch_s: float = Field(default=120, gt=0)
    """Seconds that fetching one URL may take."""

    fetch_cache_gb: float = Field(default=2, ge=0)
    """Room for fetched files that are kept for the next time."""

    keep_days: float = Field(default=7, ge=0)
    """Days that a job and its files are kept after its end."""

    keep_gb: float = Field(default=20, gt=0)
    """Room for the files of ended jobs; the oldest go first."""

    ballast_mb: int = Field(default=16, ge=0)
    """Room on the disk that is given up when it is full, so that failures can still be recorded."""

    video_base_path: Path | None = None
    """Folder of templates by number: `POST /create-video/` with `video_number` N speaks with N.mp4 in it."""

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

    @field_validator("fetch_allow")
    @classmethod
    def _readable(cls, entries: tuple[str, ...]) -> tuple[str, ...]:
        allowed(entries)
        return entries

    @property
    def folder(self) -> Path:
        """Where the server's record and its jobs' files lie."""
        return self.data_dir / "server"

    @property
    def known_hosts(self) -> tuple[str, ...]:
        """Names a request may be addressed to."""
        try:
            ip_address(self.host)
        except ValueError:
            return (*self.hosts, self.host)
        return self.hosts
