"""A live session: text or sound to its first picture, interrupt to the last and to shut lips, what it costs.

A picture has come when its fragment leaves the encoder.
"""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager

import numpy as np

from bench import Figure
from bench._watched_lips import WatchedLips
from core.config import Settings
from core.live.session import Event, Session, SessionRequest, open_session
from core.runtime.tasks import first_of
from core.runtime.worker import Worker
from core.serving.engine_pool import EnginePool
from core.serving.loaded import LoadedEngine, on_thread
from core.templates.library import Templates
from core.types import Fragment

_TURNS, _SOUNDS, _IDLE_S = 12, 8, 5.0
_RATE = 24_000
_TEXT = (
    "Good morning, this is a sentence that goes on and on until somebody stops it, "
    "and then it is over at once."
)


def figures() -> Iterator[Figure]:
    """Medians of several turns, and the 95th percentile; idling as processor time over wall time."""
    watch = asyncio.run(_measured())
    for name, times in (
        ("text to first spoken picture", watch.text),
        ("sound to first spoken picture", watch.sound),
        ("interrupt to last spoken picture", watch.last),
        ("last spoken picture to shut lips", watch.shut),
    ):
        milliseconds = np.array(times) * 1e3
        yield Figure(f"live: {name}", statistics.median(milliseconds.tolist()), "ms", None, False)
        yield Figure(
            "live: the same, 95th percentile", float(np.percentile(milliseconds, 95)), "ms", None, False
        )
    yield Figure("live: pictures that still sound after an interrupt, most", max(watch.after), "", 3, False)
    yield Figure("live: processor an idle session takes", watch.idle, "cores", 0.25, False)
    yield Figure("live: processor a session that speaks takes", watch.busy, "cores", None, False)
    yield Figure("live: sessions that speak a core", 1 / watch.busy, "", None)
    yield Figure("live: picture against sound, change over the run", watch.drift_ms, "ms", None, False)


class _Watch:
    """When each picture came, and what was made of it."""

    def __init__(self) -> None:
        self.came: list[float] = []
        self.news = asyncio.Event()
        self.ends = {"video": 0.0, "audio": 0.0}
        self.drifts: list[float] = []
        self.text: list[float] = []
        self.sound: list[float] = []
        self.last: list[float] = []
        self.after: list[int] = []
        self.shut: list[float] = []
        self.idle = self.busy = 0.0

    @property
    def drift_ms(self) -> float:
        """How much more picture than sound there is at the end than was at the beginning."""
        tenth = len(self.drifts) // 10
        return 1e3 * abs(statistics.fmean(self.drifts[-tenth:]) - statistics.fmean(self.drifts[:tenth]))

    async def take(self, item: Fragment | Event) -> None:
        """For `Session.run`."""
        if not isinstance(item, Fragment) or item.kind == "init":
            return
        self.ends[item.kind] = (item.start + item.duration) / item.timescale
        if item.kind == "video":
            self.came += [time.perf_counter()] * item.frames
            self.drifts.append(self.ends["video"] - self.ends["audio"])
            self.news.set()

    async def first(self, numbers: set[int], after: int) -> int:
        """The first picture after `after` that is one of those, when it has come."""
        while True:
            found = min((n for n in numbers if after < n < len(self.came)), default=None)
            if found is not None:
                return found
            self.news.clear()
            await self.news.wait()


@asynccontextmanager
async def _session() -> AsyncIterator[tuple[Session, WatchedLips]]:
    async with EnginePool() as pool:
        lips = WatchedLips((await pool.lipsync()).engine)
        worker = Worker("lipsync")
        real = pool.lipsync

        async def watched(wanted: str = "auto") -> LoadedEngine[WatchedLips]:
            return on_thread("lipsync", (await real(wanted)).name, lips, worker)

        pool.lipsync = watched  # type: ignore[method-assign]  # the same engine, looked at
        yield await open_session(SessionRequest(size=(512, 512)), pool, Templates(Settings(), pool)), lips
        worker.close()


async def _measured() -> _Watch:
    watch = _Watch()
    async with _session() as (session, lips):

        async def talk() -> None:
            await asyncio.sleep(2)
            watch.idle = await _processor(_IDLE_S)
            for turn in range(_TURNS):
                began = time.perf_counter()
                session.say(_TEXT)
                first = await watch.first(lips.sounds, len(watch.came) - 1)
                watch.text.append(watch.came[first] - began)
                if turn == 0:
                    watch.busy = await _processor(3.0)
                await asyncio.sleep(0.5 + 0.07 * turn)
                await _interrupted(session, lips, watch)
            session.audio_format(_RATE)
            for _ in range(_SOUNDS):
                await _spoken_to(session, lips, watch)
                await _interrupted(session, lips, watch)

        await first_of(talk(), session.run(watch.take))
    return watch


async def _processor(seconds: float) -> float:
    began, used = time.perf_counter(), time.process_time()
    await asyncio.sleep(seconds)
    return (time.process_time() - used) / (time.perf_counter() - began)


async def _interrupted(session: Session, lips: WatchedLips, watch: _Watch) -> None:
    began = time.perf_counter()
    session.interrupt()
    now = len(watch.came) - 1
    lips.looking = True
    shut = await watch.first(lips.rests, now)
    lips.looking = False
    last = max((n for n in lips.sounds if n < shut), default=now)
    watch.last.append(max(watch.came[last] - began, 0.0))
    watch.after.append(max(last - now, 0))
    watch.shut.append(watch.came[shut] - watch.came[last])
    await asyncio.sleep(0.3)


async def _spoken_to(session: Session, lips: WatchedLips, watch: _Watch) -> None:
    """Sound faster than it is heard, as an agent's voice sends it."""
    voice = _noise()
    began, before = time.perf_counter(), len(watch.came) - 1
    session.add_audio(voice)
    first = await watch.first(lips.sounds, before)
    watch.sound.append(watch.came[first] - began)
    await asyncio.sleep(0.5)


def _noise() -> bytes:
    """Two seconds that sound like a voice's: a hum and its overtones."""
    t = np.arange(2 * _RATE) / _RATE
    hum: Sequence[float] = [1 / k for k in range(1, 20)]
    wave = sum(a * np.sin(2 * np.pi * 130 * (k + 1) * t) for k, a in enumerate(hum))
    return (6000 * np.asarray(wave) * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * t))).astype("<i2").tobytes()
