"""A live session between the API's words and the core's: what is asked for, and what is told."""

from core.live import session as core_session
from core.live.session import Event, SessionRequest
from core.protocols import Style
from server.schemas.live import (
    NewSession,
    SessionBehind,
    SessionError,
    SpeechEnded,
    SpeechStarted,
    SpeechWord,
)
from server.schemas.requests import Model, size_of


def wanted(request: NewSession) -> SessionRequest:
    """What the core is asked for."""
    return SessionRequest(
        template=request.template,
        language=request.language,
        voice=request.voice,
        style=Style(request.speed, request.pitch),
        fps=request.fps,
        size=size_of(request.size),
        speech=request.engines.speech,
        lipsync=request.engines.lipsync,
        enhance=request.enhance,
        enhancer=request.engines.enhance,
    )


def told(event: Event, fps: int) -> tuple[str, Model]:
    """The type and the data of what the log says of it. fps: of the video."""
    match event:
        case core_session.SpeechStarted(number, frame, after_s):
            at_s = round(frame / fps, 3)
            return "speech.started", SpeechStarted(utterance=number, frame=frame, at_s=at_s, after_s=after_s)
        case core_session.SpeechWord(number, text, start_s, end_s):
            return "speech.word", SpeechWord(utterance=number, text=text, start_s=start_s, end_s=end_s)
        case core_session.SpeechEnded(number, interrupted, position_s, text):
            ended = SpeechEnded(
                utterance=number, interrupted=interrupted, position_s=position_s, text_spoken=text
            )
            return "speech.ended", ended
        case core_session.SpeechFailed(number, code, message):
            return "error", SessionError(code=code, message=message, utterance=number)
        case core_session.SessionBehind(seconds):
            return "session.behind", SessionBehind(behind_s=seconds)
