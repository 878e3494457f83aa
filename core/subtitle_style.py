"""How captions look that are drawn into the picture, and in files that have looks: one shape for requests,
settings and the command line."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from core.errors import BadInput

_COLOUR = r"^#([0-9a-fA-F]{3,4}|[0-9a-fA-F]{6}|[0-9a-fA-F]{8})$"

WHITE, BLACK = "#ffffff", "#000000"
"""Colours of the text and its edge, if nothing else is said."""

_COLUMNS_WIDE, _ROWS_HIGH = 23, 18
"""Full-width characters across the frame, and lines down it: the size of text is the smaller of both."""


def _is_colour(colour: str) -> str:
    if not re.fullmatch(_COLOUR, colour):
        raise ValueError("is a colour like #ffcc00, or with how much of it shows #ffcc0080")
    return colour


Colour = Annotated[str, AfterValidator(_is_colour), Field(json_schema_extra={"pattern": _COLOUR})]


class SubtitleStyle(BaseModel):
    """How captions are drawn. What is absent is as the settings say, else white with a black edge, below."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    font: Annotated[
        str | None,
        Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]+$", description="a family, or a file"),
    ] = None
    size: Annotated[
        float | None,
        Field(ge=2, le=20, allow_inf_nan=False, description="of the text, per cent of the frame's height"),
    ] = None
    colour: Annotated[Colour | None, Field(description="of the text, like #ffcc00")] = None
    edge: Annotated[Colour | None, Field(description="of the line around each letter")] = None
    highlight: Annotated[Colour | None, Field(description="of the word that is being heard")] = None
    box: Annotated[Colour | None, Field(description="of a box behind the text, like #00000080")] = None
    place: Annotated[Literal["bottom", "middle", "top"] | None, Field(description="in the picture")] = None

    def pixels(self, width: int, height: int) -> int:
        """The size of the text in a frame."""
        if self.size is not None:
            return max(8, round(height * self.size / 100))
        return max(10, min(width // _COLUMNS_WIDE, height // _ROWS_HIGH))


def together(wanted: SubtitleStyle | None, usual: SubtitleStyle | None) -> SubtitleStyle:
    """The style that is wanted, and the usual one where that says nothing."""
    said = wanted.model_dump(exclude_none=True) if wanted else {}
    return (usual or SubtitleStyle()).model_copy(update=said)


def style_of(written: str | None) -> SubtitleStyle:
    """What `--subtitle-style` means: `colour=#ffcc00,place=top`. Raises BadInput `bad_subtitle_style`."""
    values: dict[str, str | float] = {}
    for part in filter(None, map(str.strip, (written or "").split(","))):
        name, equals, value = (side.strip() for side in part.partition("="))
        if not equals or name not in SubtitleStyle.model_fields:
            known = ", ".join(SubtitleStyle.model_fields)
            message = f"{part!r} is not NAME=VALUE with one of the names {known}"
            raise BadInput("bad_subtitle_style", message, "subtitle_style")
        values[name] = float(value) if name == "size" and re.fullmatch(r"\d+(\.\d+)?", value) else value
    try:
        return SubtitleStyle.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        why = first["msg"].removeprefix("Value error, ")
        message = f"{first['loc'][0]}={first['input']}: {why}"
        raise BadInput("bad_subtitle_style", message, "subtitle_style") from error


def rgba(colour: str) -> tuple[int, int, int, int]:
    """Red, green, blue, and how much of it shows, 0 to 255.

    >>> rgba("#fc08"), rgba("#102030")
    ((255, 204, 0, 136), (16, 32, 48, 255))
    """
    digits = colour.removeprefix("#")
    if len(digits) < 6:
        digits = "".join(digit * 2 for digit in digits)
    red, green, blue, alpha = bytes.fromhex(digits.ljust(8, "f"))
    return red, green, blue, alpha
