"""Text and a template video in, a talking video out: the library. docs/library.md shows how it is used.

What this names is public, and all of it; everything else may move. Nothing is imported before it is used,
so that `import lipstream` takes no time.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from core import __version__

if TYPE_CHECKING:
    from core.captions.files import ass, srt, vtt
    from core.config import Settings
    from core.errors import BadInput, EngineUnavailable, Error, StageError, StorageFull
    from core.live.session import (
        Session,
        SessionBehind,
        SessionRequest,
        SpeechEnded,
        SpeechFailed,
        SpeechStarted,
        SpeechWord,
        open_session,
    )
    from core.progress import Progress
    from core.protocols import Style
    from core.render import Item, Segment
    from core.render_file import Video
    from core.serving.engine_pool import EnginePool
    from core.subtitle_style import SubtitleStyle
    from core.templates.info import TemplateInfo
    from core.templates.library import Templates
    from core.types import Cue, Fragment
    from lipstream.api import Options, render, render_sync, stream

__all__ = [
    "BadInput",
    "Cue",
    "EnginePool",
    "EngineUnavailable",
    "Error",
    "Fragment",
    "Item",
    "Options",
    "Progress",
    "Segment",
    "Session",
    "SessionBehind",
    "SessionRequest",
    "Settings",
    "SpeechEnded",
    "SpeechFailed",
    "SpeechStarted",
    "SpeechWord",
    "StageError",
    "StorageFull",
    "Style",
    "SubtitleStyle",
    "TemplateInfo",
    "Templates",
    "Video",
    "__version__",
    "ass",
    "open_session",
    "render",
    "render_sync",
    "srt",
    "stream",
    "vtt",
]

_HOMES: Mapping[str, str] = {
    "BadInput": "core.errors",
    "Cue": "core.types",
    "EnginePool": "core.serving.engine_pool",
    "EngineUnavailable": "core.errors",
    "Error": "core.errors",
    "Fragment": "core.types",
    "Item": "core.render",
    "Options": "lipstream.api",
    "Progress": "core.progress",
    "Segment": "core.render",
    "Session": "core.live.session",
    "SessionBehind": "core.live.session",
    "SessionRequest": "core.live.session",
    "Settings": "core.config",
    "SpeechEnded": "core.live.session",
    "SpeechFailed": "core.live.session",
    "SpeechStarted": "core.live.session",
    "SpeechWord": "core.live.session",
    "StageError": "core.errors",
    "StorageFull": "core.errors",
    "Style": "core.protocols",
    "SubtitleStyle": "core.subtitle_style",
    "TemplateInfo": "core.templates.info",
    "Templates": "core.templates.library",
    "Video": "core.render_file",
    "ass": "core.captions.files",
    "open_session": "core.live.session",
    "render": "lipstream.api",
    "render_sync": "lipstream.api",
    "srt": "core.captions.files",
    "stream": "lipstream.api",
    "vtt": "core.captions.files",
}

if not TYPE_CHECKING:  # a type checker reads the imports above, and refuses other names

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_HOMES[name]), name)

    def __dir__() -> list[str]:
        return __all__
