"""`lipstream enhance`: make the faces of any video clearer, and show how it goes."""

import argparse
import asyncio
from pathlib import Path

from rich.console import Console

from core.enhancement.video import LIMITS, Enhancement, Sink, enhance_video
from core.errors import BadInput
from core.media.foreign import splice
from core.media.recording import Recording
from core.media.results import VIDEO
from core.progress import Progress
from core.protocols import FIDELITY
from core.serving.engine_pool import EnginePool
from server.cli.render import interruptible, to_stdout, writable
from server.cli.shown import watched


def enhance_command(options: argparse.Namespace) -> int:
    """`lipstream enhance`."""
    source = Path(options.video)
    if "://" in options.video:
        message = f"{options.video} is an address; download the video first and give the file"
        raise BadInput("not_a_file", message, "video")
    output = None if options.output == "-" else writable(options.output, VIDEO, [source])
    request = Enhancement(
        source,
        enhancer=options.engine,
        upscale=options.upscale,
        background=options.background,
        fidelity=FIDELITY if options.fidelity is None else options.fidelity,
        every=options.every,
    )
    asyncio.run(interruptible(_enhance(request, output)))
    return 0


async def _enhance(request: Enhancement, output: Path | None) -> None:
    async with EnginePool() as pool:
        if output is None:
            await _shown(request, pool, to_stdout)
            return
        async with Recording(output) as recording:
            await _shown(request, pool, recording.write)
            await recording.finish_by(lambda part, whole: splice(part, request.source, whole, LIMITS))
    print(output)


async def _shown(request: Enhancement, pool: EnginePool, sink: Sink) -> None:
    """Enhance, with one bar a stage on standard error while it runs and one line of figures after."""
    console, progress = Console(stderr=True), Progress()
    with watched(progress, console):
        await enhance_video(request, pool, sink, progress)
    console.print(_summary(progress), highlight=False, soft_wrap=True, markup=False)


def _summary(progress: Progress) -> str:
    engines = ", ".join(f"{kind} {name}" for kind, name in progress.engines.items())
    text = f"{progress.frames} frames of {progress.width}x{progress.height} in {progress.elapsed_s:.2f} s"
    text += f" ({progress.frames / progress.elapsed_s:.1f} a second)"
    text += f", first frame after {(progress.first_frame_s or 0) * 1000:.0f} ms"
    if progress.frames_without_face:
        text += f", {progress.frames_without_face} frames without a face left as they are"
    if progress.frames_sharp:
        text += f", {progress.frames_sharp} sharp as they were"
    if progress.tiles_made:
        text += f", {progress.tiles_made} tiles of background made and {progress.tiles_reused} reused"
    return f"{text} [{engines}]"
