"""How far a render is: written by it, read by whoever asks."""

import time
from collections import Counter
from dataclasses import dataclass, field, fields, replace

from core.runtime.pipeline import Meter


@dataclass(slots=True)
class Progress:
    """How far a render is. Written by `render`, read by anyone on the same loop, before and after it ends.

    meters: by stage, those that run. total_frames: exact once the speech is complete, an estimate
    from the share of text spoken before that, 0 while unknown. frames_sharp: not enhanced, as the setting
    `sharp_enough` has it. tiles_made, tiles_reused: of backgrounds made clearer (`core.enhancement.tiles`).
    rate: samples a second of the audio. node: of a cluster, that makes it; "" is this process.
    remarks: what will not look as it was meant, and why, for people.
    retries: how often the voice tried a sentence again, by why. Times are in seconds from the call.
    """

    started: float = field(default_factory=time.perf_counter)
    meters: dict[str, Meter] = field(default_factory=dict)
    engines: dict[str, str] = field(default_factory=dict)
    node: str = ""
    remarks: tuple[str, ...] = ()
    fps: int = 0
    width: int = 0
    height: int = 0
    rate: int = 0
    total_frames: int = 0
    frames: int = 0
    frames_without_face: int = 0
    frames_sharp: int = 0
    tiles_made: int = 0
    tiles_reused: int = 0
    audio_s: float = 0.0
    retries: Counter[str] = field(default_factory=Counter)
    first_audio_s: float | None = None
    first_frame_s: float | None = None
    total_s: float | None = None

    def left(self, frames: int) -> None:
        """Note that so many frames are not enhanced, as their faces are sharp."""
        self.frames_sharp += frames

    def copy(self) -> "Progress":
        """As it is now; it changes no more."""
        meters = {name: replace(meter) for name, meter in self.meters.items()}
        return replace(self, meters=meters, engines=dict(self.engines), retries=self.retries.copy())

    def follow(self, other: "Progress", ahead_s: float) -> None:
        """Become what a render on another machine tells of itself. Where, and when this one began, stays.

        ahead_s: seconds by which `time.perf_counter` is ahead of that machine's.
        """
        for meter in other.meters.values():
            for name in ("started", "ended"):
                if at := getattr(meter, name):
                    setattr(meter, name, at + ahead_s)
        late = other.started + ahead_s - self.started
        sooner = other.first_audio_s, other.first_frame_s
        first_audio_s, first_frame_s = (None if at is None else at + late for at in sooner)
        now = replace(other, first_audio_s=first_audio_s, first_frame_s=first_frame_s)
        now.started, now.total_s, now.node = self.started, self.total_s, self.node
        for field_ in fields(self):
            setattr(self, field_.name, getattr(now, field_.name))

    @property
    def elapsed_s(self) -> float:
        """Seconds since the call; fixed once the render has ended."""
        return self.total_s if self.total_s is not None else time.perf_counter() - self.started

    @property
    def real_time_factor(self) -> float:
        """Seconds of work per second of video made so far, preparation apart; below 1 beats real time."""
        return (self.elapsed_s - self.prepared_s) * self.fps / self.frames if self.frames else 0.0

    @property
    def prepared_s(self) -> float:
        """Seconds in which a template was made ready, at the beginning; 0 if it was ready."""
        return self.meters["prepare"].elapsed_s if "prepare" in self.meters else 0.0

    @property
    def efficiency(self) -> float:
        """Busy time of the busiest stage over wall time, preparation apart; 1: nothing else cost anything."""
        stages = [meter for name, meter in self.meters.items() if name != "prepare"]
        wall = self.elapsed_s - self.prepared_s
        return max(meter.busy_s for meter in stages) / wall if stages and wall else 0.0
