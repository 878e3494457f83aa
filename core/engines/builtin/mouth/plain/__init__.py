"""The mouth without landmarks: looked for by its colour, moved by a drawn field, its inside painted.

It is right for a person who keeps still and looks ahead; in one photograph in five it is looked for in the
wrong place, and a person who talks in the template keeps doing so.
"""

from core.engines.builtin.mouth import visemes
from core.engines.builtin.mouth.plain.field import Mouth
from core.engines.builtin.mouth.plain.survey import survey
from core.engines.builtin.mouth.plain.warp import Inside, open_mouth
from core.types import Arrays, FaceTrack, Image

__all__ = ["speak", "survey"]

_SMALLEST = 4.0
"""Half width in pixels of the smallest mouth that is drawn on."""
_STILL_GAP, _STILL_WIDTH = 0.012, 0.008
"""What moves less is left as it is."""
_SMILE = 0.75
"""How much less a smiling mouth opens: any more looks like laughing."""
_PRESS = 0.5
"""How far the lower lip goes up over teeth at most, in half mouth widths."""


def speak(
    crop: Image, out: Image, number: int, gap: float, width: float, _track: FaceTrack, prepared: Arrays
) -> None:
    """Draw one frame; `out` holds `crop`."""
    geometry = prepared["geometry"][number]
    if geometry[2] < _SMALLEST:
        return
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
    inside = Inside(None if shows_teeth else prepared["teeth"], prepared["jaw"])  # type: ignore[arg-type]  # uint8, as `survey` made them
    open_mouth(crop, out, mouth, inside, gap, width)
