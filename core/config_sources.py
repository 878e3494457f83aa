"""Where settings are read from, and what each place says: a TOML file, `.env`, the environment.

The TOML file is `lipstream.toml` of the working directory, or the one LIPSTREAM_CONFIG names. In `.env` and
the environment a setting is called LIPSTREAM_NAME; `core.config_old` has other names they go by.
"""

import difflib
import os
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
)

from core.config_old import OLD_NAMES
from core.errors import BadInput

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
    env, dotenv = EnvSettingsSource(settings), DotEnvSettingsSource(settings)
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
