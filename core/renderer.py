"""Where videos are made: in this process, or elsewhere. Whoever asks for one cannot tell."""

from typing import Protocol

from core.enhancement.video import Enhancement, enhance_video
from core.enhancement.video import Sink as FragmentSink
from core.progress import Progress
from core.render import Request, Sink, render
from core.serving.engine_pool import EnginePool
from core.templates.library import Templates


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
