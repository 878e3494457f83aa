"""What is asked in a live session, as text or sound, and its answers, spoken as they are written."""

import asyncio
from contextlib import aclosing, suppress
from typing import Protocol

from core.errors import BadInput, NodeLost
from server.jobs.chat import Chat, Turn
from server.jobs.model_server import ChatFailed
from server.jobs.transcriber import Sound, Transcriber
from server.schemas.live import ChatAnswered, ChatHeard, SessionError, SpeechEnded
from server.stream.session_log import SessionLog

HUSH_S = 1.0
"""Seconds that an answer waits for the one before it to be hushed, at most."""

Question = str | Sound


class Speaks(Protocol):
    """Who says the answers: the session. log: where it is told what was answered."""

    log: SessionLog

    async def write(self, delta: str, by: object, ref: str | None = None) -> int:
        """More of a text; returns the number of its utterance, 0 if there is none."""
        ...

    async def finish(self, by: object) -> None:
        """The text is whole."""
        ...


class Conversation:
    """One session's. `hush` it at the end."""

    def __init__(self, chat: Chat, transcriber: Transcriber | None, session: Speaks) -> None:
        """transcriber: who understands sound, if anybody does."""
        self._chat, self._transcriber, self._session = chat, transcriber, session
        self._answering: asyncio.Task[None] | None = None
        self._answers: dict[int, Turn] = {}  # by utterance, until nothing more of it is heard
        self._hushed = asyncio.Event()

    @property
    def listens(self) -> bool:
        """Whether a question may be sound."""
        return self._transcriber is not None

    def check(self, question: Question) -> None:
        """Raises BadInput `no_transcription` for sound that nobody here understands."""
        if isinstance(question, Sound) and self._transcriber is None:
            message = "nobody understands sound here: the server's setting transcribe_url is empty"
            raise BadInput("no_transcription", message, "pcm")

    def ask(self, question: Question, ref: str | None) -> None:
        """Answer this, in place of what is being answered."""
        before = self._answering
        self.hush()
        self._answering = asyncio.create_task(self._answer(question, ref, before))

    def hush(self) -> None:
        """Let the language model write no more."""
        self._hushed.clear()
        if self._answering is not None:
            self._answering.cancel()

    def ended(self, event: SpeechEnded) -> None:
        """Nothing more of an utterance is heard; the model is told what was, of its own."""
        answer = self._answers.pop(event.utterance, None)
        if answer is not None and event.interrupted:
            answer["content"] = event.text_spoken
        if not self._answers:
            self._hushed.set()

    async def _answer(self, question: Question, ref: str | None, before: asyncio.Task[None] | None) -> None:
        log = self._session.log
        if before is not None:
            await asyncio.wait([before])
        try:
            text = question if isinstance(question, str) else await self._understood(question, ref)
            if self._answers:  # what was said of the answer before is part of the conversation
                with suppress(TimeoutError):
                    async with asyncio.timeout(HUSH_S):
                        await self._hushed.wait()
            async with aclosing(self._chat.answer(text)) as pieces:
                async for piece in pieces:
                    if number := await self._session.write(piece, self, ref):
                        self._answers.setdefault(number, self._chat.newest)
            log.append("chat.answered", ChatAnswered(text=self._chat.newest["content"], ref=ref))
        except (ChatFailed, NodeLost) as error:
            code = "chat_failed" if isinstance(error, ChatFailed) else "node_lost"
            log.append("error", SessionError(code=code, message=str(error), ref=ref))
        except BadInput as error:
            log.append("error", SessionError(code=error.code, message=error.message, ref=ref))
        finally:
            await self._session.finish(self)

    async def _understood(self, sound: Sound, ref: str | None) -> str:
        assert self._transcriber is not None  # noqa: S101  # `check`
        text = await self._transcriber.text_of(sound)
        self._session.log.append("chat.heard", ChatHeard(text=text, ref=ref))
        return text
