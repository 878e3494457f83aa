"""Render into a file that appears when it is whole, with captions beside it or in it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from core.captions.cues import main_language
from core.captions.files import ENDINGS, captions_as_files
from core.errors import BadInput
from core.media.credentials import credentials
from core.media.recording import VIDEO_ENDINGS, Recording
from core.media.results import check_not_read, result, write_whole
from core.progress import Progress
from core.render import Item, Request, render
from core.serving.engine_pool import EnginePool
from core.subtitle_style import together
from core.templates.library import Templates
from core.types import Cue, Fragment


class CaptionFiles(TypedDict, total=False):
    """What becomes of the captions; no more than there are without these.

    srt: files beside the video, SRT, WebVTT and ASS. srt_track: a track in it that players can show.
    """

    srt: bool
    srt_track: bool


@dataclass(frozen=True, slots=True)
class Video:
    """A video that has been made.

    cues: its captions, in samples at `progress.rate`; none of a recording. subtitles: files of them.
    progress: what it took, and the video's size, rate and length.
    """

    path: Path
    cues: tuple[Cue, ...]
    subtitles: tuple[Path, ...]
    progress: Progress

    @property
    def duration_s(self) -> float:
        """Length of the video in seconds."""
        return self.progress.frames / self.progress.fps


async def render_file(
    request: Request,
    pool: EnginePool,
    templates: Templates,
    path: Path,
    progress: Progress | None = None,
    *,
    srt: bool = False,
    srt_track: bool = False,
    reads: Sequence[Path] = (),
) -> Video:
    """Make the video of `request` and write it to `path`; see `CaptionFiles` for the captions.

    reads: what else was read for it, and may not be overwritten. Nothing is left at `path`, and what was
    there stays, unless the video becomes whole. Raises what `render` does, BadInput `unwritable_output`,
    `output_is_input` and `bad_credentials`, and StorageFull.
    """
    inputs = [request.video, request.audio, *reads]
    if srt_track and request.format != "mp4":
        message = "a track of captions is in an MP4 alone; write them beside the video, or draw them into it"
        raise BadInput("track_needs_mp4", message, "srt_track")
    path = result(path, VIDEO_ENDINGS[request.format], inputs, [templates.settings.data_dir / "templates"])
    beside = {ending: path.with_suffix(f".{ending}") for ending in ENDINGS} if srt else {}
    for file in beside.values():
        check_not_read(file, inputs)
    signer = await asyncio.to_thread(credentials, templates.settings)
    progress = progress or Progress()
    cues: list[Cue] = []
    async with Recording(path, request.format, signer) as recording:

        async def sink(item: Item) -> None:
            if isinstance(item, Fragment):
                await recording.write(item)
            elif isinstance(item, Cue):
                cues.append(item)

        await render(request, pool, templates, sink, progress)
        await recording.finish(cues if srt_track else (), progress.rate, main_language(cues))
    size = progress.width, progress.height
    style = together(request.subtitle_style, templates.settings.subtitle_style)
    texts = captions_as_files(cues, progress.rate, size, style) if beside else {}
    for ending, file in beside.items():
        await asyncio.to_thread(write_whole, file, texts[ending].encode())
    return Video(path, tuple(cues), tuple(beside.values()), progress)
