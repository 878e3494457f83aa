"""Lip-sync without a network of its own: the template's own mouth, bent to what is said.

The mouth is a difference: what is wanted less what the person's own mouth does in that very frame, moved by
fields over landmarks (`mesh`), so it stays right while the person talks and turns. Where the landmarks'
network cannot run, the mouth is looked for by its colour (`plain`): good enough for a person who keeps still.
"""

from collections.abc import Callable, Sequence

import numpy as np

from core.engines.builtin.life import enliven
from core.engines.builtin.mesh import Mesh
from core.engines.builtin.mouth import plain, visemes
from core.engines.builtin.mouth.paint import Inside, redraw
from core.engines.builtin.mouth.prepare import learn, mouth_at
from core.engines.builtin.mouth.shape import shape
from core.engines.builtin.mouth.visible import remarks, size_remarks
from core.errors import EngineUnavailable
from core.protocols import Drawing
from core.types import Arrays, FaceTrack, Image

_SMALLEST = 4.0
"""Half width in pixels of the smallest mouth that is drawn on."""
_LOOKED_AT = 50
"""In so many frames, or fewer, it is measured how large the mouth is."""
_STILL, _MOVES = 0.012, 0.03
"""A change, in half mouths, up to which the frame is left as it is, and from which on it is made whole."""
_WIDER, _NARROWER = 0.35, 0.45
"""How much the width of a mouth is changed at most."""


class WarpedMouth:
    """A `LipsyncEngine` that bends the template's own mouth; one that is shut and stays shut is the
    template's to the byte."""

    by_phonemes = True

    def __init__(self) -> None:
        try:
            self._mesh: Mesh | None = Mesh()
        except EngineUnavailable:
            self._mesh = None
        self.version = "warped/12" if self._mesh else "warped/7-plain"

    def prepare(self, track: FaceTrack, crops: Sequence[Image], report: Callable[[int], None]) -> Arrays:
        """Measure the mouth in every frame; see `prepare.learn`, or `plain.survey`."""
        if self._mesh is None:
            return plain.survey(track, crops, report)
        return learn(track, crops, self._mesh, report)

    def remarks(self, track: FaceTrack, prepared: Arrays) -> Sequence[str]:
        """What people should know of a template of which much is left as it is, or whose mouth is small."""
        if "seen" not in prepared:
            return ()
        found = np.flatnonzero(track.found)
        some = found[:: len(found) // _LOOKED_AT + 1]
        wide = [2 * mouth_at(prepared, int(number), track.poses[number]).half for number in some]
        left = remarks(prepared["seen"], prepared["why"], track.found)  # type: ignore[arg-type]
        return (*left, *size_remarks(wide, least=2 * _SMALLEST))

    def span(self, frame: int, rate: int, fps: int) -> tuple[int, int]:
        """2.4 s back, for the level of a voice without phonemes; less than 250 ms ahead."""
        return visemes.span(frame, rate, fps)

    def draw(self, drawing: Drawing) -> Image:
        """Crops with the mouth as wide open as the speech says, uint8 (n, side, side, 3)."""
        shapes = visemes.mouth_track(drawing.frames, drawing.fps, drawing.speech).tolist()
        out = drawing.crops.copy()
        track, prepared = drawing.track, drawing.prepared
        speak = _speak if "points" in prepared else plain.speak
        for k, (number, (gap, width)) in enumerate(zip(drawing.numbers, shapes, strict=True)):
            if track.found[number]:
                speak(drawing.crops[k], out[k], number, gap, width, track, prepared)
                if "lids" in prepared and drawing.life is not None:
                    moment = drawing.frames[k] / drawing.fps
                    seed = (int(np.abs(prepared["points"][0]).sum()) ^ drawing.life) & 0x7FFFFFFF
                    out[k] = enliven(out[k], prepared["lids"], track.poses[number], moment, seed)
        return out


def _speak(
    crop: Image, out: Image, number: int, gap: float, width: float, track: FaceTrack, prepared: Arrays
) -> None:
    """Draw one frame; `out` holds `crop`."""
    seen = float(prepared["seen"][number])
    mouth = mouth_at(prepared, number, track.poses[number])
    if seen <= 0 or mouth.half < _SMALLEST:
        return
    opens = max(gap, 0.0) - mouth.gap
    widens = float(np.clip(width - mouth.width, -_NARROWER, _WIDER))
    change = max(abs(opens), 1.5 * abs(widens))
    part = seen * float(np.clip((change - _STILL) / (_MOVES - _STILL), 0, 1))
    if part <= 0:
        return
    look = int(prepared["look"][number])
    hang = prepared["hang"][look].tolist()
    inside = Inside(prepared["teeth"][look], prepared["jaw"][look], *hang)
    redraw(crop, out, shape(), mouth, inside, mouth.gap + part * opens, mouth.width + part * widens, seen)
