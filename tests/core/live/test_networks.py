"""A session whose lips and clarity are networks'; they are small."""

import asyncio

import pytest

torch = pytest.importorskip("torch")

from core.config import Settings  # noqa: E402  # needs torch
from core.engines import ENGINES, EngineSpec  # noqa: E402
from core.engines.builtin.clarity import Clarity  # noqa: E402
from core.engines.wav2lip.engine import Wav2LipEngine  # noqa: E402
from core.live.session import SessionRequest, SpeechEnded, SpeechStarted, open_session  # noqa: E402
from core.serving.engine_pool import EnginePool  # noqa: E402
from core.templates.library import Templates  # noqa: E402
from core.types import Fragment  # noqa: E402

pytestmark = pytest.mark.slow  # torch alone takes seconds to import


async def test_wav2lip_speaks_is_made_clearer_and_rests_while_the_person_idles(small_library, monkeypatch):
    spec = EngineSpec("tests.core.engines.wav2lip.test_render:echo", "for a test")
    monkeypatch.setitem(ENGINES["lipsync"], "echo", spec)
    monkeypatch.setenv("LIPSTREAM_DATA_DIR", str(small_library))
    drawn, cleared = [], []
    draw, clear = Wav2LipEngine._redraw_here, Clarity.enhance

    def noted(self, share):
        drawn.extend(share)
        return draw(self, share)

    def noted_too(self, patches, numbers, *more):
        cleared.extend(numbers)
        return clear(self, patches, numbers, *more)

    monkeypatch.setattr(Wav2LipEngine, "_redraw_here", noted)
    monkeypatch.setattr(Clarity, "enhance", noted_too)

    seen, frames = [], 0
    news = asyncio.Event()

    async def sink(item):
        nonlocal frames
        frames += item.frames if isinstance(item, Fragment) else 0
        seen.append(item)
        news.set()

    async def pictures(count):
        until = frames + count
        while frames < until:
            news.clear()
            await news.wait()

    async with EnginePool() as pool, asyncio.timeout(60):
        wanted = SessionRequest("small", speech="builtin", lipsync="echo", enhance=True, enhancer="builtin")
        session = await open_session(wanted, pool, Templates(Settings(), pool))
        running = asyncio.create_task(session.run(sink))
        await pictures(8)
        assert (drawn, cleared) == ([], [])
        session.say("One two three.")
        await session.idle()
        spoken = len(drawn)
        assert len(cleared) == spoken > 15
        await pictures(10)
        rest = len(drawn) - spoken
        await pictures(10)
        assert len(drawn) == spoken + rest
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    told = [type(item) for item in seen if isinstance(item, SpeechStarted | SpeechEnded)]
    assert told == [SpeechStarted, SpeechEnded]
