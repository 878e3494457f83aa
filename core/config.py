"""Every setting there is, its default and its unit, once.

Read from, in rising order of precedence: a TOML file, `.env`, the environment (`LIPSTREAM_` before the name;
`core.config` knows the places), arguments.
"""

import difflib
import os
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs
from pydantic import Field
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from core.errors import BadInput
from core.labels import LabelKind
from core.subtitle_style import SubtitleStyle


@dataclass(frozen=True, slots=True)
class OldName:
    """What became of a name. become: the settings a value of it stands for; None if it means nothing now.

    about: for people: what it is now, or what takes its place.
    """

    become: Callable[[str], dict[str, Any]] | None
    about: str


def _same(name: str) -> OldName:
    return OldName(lambda value: {name: value}, f"`{name}`")


def _weights(*names: str) -> OldName:
    return OldName(
        lambda value: {"own_weights": dict.fromkeys(names, value)}, f"`own_weights`: {', '.join(names)}"
    )


def _folder(**files: str) -> OldName:
    """A folder of Hugging Face's layout, of which some files are read."""
    names = {name.replace("_", "-"): file for name, file in files.items()}
    return OldName(
        lambda value: {"own_weights": {name: str(Path(value) / file) for name, file in names.items()}},
        f"`own_weights`: {', '.join(names)}, from that folder",
    )


def _lips(value: str) -> dict[str, Any]:
    name = "wav2lip-gan" if "gan" in Path(value).name.lower() else "wav2lip"
    return {"own_weights": {name: value}}


OLD_NAMES: Mapping[str, OldName] = {
    "gpt_sovits_url": _same("gpt_sovits_url"),
    "video_base_path": _same("video_base_path"),
    "temp_video_path": _same("temp_video_path"),
    "generated_audio_path": _same("generated_audio_path"),
    "temp_srt_path": _same("temp_srt_path"),
    "srt_path": _same("srt_path"),
    "keep_temp": _same("keep_temp"),
    "result_dir_base": _same("result_dir_base"),
    "temp_dir_base": _same("temp_dir_base"),
    "wav2lip_url": OldName(None, "nothing: lips are made in this process"),
    "model_path": OldName(_lips, "`own_weights`: wav2lip, or wav2lip-gan for a file with gan in its name"),
    "gpt_path": _weights("gpt-sovits-t2s"),
    "sovits_path": _weights("gpt-sovits-v2proplus"),
    "cnhubert_path": _folder(chinese_hubert="pytorch_model.bin"),
    "bert_path": _folder(chinese_roberta="pytorch_model.bin", chinese_roberta_tokens="tokenizer.json"),
    "oss_access_key_id": OldName(lambda value: {"oss_access_key_id": value}, "`oss_access_key_id`"),
    "oss_access_key_secret": OldName(
        lambda value: {"oss_access_key_secret": value}, "`oss_access_key_secret`"
    ),
}
"""By name in lower case."""


CONFIG_VARIABLE = "LIPSTREAM_CONFIG"
"""Names the TOML file; it is no setting itself, since it says where settings are."""

DEFAULT_FILE = Path("lipstream.toml")

_PREFIX = "lipstream_"

_LIKE_AN_OLD_NAME = 0.85
"""How alike a foreign name in `.env` must be to an old one to be taken for a slip of the pen."""


@dataclass(frozen=True, slots=True)
class Place:
    """One place that settings are read from.

    name: for people, like ".env". values: by setting, those of old names included.
    written: the name under which each of them stands there.
    strange: names there that look like settings and are none. idle: names that mean nothing any more.
    """

    name: str
    values: Mapping[str, Any]
    written: Mapping[str, str]
    strange: tuple[str, ...] = ()
    idle: tuple[str, ...] = ()


def places(settings: type[BaseSettings]) -> list[Place]:
    """Every place, what counts most first. Raises BadInput `bad_config` for a file that cannot be read."""
    env = EnvSettingsSource(settings)
    try:
        dotenv = DotEnvSettingsSource(settings)
    except UnicodeDecodeError as error:
        message = f".env is not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8"
        raise BadInput("bad_config", message, "config") from error
    known = settings.model_fields
    return [
        _variables("the environment", env(), env.env_vars, known, shared=True),
        _variables(".env", dotenv(), dotenv.env_vars, known, shared=False),
        _file(known),
    ]


class Read(PydanticBaseSettingsSource):
    """A place as pydantic-settings wants it."""

    def __init__(self, settings: type[BaseSettings], place: Place) -> None:
        super().__init__(settings)
        self._place = place

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """One setting of the place."""
        return self._place.values.get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        """All settings of the place."""
        return dict(self._place.values)


def config_file() -> Path | None:
    """The TOML file that is read; None if there is none. Raises BadInput `missing_config`."""
    wanted = os.environ.get(CONFIG_VARIABLE)
    if not wanted:
        return DEFAULT_FILE if DEFAULT_FILE.is_file() else None
    if not Path(wanted).is_file():
        raise BadInput(
            "missing_config", f"there is no file {wanted}; {CONFIG_VARIABLE} or --config names it", "config"
        )
    return Path(wanted)


def nearest(name: str, known: Collection[str]) -> str | None:
    """The known name that was probably meant."""
    return next(iter(difflib.get_close_matches(name.lower(), list(known), 1)), None)


def _variables(
    name: str,
    values: dict[str, Any],
    variables: Mapping[str, str | None],
    known: Collection[str],
    *,
    shared: bool,
) -> Place:
    """shared: whether others keep their variables there too, whatever those are called."""
    values = {key: value for key, value in values.items() if key in known}
    written = {key: f"{_PREFIX}{key}".upper() for key in values}
    own = {key.lower(): value for key, value in variables.items()}
    strange = [
        key.upper()
        for key in own
        if key.startswith(_PREFIX)
        and key.removeprefix(_PREFIX) not in known
        and key.upper() != CONFIG_VARIABLE
    ]
    if not shared:
        alike = (key for key in own if not key.startswith(_PREFIX) and key not in OLD_NAMES)
        strange += [
            key.upper() for key in alike if difflib.get_close_matches(key, OLD_NAMES, 1, _LIKE_AN_OLD_NAME)
        ]
    return _with_old(Place(name, values, written, tuple(strange)), own)


def _file(known: Collection[str]) -> Place:
    path = config_file()
    if path is None:
        return Place(str(DEFAULT_FILE), {}, {})
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput("bad_config", f"{path} is not TOML: {error}", "config") from error
    except OSError as error:
        raise BadInput("bad_config", f"{path} cannot be read: {error.strerror}", "config") from error
    values = {key: value for key, value in said.items() if key in known}
    strange = tuple(key for key in said if key not in known and key.lower() not in OLD_NAMES)
    old = {key.lower(): str(value) for key, value in said.items() if key not in known}
    return _with_old(Place(str(path), values, {key: key for key in values}, strange), old)


def _with_old(place: Place, variables: Mapping[str, str | None]) -> Place:
    """The place with what its old names stand for; a new name beside them counts more."""
    values, written, idle = dict(place.values), dict(place.written), []
    for name, meant in _old_in(variables):
        if meant is None:
            idle.append(name.upper())
        for key, one in (meant or {}).items():
            if isinstance(one, dict):
                values[key] = one | dict(values.get(key, {}))
                written[key] = ", ".join(filter(None, (written.get(key), name.upper())))
            elif key not in values:
                values[key], written[key] = one, name.upper()
    return Place(place.name, values, written, place.strange, tuple(idle))


def _old_in(variables: Mapping[str, str | None]) -> Iterator[tuple[str, dict[str, Any] | None]]:
    for name, value in variables.items():
        old = OLD_NAMES.get(name)
        if old is not None and value:  # set to nothing is not set
            yield name, old.become and old.become(value)


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

    still_pictures: bool = False
    """Whether of a template that is a single picture only the mouth moves. Else, with the built-in lips, it
    blinks, sways and breathes."""

    text_limit: int = Field(100_000, gt=0)
    """Characters of text a job may have."""

    readings: Path | None = None
    """A file of how words are said, one a line: `iPhone = 爱疯`, `SQL = sequel`, `重庆 = chong2 qing4`."""

    subtitle_font: Path | None = None
    """Font for captions that are drawn into the picture; None looks for one that has the text's letters.
    Latin, Greek and Cyrillic come along; the extra `cjk` brings Chinese,
    Japanese and Korean (Noto Sans CJK, SIL Open Font License 1.1: 20 MB to download, 32 on disk)."""

    subtitle_style: SubtitleStyle | None = None
    """How captions are drawn, as a table or JSON: {"colour": "#ffcc00", "highlight": "#00e5ff"}; also `font`,
    `size` (per cent of the frame's height), `edge`, `box`, `place`. A request may say otherwise."""

    label: LabelKind = "metadata"
    """How videos say that they are generated, as the law wants in China and the EU: `metadata` (in the file),
    `visible` (in the picture), `both`, or `off`. A request may say otherwise."""

    producer: str = Field("Lipstream", min_length=1, max_length=200)
    """Who the label of a video names: who answers for it, by name or number of registration."""

    c2pa_certificate: Path | None = None
    """Certificate, a chain in PEM: finished MP4s and MOVs with a label in their metadata are signed with it,
    as C2PA wants it. Goes with `c2pa_key`, and takes the extra `c2pa` (label.md)."""

    c2pa_key: Path | None = None
    """Private key of that certificate, in PEM, without a password."""

    frame_cache_mb: int = Field(160, ge=16)
    """Memory for decoded template frames, per open template. A short template fits whole."""

    templates_open: int = Field(4, ge=1)
    """Prepared templates kept open, ready for the next job."""
