"""Every setting there is, its default and its unit, once.

Read from, in rising order of precedence: a TOML file, `.env`, the environment (`LIPSTREAM_` before the name;
`core.config_sources` knows the places), arguments.
"""

from pathlib import Path

import platformdirs
from pydantic import Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from core.config_sources import Read, places


def _data_dir() -> Path:
    return Path(platformdirs.user_data_dir("lipstream", appauthor=False))


class Settings(BaseSettings):
    """The settings of one process; `LIPSTREAM_DATA_DIR=/srv/lipstream` sets `data_dir`, and so on."""

    model_config = SettingsConfigDict(
        env_prefix="LIPSTREAM_",
        env_file=".env",
        env_file_encoding="utf-8",
        extra="ignore",
        frozen=True,
        env_ignore_empty=True,
        use_attribute_docstrings=True,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the places, what counts most first."""
        return (init_settings, *(Read(settings_cls, place) for place in places(settings_cls)))

    data_dir: Path = Field(default_factory=_data_dir)
    """Templates, caches, results and the job store live here."""

    speech: str = "auto"
    face: str = "auto"
    lipsync: str = "auto"
    enhance: str = "auto"
    """Engine of each kind: a name from `lipstream engines`, or auto for the best that can run here."""

    sharp_enough: float = Field(0.0, ge=0, le=2)
    """A face this sharp is not enhanced: 0.7 is one with real detail in its pixels, 0.4 one that was enlarged
    four times. 0: every face is enhanced."""

    text_limit: int = Field(100_000, gt=0)
    """Characters of text a job may have."""

    subtitle_font: Path | None = None
    """Font for captions that are drawn into the picture; None looks for one that has the text's letters."""

    frame_cache_mb: int = Field(160, ge=16)
    """Memory for decoded template frames, per open template. A short template fits whole."""

    templates_open: int = Field(4, ge=1)
    """Prepared templates kept open, ready for the next job."""
