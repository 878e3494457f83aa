"""The drawn presenter, made on first use: nobody's likeness, no download."""

from collections.abc import Iterator
from pathlib import Path

from core.engines.builtin import presenter
from core.media.clip import write_clip
from core.templates.template import StepReport
from core.types import Image

SAMPLE = "sample"
"""Its id, which no other template has."""


def draw(clip: Path, report: StepReport) -> None:
    """Write it as a clip. Blocking."""
    count, fps = 150, 25

    def frames() -> Iterator[Image]:
        for done, image in enumerate(presenter.frames(count, fps)):
            report("draw", done, count)
            yield image

    write_clip(clip, frames(), fps)
