"""A session's script and pacer, driven frame by frame without a wall clock."""

import asyncio

import numpy as np

from core.live.cutter import Cutter
from core.live.pacer import paced
from core.live.script import Script
from core.live.voices import Speaker, Voices
from core.protocols import Style
from core.runtime.worker import Worker
from core.text import sentences
from core.tts_stream import tts_stream
from tests.support.fakes import Beeps, loaded

FPS = 25
STEP = Beeps.rate // FPS


async def until(true):
    """Wait for what another task or thread does."""
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0.001)


class Stage:
    """A script and its pacer; time passes only where the pacer sleeps, or a test says so."""

    def __init__(self, speech, reach=0, voice=None):
        self.ended, self.troubles, self.heard, self.words, self.actions = [], [], [], [], []
        self.at = 0.0

        async def find(_voice, _languages):
            return speech

        self.script = Script(
            Voices(find, Speaker(voice), speech.engine.rate),
            Cutter(),
            lambda text, error: self.troubles.append((text.number, error)),
            self.over,
            reach=reach,
        )

        def note(_frame, text, taken):
            self.heard.append(text.number if text else None)
            self.actions += [(len(self.heard), name) for name in (taken.actions if taken else ())]
            self.words += [text.written.text[w.start : w.stop] for w, _ in taken.words] if text else []

        self.behind = []
        self.chunks = paced(self.script, FPS, note, lambda: self.at, self.sleep, self.behind.append)

    def over(self, text, cut):
        self.ended.append((text.number, cut, text.sound.taken, text.spoken()))
        self.actions += [(len(self.heard), name) for name in text.sound.asked()]

    async def sleep(self, seconds):
        self.at += seconds
        await asyncio.sleep(0)

    async def frames(self, count):
        return np.concatenate([(await anext(self.chunks)).samples for _ in range(count)])

    async def spoken(self):
        """Wait until all that was given has been turned into sound."""
        await until(lambda: bool(all(text.closed for text in self.script._texts)))


def staged(play, engine=None, reach=0):
    async def main():
        worker = Worker("speech")
        stage = Stage(loaded("speech", engine or Beeps(), worker), reach)
        speaking = asyncio.create_task(stage.script.speak())
        try:
            await play(stage)
        finally:
            speaking.cancel()
            await asyncio.gather(speaking, return_exceptions=True)
            await stage.chunks.aclose()
            worker.close()

    asyncio.run(main())


def offline(text):
    async def main():
        worker = Worker("speech")
        chunks = tts_stream(sentences(text), loaded("speech", Beeps(), worker), None, Style())
        samples = [chunk.samples async for chunk in chunks]
        worker.close()
        return np.concatenate(samples)

    return asyncio.run(main())
