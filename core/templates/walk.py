"""Which frame of a template is shown next: the person idles, there and back, and takes ways to actions.

All actions of a person lie one after the other in the template's frames, with the cross-fades between them
(`core.templates.actions` makes it), so that whatever was learnt of the template was learnt of all of them.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core.errors import BadInput

TALK = "talk"
"""The action that is shown, over and over, while something is heard."""

_WAITING = 8
"""Actions that may wait to be shown; more are left out."""

_QUIET_S = 1.0
"""Seconds of silence after which a person no longer talks."""


@dataclass(frozen=True, slots=True)
class Way:
    """After frame `at` frames `[start, stop)`, a cross-fade, lead to frame `to`."""

    at: int
    start: int
    stop: int
    to: int


@dataclass(frozen=True, slots=True)
class Action:
    """Something that a person can do. enter: ways from idling into it; leave: back. In order, one or more."""

    name: str
    enter: tuple[Way, ...]
    leave: tuple[Way, ...]


@dataclass(frozen=True, slots=True)
class Actions:
    """What a template's frames show: idling in `[0, idle)`, and then the actions, if there are any."""

    idle: int
    others: tuple[Action, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Of the actions."""
        return tuple(action.name for action in self.others)

    def at_rate(self, old: int, new: int) -> "Actions":
        """The same in frames of `new` a second instead of `old`: what each shows is what it showed before."""

        def first(frame: int) -> int:
            return -(-frame * new // old)

        def way(way: Way) -> Way:
            return Way(max(0, first(way.at + 1) - 1), first(way.start), first(way.stop), first(way.to))

        others = tuple(
            Action(one.name, tuple(map(way, one.enter)), tuple(map(way, one.leave))) for one in self.others
        )
        return Actions(max(1, first(self.idle)), others)


def actions_of(said: Any) -> Actions | None:
    """What `dataclasses.asdict` made of `Actions`, read from JSON. Raises TypeError, KeyError."""
    if said is None:
        return None

    def ways(told: Any) -> tuple[Way, ...]:
        return tuple(Way(**way) for way in told)

    others = (Action(one["name"], ways(one["enter"]), ways(one["leave"])) for one in said["others"])
    return Actions(said["idle"], tuple(others))


def check_actions(wanted: Sequence[str], names: Sequence[str], template: str) -> None:
    """Raises BadInput `unknown_action` for one that the template does not have. names: of those it has."""
    for name in wanted:
        if name not in names:
            there = f"it has: {', '.join(names)}" if names else "it has none"
            message = f"the template {template!r} has no action {name[:40]!r}; {there}"
            raise BadInput("unknown_action", message, "action")


class Walk:
    """One video's way through the frames of a template. fps: of the video.

    >>> walk = Walk(Actions(3), 25)
    >>> [walk.step() for _ in range(6)]
    [0, 1, 2, 1, 0, 1]
    """

    def __init__(self, actions: Actions, fps: int) -> None:
        self._actions = {action.name: action for action in actions.others}
        self._idle = actions.idle
        self._quiet_most = round(_QUIET_S * fps)
        self._quiet = self._quiet_most + 1
        self._wanted: deque[str] = deque(maxlen=_WAITING)
        self._now: int | None = None
        self._first = 0
        self._by = 1  # forwards or backwards
        self._way: deque[int] = deque()  # frames that come next, whatever happens
        self._in: Action | None = None  # None: idling

    def want(self, name: str) -> None:
        """Show the action as soon as there is a way to it; one that the template lacks is passed over."""
        if name in self._actions and name != TALK and len(self._wanted) < _WAITING:
            self._wanted.append(name)

    @property
    def unfinished(self) -> tuple[str, ...]:
        """Actions that are wanted and have not been seen to their end."""
        now = (self._in.name,) if self._in and self._in.name != TALK else ()
        return (*now, *self._wanted)

    def begin_talking(self) -> None:
        """Before the first step: what is heard begins at once, so begin with `TALK`, if there is one.

        An action that is wanted first goes before, as the ways into it are those of idling.
        """
        talk = self._actions.get(TALK)
        if self._now is None and talk is not None and not self._wanted:
            self._in, self._first, self._quiet = talk, talk.enter[0].to, -1

    def step(self, *, heard: bool = False) -> int:
        """The frame that is shown next. heard: whether something sounds with it."""
        self._quiet = 0 if heard else self._quiet + 1
        if self._now is None:
            self._now = self._first
        elif self._way:
            self._now = self._way.popleft()
        elif (way := self._taken()) is not None:
            self._way.extend((*range(way.start + 1, way.stop), way.to))
            self._now, self._by = way.start, 1
        else:
            self._now = self._onwards(self._now)
        return self._now

    def _taken(self) -> Way | None:
        """The way that begins here and is wanted, if there is one."""
        action = self._in
        if action is None:
            goal = self._wanted[0] if self._wanted else TALK if self._quiet <= self._quiet_most else ""
            action = self._actions.get(goal)
            way = _from(action.enter, self._now) if action else None
            if way is not None:
                self._in = action
                if goal != TALK:
                    self._wanted.popleft()
            return way
        if action.name == TALK and self._quiet <= self._quiet_most and not self._wanted:
            return None
        way = _from(action.leave, self._now)
        if way is not None:
            self._in = None
        return way

    def _onwards(self, now: int) -> int:
        action = self._in
        low, high = (action.enter[0].to, action.leave[-1].at) if action else (0, self._idle - 1)
        if not low <= now + self._by <= high:
            self._by = -self._by
        return min(max(now + self._by, low), high)


def _from(ways: tuple[Way, ...], frame: int | None) -> Way | None:
    return next((way for way in ways if way.at == frame), None)
