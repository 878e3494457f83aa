"""Render to a file or as a stream, with engines of one's own or those that are made for the call."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypedDict, Unpack

from core.labels import LabelKind
from core.progress import Progress
from core.protocols import Style
from core.render import Item, Request
from core.render import render as render_into
from core.render_file import CaptionFiles, Video, render_file
from core.serving.engine_pool import EnginePool
from core.subtitle_style import SubtitleStyle
from core.templates.library import Templates
from core.types import VideoFormat


class Options(TypedDict, total=False):
    """How to render.

    template: id in the library ("sample" is always there), or a path to a video or picture to use this once;
    a string with a dot or a slash in it is a path. face: in such a file, whose face is meant: "auto",
    "largest", "central" or a number. audio: a recording to use in place of a text.
    language: "auto", or one of `core.text.LANGUAGES` ("zh"). readings: word -> how it is said.
    voice: None is the first. style: how it speaks.
    fps, size: of the video, (width, height); None is the template's. burn_subtitles: draw the captions in,
    in `subtitle_style`.
    still: of a picture only the mouth moves; None is as the settings say. enhance: make faces clearer.
    fidelity: 0 clearest, 1 most alike. every: one face in so many, 1 to 8.
    format: "mp4"; or "webm" or "mov", the person alone, with alpha.
    speech, lipsync, enhancer: names of engines, or "auto". label: how the video says that it is generated,
    "off", "metadata", "visible" or "both"; None is as the settings say. number: what it calls itself there.
    """

    template: str | Path
    face: str
    audio: str | Path | None
    language: str
    readings: Mapping[str, str]
    voice: str | None
    style: Style
    fps: int | None
    size: tuple[int, int] | None
    burn_subtitles: bool
    subtitle_style: SubtitleStyle
    enhance: bool
    still: bool | None
    fidelity: float
    every: int
    speech: str
    lipsync: str
    enhancer: str
    format: VideoFormat
    label: LabelKind | None
    number: str | None


class FileOptions(Options, CaptionFiles, total=False):
    """How to render into a file."""


async def render(
    text: str | None = None,
    *,
    out: str | Path,
    pool: EnginePool | None = None,
    templates: Templates | None = None,
    progress: Progress | None = None,
    **options: Unpack[FileOptions],
) -> Video:
    """Make a video of somebody saying `text`, and write it to `out`: an MP4, or what `format` says.

    pool: engines that stay loaded between calls; None loads them for this call. templates: the library, with
    its engines; None opens that of the settings. progress: is written while it is made, for whoever watches.
    Nothing is left at `out` unless the video becomes whole; cancelling the task stops it at once.

    Raises BadInput for what cannot be used, before any work if that can be known, EngineUnavailable for an
    engine that cannot run here, StageError if a stage fails midway, StorageFull if the disk is.
    """
    captions = CaptionFiles(srt=options.pop("srt", False), srt_track=options.pop("srt_track", False))
    request = _request(text, options)
    async with _engines(pool, templates) as (pool, templates):
        return await render_file(request, pool, templates, Path(out), progress, **captions)


def render_sync(
    text: str | None = None,
    *,
    out: str | Path,
    progress: Progress | None = None,
    **options: Unpack[FileOptions],
) -> Video:
    """`render`, for a program without an event loop. Every call loads its engines anew.

    Raises like `render`, and RuntimeError where a loop runs already, as in a notebook: await `render` there.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(render(text, out=out, progress=progress, **options))
    raise RuntimeError("an event loop runs here already, so render_sync cannot: await lipstream.render(...)")


async def stream(
    text: str | None = None,
    *,
    pool: EnginePool | None = None,
    templates: Templates | None = None,
    progress: Progress | None = None,
    **options: Unpack[Options],
) -> AsyncGenerator[Item, None]:
    """Make the same video, and yield every piece of it as soon as it exists.

    A Fragment is a piece of the MP4: their `data`, one after the other, are a file that plays while it grows.
    A Cue is a caption, a Segment a sentence that has been spoken; both count samples at `progress.rate`.
    The video is made no faster than it is read. Leaving the loop stops it: at once inside
    `contextlib.aclosing`, else when Python gets round to it.

    Arguments and errors are those of `render`.
    """
    request = _request(text, options)
    pieces: asyncio.Queue[Item | None] = asyncio.Queue(1)
    async with _engines(pool, templates) as (pool, templates):

        async def make() -> None:
            try:
                await render_into(request, pool, templates, pieces.put, progress)
            except Exception:
                await pieces.put(None)
                raise
            await pieces.put(None)

        making = asyncio.create_task(make())
        try:
            while (piece := await pieces.get()) is not None:
                yield piece
            await making
        finally:
            making.cancel()
            await asyncio.wait([making])


@asynccontextmanager
async def _engines(
    pool: EnginePool | None, templates: Templates | None
) -> AsyncGenerator[tuple[EnginePool, Templates], None]:
    if templates is not None:
        if pool not in (None, templates.pool):
            raise ValueError("templates have another pool than the one given: leave `pool` out")
        yield templates.pool, templates
    elif pool is not None:
        yield pool, Templates(pool.settings, pool)
    else:
        async with EnginePool() as own:
            yield own, Templates(own.settings, own)


def _request(text: str | None, options: Options) -> Request:
    """Raises TypeError for an option there is none of, as Python does, and a text that is no string."""
    if not isinstance(text, str | None):
        raise TypeError(f"text is a string, not {type(text).__name__}")
    if unknown := options.keys() - Options.__annotations__.keys():
        known = ", ".join(sorted(Options.__annotations__))
        raise TypeError(f"there is no option {', '.join(sorted(unknown))}; there are: {known}")
    told = {**options}
    template, audio = told.pop("template", "sample"), told.pop("audio", None)
    video = template if isinstance(template, Path) or set(str(template)) & {".", "/", "\\"} else None
    return Request(
        template="" if video else str(template),
        video=Path(str(video)) if video else None,
        text=text,
        audio=None if audio is None else Path(str(audio)),
        **told,  # type: ignore[arg-type]  # the rest are fields of the same names and types, as a test sees
    )
