"""Make what is around the faces of a video clearer, where it changes; faces themselves come later.

Each frame keeps the picture that it came with: faces are restored from that, not from what a network made.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace

from core.media import Frame
from core.planes import twice
from core.studio import Staffed
from core.tiles import Tiles
from core.worker import Worker

UPSCALER = "realesrgan-x2"
"""What makes backgrounds clearer. No other engine stands in for it: resampling makes nothing clearer."""


async def enhance_background(
    frames: AsyncIterator[Frame],
    upscaler: Staffed,
    hands: Worker,
    scale: int,
    note: Callable[[Tiles], None],
) -> AsyncGenerator[Frame, None]:
    """Yield `frames`, `scale` (1 or 2) times as large, each with its `clear` picture.

    A cancel waits for one tile.

    hands: the thread on which the pictures that came are resampled. note: called after every tile.
    """
    tiles = Tiles(upscaler.engine, scale)
    async for frame in frames:
        clear = None
        async with aclosing(upscaler.worker.steps(tiles.enlarge(frame.planes))) as steps:
            async for step in steps:
                clear = step
                note(tiles)
        planes = frame.planes if scale == 1 else await hands.call(twice, frame.planes)
        yield replace(frame, planes=planes, clear=clear)
