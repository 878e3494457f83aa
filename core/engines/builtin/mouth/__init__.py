"""Lip-sync without weights: the template's own mouth, bent to what is said.

Reads as the same person speaking; it is not what a neural engine draws. Teeth are painted, cheeks do not
move, a tongue does not show in l and th, and profiles or covered mouths are not handled.
"""

from collections.abc import Callable, Sequence

from core.engines.builtin.mouth import visemes
from core.engines.builtin.mouth.field import Mouth
from core.engines.builtin.mouth.freeze import paste
from core.engines.builtin.mouth.survey import survey
from core.engines.builtin.mouth.warp import Inside, open_mouth
from core.protocols import Drawing
from core.types import Arrays, FaceTrack, Image

_SMALLEST = 4.0
"""Half width in pixels of the smallest mouth that is drawn on."""
_STILL_GAP, _STILL_WIDTH = 0.012, 0.008
"""What moves less is left as it is."""
_SMILE = 0.75
"""How much less a smiling mouth opens: any more looks like laughing."""
_PRESS = 0.5
"""How far the lower lip goes up over teeth at most, in half mouth widths."""


class WarpedMouth:
    """A `LipsyncEngine` that bends the template's own mouth; a shut mouth is the template's to the byte."""

    version = "warped/1"

    def prepare(self, track: FaceTrack, crops: Sequence[Image], report: Callable[[int], None]) -> Arrays:
        """Measure the mouth in every frame; see `mouth_survey.survey`."""
        return survey(track, crops, report)

    def span(self, frame: int, rate: int, fps: int) -> tuple[int, int]:
        """2.4 s back, for the level of a voice without phonemes; less than 200 ms ahead."""
        return visemes.span(frame, rate, fps)

    def draw(self, drawing: Drawing) -> Image:
        """Crops with the mouth as wide open as the speech says, uint8 (n, side, side, 3)."""
        shapes = visemes.mouth_track(drawing.frames, drawing.fps, drawing.speech).tolist()
        out = drawing.crops.copy()
        for k, (number, (gap, width)) in enumerate(zip(drawing.numbers, shapes, strict=True)):
            if drawing.track.found[number]:
                _speak(drawing.crops[k], out[k], number, gap, width, drawing.prepared)
        return out


def _speak(crop: Image, out: Image, number: int, gap: float, width: float, prepared: Arrays) -> None:
    """Draw one frame; `out` holds `crop`."""
    geometry = prepared["geometry"][number]
    if geometry[2] < _SMALLEST:
        return
    if "reference" in prepared:
        weight = float(prepared["weight"][number])
        paste(crop, out, prepared["reference"], prepared["carry"][number], geometry, weight)  # type: ignore[arg-type]
        crop = out.copy()
    x, y, half, angle = geometry.tolist()
    mouth = Mouth(x, y, half, angle, *prepared["line"][number].tolist())
    shows_teeth = bool(prepared["shows_teeth"])
    if gap < 0:
        # Teeth want covering; where there are none much of the rest is but a dark line, gone half way.
        lips = mouth.rest + 0.06 if shows_teeth else 0.6 * mouth.rest
        gap = -min(_PRESS, lips) * min(1.0, gap / visemes.PRESSED)
    else:
        # Half out of the picture it opens no further than there is room.
        room = min(x, y, crop.shape[0] - x, crop.shape[0] - y) / half - 0.5
        gap *= min(1.0, max(0.0, room)) * (_SMILE if shows_teeth else 1.0)
    if abs(gap) < _STILL_GAP and abs(width) < _STILL_WIDTH:
        return
    inside = Inside(None if shows_teeth else prepared["teeth"], prepared["jaw"])  # type: ignore[arg-type]
    open_mouth(crop, out, mouth, inside, gap, width)
