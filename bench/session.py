"""A live session: text to its first spoken picture, interrupt to the last, and what idling costs."""

import asyncio
import statistics
import time
from collections.abc import Iterator

from bench import Figure
from core.config import Settings
from core.live.session import Event, Session, SessionRequest, SpeechEnded, SpeechStarted, open_session
from core.runtime.tasks import first_of
from core.serving.engine_pool import EnginePool
from core.templates.library import Templates
from core.types import Fragment

_TURNS, _IDLE_S = 8, 5.0
_TEXT = (
    "Good morning, this is a sentence that goes on and on until somebody stops it, "
    "and then it is over at once."
)


def figures() -> Iterator[Figure]:
    """Medians of several turns, and the worst of them; idling as processor time over wall time."""
    firsts, lasts, idle = asyncio.run(_turns())
    yield Figure("live: text to first spoken picture", statistics.median(firsts) * 1e3, "ms", None, False)
    yield Figure("live: the same, worst", max(firsts) * 1e3, "ms", None, False)
    yield Figure("live: interrupt to last spoken picture", statistics.median(lasts) * 1e3, "ms", None, False)
    yield Figure("live: the same, worst", max(lasts) * 1e3, "ms", None, False)
    yield Figure("live: processor an idle session takes", idle, "cores", None, False)


async def _turns() -> tuple[list[float], list[float], float]:
    firsts: list[float] = []
    lasts: list[float] = []
    idle: list[float] = []
    told: asyncio.Queue[Event] = asyncio.Queue()

    async def sink(item: Fragment | Event) -> None:
        if not isinstance(item, Fragment):
            told.put_nowait(item)

    async def talk(session: Session) -> None:
        await asyncio.sleep(2)
        began, used = time.perf_counter(), time.process_time()
        await asyncio.sleep(_IDLE_S)
        idle.append((time.process_time() - used) / (time.perf_counter() - began))
        for turn in range(_TURNS):
            began = time.perf_counter()
            session.say(_TEXT)
            while not isinstance(await told.get(), SpeechStarted):
                pass
            firsts.append(time.perf_counter() - began)
            await asyncio.sleep(0.8 + 0.13 * turn)
            began = time.perf_counter()
            session.interrupt()
            while not isinstance(await told.get(), SpeechEnded):
                pass
            lasts.append(time.perf_counter() - began)
            await asyncio.sleep(0.5)

    async with EnginePool() as pool:
        wanted = SessionRequest(size=(512, 512))
        session = await open_session(wanted, pool, Templates(Settings(), pool))
        await first_of(talk(session), session.run(sink))
    return firsts, lasts, idle[0]
