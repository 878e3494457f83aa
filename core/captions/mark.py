"""The label of generated media that people see: a line at the top of every frame, from the first one on."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from core.captions.burn_in import Burner
from core.captions.typefaces import find_font
from core.config import Settings
from core.errors import BadInput
from core.labels import VISIBLE, VISIBLE_ELSE, LabelKind, Made, in_metadata, in_picture, new_number
from core.subtitle_style import SubtitleStyle
from core.types import Cue

_SHARE = 5.5
"""Of the shorter side, per cent; GB 45438-2025 wants 5 at least."""

_ALWAYS = 1 << 62


class Sign(NamedTuple):
    """The label of one video: what draws it, and the file's metadata; None where it does not say so."""

    mark: Burner | None
    tags: dict[str, str] | None

    @property
    def bottom(self) -> int:
        """The first row of the picture that the label leaves free; even."""
        return self.mark.bottom(self.mark.cues[0]) if self.mark else 0


UNSIGNED = Sign(None, None)


def sign(
    settings: Settings,
    engines: Mapping[str, str],
    language: str,
    width: int,
    height: int,
    fps: int,
    kind: LabelKind | None = None,
    number: str | None = None,
) -> Sign:
    """The label as `kind`, or else the settings, want it. number: see `core.labels.Made`. Blocking."""
    wanted = kind or settings.label
    made = Made(settings.producer, number or new_number(), engines)
    return Sign(
        mark(language, width, height, fps, settings.subtitle_font) if in_picture(wanted) else None,
        made.tags() if in_metadata(wanted) else None,
    )


def mark(language: str, width: int, height: int, fps: int, wanted: Path | str | None = None) -> Burner:
    """What draws the label; in English where no font has the language's letters. Blocking."""
    text = VISIBLE.get(language, VISIBLE_ELSE)
    try:
        font = find_font(text, wanted)
    except BadInput:
        text, font = VISIBLE_ELSE, find_font(VISIBLE_ELSE)
    size = min(20.0, max(2.0, _SHARE * min(width, height) / height))
    burner = Burner(font, width, height, fps, fps, SubtitleStyle(size=size, place="top", box="#00000080"))
    burner.cues.append(Cue(0, 0, _ALWAYS, text))
    return burner
