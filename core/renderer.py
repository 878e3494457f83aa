"""Where videos are made: in this process, or elsewhere. Whoever asks for one cannot tell."""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from core.enhancement.video import Enhancement, enhance_video
from core.enhancement.video import Sink as FragmentSink
from core.live.commands import Command, obey
from core.live.session import Session, SessionRequest, open_session
from core.live.session import Sink as SessionSink
from core.progress import Progress
from core.render import Request, Sink, render
from core.serving.engine_pool import EnginePool
from core.templates.library import Templates


@dataclass(frozen=True, slots=True)
class Shape:
    """Of a video: pixels, and frames a second."""

    width: int
    height: int
    fps: int


class Live(Protocol):
    """A live session, wherever its video is made. node: on which node; None: on none."""

    @property
    def shape(self) -> Shape:
        """Of its video."""
        ...

    @property
    def node(self) -> str | None: ...

    async def do(self, command: Command) -> int:
        """Have it do this; one after the other. Raises and returns as `core.live.commands.obey`; NodeLost."""
        ...

    async def run(self, sink: SessionSink) -> None:
        """Make the video until cancelled, once. Raises StageError, NodeLost, and whatever `sink` does."""
        ...


class Renderer(Protocol):
    """Makes videos of requests, several at once. Cancel a call to stop it: nothing stays behind."""

    async def render(self, request: Request, sink: Sink, progress: Progress) -> None:
        """Make a talking video, as `core.render.render` does, and raise what that raises.

        Raises NodeLost if the machine that made it is gone: what `sink` got is the beginning of a video.
        """
        ...

    async def enhance(self, request: Enhancement, sink: FragmentSink, progress: Progress) -> None:
        """Make faces clearer, as `core.enhancement.video.enhance_video` does. Raises what that does, and
        NodeLost."""
        ...

    def session(self, wanted: SessionRequest) -> AbstractAsyncContextManager[Live]:
        """A live session, ready to run, until the block ends. Raises as `core.live.session.open_session`."""
        ...


class Here:
    """Makes them with the engines and the templates of this process."""

    def __init__(self, pool: EnginePool, templates: Templates) -> None:
        self._pool, self._templates = pool, templates

    async def render(self, request: Request, sink: Sink, progress: Progress) -> None:
        """See `Renderer.render`."""
        await render(request, self._pool, self._templates, sink, progress)

    async def enhance(self, request: Enhancement, sink: FragmentSink, progress: Progress) -> None:
        """See `Renderer.enhance`."""
        await enhance_video(request, self._pool, sink, progress)

    @asynccontextmanager
    async def session(self, wanted: SessionRequest) -> AsyncGenerator[Live, None]:
        """See `Renderer.session`."""
        yield _LiveHere(await open_session(wanted, self._pool, self._templates))


class _LiveHere:
    node = None

    def __init__(self, session: Session) -> None:
        template = session.template
        self._session, self.shape = session, Shape(template.width, template.height, template.fps)

    async def do(self, command: Command) -> int:
        return obey(self._session, command)

    async def run(self, sink: SessionSink) -> None:
        await self._session.run(sink)
