"""Several clips a person: a template that idles, and can do what other templates of the same person show.

Their frames are laid one after the other, and with them the cross-fades by which one leads to the other, each
with a few frames before and after it, as what is smoothed in time looks at them. The result is a template
like any other: its face is found, and its mouth learnt, in every frame that can ever be shown.
"""

import asyncio
import hashlib
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from core.errors import BadInput, Stopped
from core.media.clip import new_clip
from core.runtime.worker import on_loop
from core.templates.cutting import long
from core.templates.info import TemplateInfo, made_id, name_of
from core.templates.library import Templates
from core.templates.template import StepReport, Template
from core.templates.walk import TALK, Action, Actions, Way
from core.text.markup import ACTION, PAUSES
from core.types import Image

FADE: Final = 6
"""Frames of a cross-fade."""

MOST: Final = 16
"""Actions that a template may have."""

_AROUND: Final = 4
"""Frames before and after a cross-fade that are never shown."""

_LEAST_S: Final = 1
"""Seconds that an action takes at least: a picture, or the end of a short clip, is held for so long."""

_VERSION: Final = "1"

Spot = NDArray[np.float64]
"""float64 (frames, 3): where a face is, x, y and how wide, in pixels."""


async def with_actions(
    identity: str,
    actions: Mapping[str, str],
    templates: Templates,
    *,
    name: str | None = None,
    made: str | None = None,
    report: StepReport,
) -> TemplateInfo:
    """A new template: the person of `identity`, who can do what the templates of `actions` show.

    actions: the template of each, by name; `talk` is shown while something is heard. All come at the rate and
    size of `identity`. name, made: of the new one, for people and as an id; without them they are made of the
    old ones. Asking for the same again gives the template that is there. Cancel the task to stop: nothing
    stays behind. Raises BadInput for a name or a template that cannot be used, StorageFull.
    """
    check_names(actions)
    made = made or actions_id(identity, actions, name)
    idle = await templates.open(identity, report=report)  # the sample may be drawn only now
    shape = idle.fps, (idle.width, idle.height)
    clips = {
        action: await templates.open(one, fps=shape[0], size=shape[1], report=report)
        for action, one in actions.items()
    }
    for action, one in {"": idle, **clips}.items():
        if one.actions.others:
            message = f"{one.name} has actions itself; name the template that it was made of"
            raise BadInput("has_actions", message, f"actions.{action}" if action else "id")
    base = templates.show(identity)
    told = [(action, templates.show(one)) for action, one in sorted(actions.items())]
    parts = [base.sha256, base.face, _VERSION, *(f"{action} {it.sha256} {it.face}" for action, it in told)]
    recipe = hashlib.sha256(" ".join(parts).encode()).hexdigest()
    there = await asyncio.to_thread(templates.made, made, recipe)
    if there is not None:
        return there
    layout = _Layout(idle, clips)
    draft = templates.settings.data_dir / f".{made}-{uuid.uuid4().hex[:8]}.mp4"
    try:
        await long(partial(_write, layout, draft, on_loop(report)))
        name = name or name_of(f"{base.name}: {', '.join(actions)}")
        return await templates.add(
            draft, name, report, face=base.face, identity=made, recipe=recipe, actions=layout.actions
        )
    finally:
        draft.unlink(missing_ok=True)


def check_names(actions: Mapping[str, str]) -> None:
    """Raises BadInput `bad_actions` for names that no actions have, or for none or too many."""
    if not 1 <= len(actions) <= MOST:
        message = f"a template has 1 to {MOST} actions, not {len(actions)}; name each with its template"
        raise BadInput("bad_actions", message, "actions")
    for name in actions:
        if not re.fullmatch(ACTION, name) or name == "idle" or name in PAUSES:
            message = (
                f"an action is called by 1 to 32 of a-z, 0-9, _ and -, a letter first, not {name[:40]!r}"
            )
            said = " (which has a meaning of its own)" if re.fullmatch(ACTION, name) else ""
            raise BadInput("bad_actions", message + said, "actions")


def actions_id(identity: str, actions: Mapping[str, str], name: str | None) -> str:
    """The id of the template that `with_actions` makes; of `name`, if it is given one."""
    digest = hashlib.sha256(f"{identity} {sorted(actions.items())}".encode()).hexdigest()
    return made_id(identity, digest, name)


@dataclass(frozen=True, slots=True)
class _Shown:
    """A frame of the clip: `number` of template `source`, on the way to that of `other`, if there is one.

    share: of the other, 0 to 1.
    """

    source: Template
    number: int
    other: Template | None = None
    other_number: int = 0
    share: float = 0.0

    def planes(self) -> Image:
        planes = self.source.planes(self.number)
        if self.other is None:
            return planes
        onto = self.other.planes(self.other_number)
        return np.asarray(cv2.addWeighted(planes, 1 - self.share, onto, self.share, 0), np.uint8)


@dataclass(slots=True)
class _Layout:
    """Where everything lies in the clip."""

    idle: Template
    clips: Mapping[str, Template]
    frames: list[_Shown] = field(default_factory=list)
    actions: Actions = field(init=False)

    def __post_init__(self) -> None:
        self._run(self.idle, 0, len(self.idle))
        self.actions = Actions(len(self.idle), tuple(self._action(name) for name in self.clips))

    def _action(self, name: str) -> Action:
        clip, first = self.clips[name], len(self.frames)
        second = self.idle.fps
        length = max(len(clip), _LEAST_S * second, 2 * FADE + 1)
        self._run(clip, 0, length)
        idle, spots = _spots(self.idle), _spots(clip)
        enter, leave = [], []
        for start in range(0, max(1, len(idle) - FADE), second):  # one a second, where the faces are nearest
            at = start + _nearest(idle[start : max(1, min(start + second, len(idle) - FADE))], spots[0])
            fade = self._fade(self.idle, at + 1, clip, 0)
            enter.append(Way(at, fade, fade + FADE, first + FADE))
        last = length - FADE - 1
        ends = [*range(FADE, last, second), last] if name == TALK else [last]
        for at in ends:
            to = _nearest(idle[: max(1, len(idle) - FADE)], spots[min(at + FADE, len(clip) - 1)])
            fade = self._fade(clip, at + 1, self.idle, to)
            leave.append(Way(first + at, fade, fade + FADE, min(to + FADE, len(idle) - 1)))
        return Action(name, tuple(enter), tuple(leave))

    def _run(self, clip: Template, start: int, stop: int) -> None:
        """Frames of a clip; before its first and after its last these go on."""
        self.frames += (_Shown(clip, min(max(k, 0), len(clip) - 1)) for k in range(start, stop))

    def _fade(self, one: Template, at: int, other: Template, to: int) -> int:
        """A cross-fade from frame `at` of one clip to frame `to` of another; where its frames begin."""
        self._run(one, at - _AROUND, at)
        first = len(self.frames)
        for k in range(FADE):
            numbers = (min(at + k, len(one) - 1), min(to + k, len(other) - 1))
            self.frames.append(_Shown(one, numbers[0], other, numbers[1], (k + 1) / (FADE + 1)))
        self._run(other, to + FADE, to + FADE + _AROUND)
        return first


def _spots(template: Template) -> Spot:
    track = template.track
    middle = track.poses @ np.array([0.5, 0.5, 1.0]) + track.corners
    return np.column_stack([middle, np.hypot(track.poses[:, 0, 0], track.poses[:, 1, 0])])


def _nearest(spots: Spot, spot: Spot) -> int:
    """The row of `spots` that is most like one row."""
    return int(np.abs(spots - spot).sum(axis=1).argmin())


def _write(layout: _Layout, path: Path, report: StepReport, stopped: Callable[[], bool]) -> None:
    """Write the clip. Blocking."""
    idle = layout.idle
    with new_clip(path, idle.width, idle.height, idle.fps) as clip:
        for done, shown in enumerate(layout.frames, 1):
            if stopped():
                raise Stopped("joining the actions was stopped")
            clip.add_planes(shown.planes())
            report("compose", done, len(layout.frames))
