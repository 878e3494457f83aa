"""What may be said to a live session, as values: they travel to wherever its video is made."""

from dataclasses import dataclass
from typing import assert_never

from core.live.session import Session
from core.protocols import Style


@dataclass(frozen=True, slots=True)
class Say:
    """A whole text; see `Session.say`."""

    text: str
    voice: str | None = None
    style: Style | None = None


@dataclass(frozen=True, slots=True)
class Add:
    """More of a text that is being written; see `Session.add`."""

    delta: str


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """What sound comes; see `Session.audio_format`."""

    rate: int
    channels: int
    encoding: str


@dataclass(frozen=True, slots=True)
class AddAudio:
    """More of a sound; see `Session.add_audio`."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Finish:
    """The text or sound that is coming is whole."""


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Stop speaking."""


@dataclass(frozen=True, slots=True)
class Act:
    """Do an action of the template; see `Session.act`."""

    name: str


Command = Say | Add | AudioFormat | AddAudio | Finish | Interrupt | Act


def obey(session: Session, command: Command) -> int:
    """Do it. Returns the number of the utterance that it belongs to, 0 if to none; raises BadInput."""
    match command:
        case Say(text, voice, style):
            return session.say(text, voice, style)
        case Add(delta):
            return session.add(delta)
        case AudioFormat(rate, channels, encoding):
            session.audio_format(rate, channels, encoding)
        case AddAudio(data):
            return session.add_audio(data)
        case Finish():
            session.finish()
            session.finish_audio()
        case Interrupt():
            session.interrupt()
        case Act(name):
            session.act(name)
        case _:
            assert_never(command)
    return 0
