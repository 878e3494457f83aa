"""All settings together: what each is, where it came from, and what is wrong with those that were given.

`core.config` and the classes built on it say what there is; this module is for `lipstream config`, the check
at every start, and docs/settings.md.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_origin
from urllib.parse import urlsplit

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import SettingsError

from core.config import OLD_NAMES, Place, nearest, places
from core.engines.gpt_sovits.settings import VoiceSettings
from core.engines.neural import NeuralSettings
from core.errors import BadInput
from server.settings import ServerSettings

MASK = "********"


class Everything(ServerSettings, VoiceSettings, NeuralSettings):
    """Every setting there is, in one class."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A setting as `lipstream config show` prints it; secrets are masked."""

    name: str
    value: str
    origin: str


def check() -> list[str]:
    """Look at all that was given; returns warnings, a line each, about names that mean nothing any more.

    Raises BadInput for a name that no setting has (`unknown_setting`) or a value it cannot have
    (`bad_setting`); the message says where it stands.
    """
    found = places_of_everything()
    for place in found:
        for name in place.strange:
            raise BadInput("unknown_setting", _strange(name, place), name.lower())
    settings_of(Everything)
    return [
        f"{name} in {place.name} sets {OLD_NAMES[name.lower()].about}"
        for place in found
        for name in place.idle
    ]


def settings_of(kind: type["ServerSettings | NeuralSettings"], **given: Any) -> Any:
    """`kind(**given)`. Raises BadInput `bad_setting`, which says where the bad value stands."""
    try:
        return kind(**given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        if not first["loc"]:  # of several that do not go together; its input is all of them, secrets too
            raise BadInput("bad_setting", first["msg"].removeprefix("Value error, ")) from None
        name = str(first["loc"][0])
        where = "the command line" if name in given else origin(name, places_of_everything())
        value = "" if _is_secret(name) else f", not {first['input']!r}"
        path = ".".join(map(str, first["loc"]))
        raise BadInput("bad_setting", f"{path}: {first['msg']}{value} ({where})", name) from error


def places_of_everything() -> list[Place]:
    """Every place with what it says of any setting. Raises BadInput."""
    try:
        return places(Everything)
    except SettingsError as error:
        # pydantic-settings names the field; what it is made of has to be JSON there.
        message = f"{error}; in .env and the environment a list or table is written as JSON"
        raise BadInput("bad_setting", message) from error


def show() -> list[Shown]:
    """Every setting, by name. Raises BadInput like `check`."""
    check()
    settings, found = settings_of(Everything), places_of_everything()
    return [
        Shown(name, _masked(name, getattr(settings, name)), origin(name, found))
        for name in sorted(Everything.model_fields)
    ]


def origin(name: str, found: Iterable[Place]) -> str:
    """Where a setting's value comes from; several places, what counts most first, for a table."""
    said = [(place.name, place.written[name]) for place in found if name in place.values]
    if not said:
        return "default"
    if get_origin(Everything.model_fields[name].annotation) is not dict:  # tables are added together
        said = said[:1]
    return ", ".join(where if name == written else f"{where} ({written})" for where, written in said)


def page() -> str:
    """docs/settings.md, from the code."""
    lines = [_INTRODUCTION]
    for names, about in _documented(Everything.model_fields):
        for name in names:
            lines.append(f"| `{name}` | {_default(Everything.model_fields[name])} | {about} |")
            about = "〃" if about else ""
    lines.append(_OLD_INTRODUCTION)
    lines += [f"| `{name}`, `{name.upper()}` | {old.about} |" for name, old in OLD_NAMES.items()]
    return "\n".join(lines) + "\n"


_INTRODUCTION = """\
# Settings

Made from the code by `lipstream config docs`; `lipstream config show` prints what is set where you are.

Each setting can stand in four places. A later one counts more:

1. a TOML file: `lipstream.toml` in the working directory, or that named by `--config` or `LIPSTREAM_CONFIG`
2. `.env` in the working directory, as `LIPSTREAM_NAME=value`
3. the environment, as `LIPSTREAM_NAME`
4. the command line, where a command has an option for it

In TOML it is written `name = value`; in `.env` and the environment a list or a table is written as JSON. A
name that no setting has is an error.

| name | default | what it is |
|---|---|---|"""

_OLD_INTRODUCTION = """
## Names of older services

They mean the same in all places, in upper or lower case; a setting's own name beside one counts more.

| name | what it sets |
|---|---|"""


def _strange(name: str, place: Place) -> str:
    bare = name.lower().removeprefix("lipstream_")
    near = nearest(bare, [*Everything.model_fields, *OLD_NAMES])
    if near is None:
        return f"{place.name}: there is no setting {name!r}; all are listed by: lipstream config docs"
    if name.startswith("LIPSTREAM_"):
        near = f"lipstream_{near}"
    near = near.upper() if name.isupper() else near
    return f"{place.name}: there is no setting {name!r}; did you mean {near!r}?"


def _is_secret(name: str) -> bool:
    field = Everything.model_fields.get(name)
    return field is not None and "SecretStr" in str(field.annotation)


def _masked(name: str, value: Any) -> str:
    if isinstance(value, SecretStr):
        return MASK if value.get_secret_value() else ""
    if isinstance(value, str) and "://" in value and (user := urlsplit(value)).password:
        return value.replace(f":{user.password}@", f":{MASK}@")
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={one}" for key, one in value.items())
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)


def _documented(fields: Mapping[str, FieldInfo]) -> Iterator[tuple[list[str], str]]:
    """Names with the docstring that follows them: one may be for several fields in a row."""
    names: list[str] = []
    for name, field in fields.items():
        names.append(name)
        if field.description:
            yield names, " ".join(field.description.split())
            names = []
    if names:
        raise ValueError(f"settings without a docstring: {names}")


def _default(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=False)
    if field.default_factory is not None:
        default = field.default_factory()  # type: ignore[call-arg]  # none of ours wants the other values
    if isinstance(default, SecretStr):
        default = default.get_secret_value()
    if isinstance(default, Path):
        return "the platform's data folder"
    if default is None or default in ("", (), {}):
        return ""
    return f"`{json.dumps(default) if isinstance(default, bool | tuple) else default}`"
