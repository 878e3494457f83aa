"""Look at, prepare and listen to media that others made.

Foreign files are only ever opened in a child process with limited memory and time (`core.sandbox`);
this process opens nothing but clips of our own (`core.media.clip`).

A file that breaks off, or has damaged pieces, is used as far as it decodes if that is at least a second
and nine tenths of its pieces; an MP4 without its index (cut off while it was written) cannot be decoded
at all. Every refusal is a BadInput: `missing_file`, `empty_file`, `not_media` (playlists too),
`malformed_media`, `unsupported`, `audio_only`, `no_audio`, `not_a_picture`, `image_too_large`,
`image_too_small`, `too_large_frames`, `media_too_long`.
"""

import asyncio
import struct
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.media.child_process import Child, Inflow
from core.media.info import Limits, MediaInfo, VideoHead
from core.media.planes import Planes
from core.types import Image, Samples


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame of a foreign video, shown from tick `start` to tick `stop` (of CLOCK).

    planes: uint8 (height * 3 // 2, width), I420, BT.709 limited; the reader's own.
    clear: the same with all of it made clearer, faces apart, if that was asked for; shared between frames.
    """

    planes: Planes
    start: int
    stop: int
    clear: Planes | None = None

    @property
    def nbytes(self) -> int:
        """What it takes at most."""
        return self.planes.nbytes + (0 if self.clear is None else self.clear.nbytes)


@dataclass(frozen=True, slots=True)
class Show:
    """Who wants to see a clip's frames while they are written.

    side: pixels of the pictures' longer side, at most. to: awaited with each in its turn, uint8 (h, w, 3)
    BGR; the writing waits for it, and fails with what it raises.
    """

    side: int
    to: Callable[[Image], Awaitable[None]]


_LIMITS = Limits()
_PROBE_CPU_S = 20
_PICTURE_BYTES = 1 << 30
"""Of the process that decodes one picture: four times the largest, and its libraries."""


async def probe(path: Path, limits: Limits = _LIMITS) -> MediaInfo:
    """What `path` is. Raises BadInput if it cannot be used."""
    child = await Child.start(path, replace(limits, cpu_s=_PROBE_CPU_S), do="probe")
    try:
        return MediaInfo(**(await child.line())["info"])
    finally:
        await child.end()


async def normalise(
    source: Path,
    destination: Path,
    *,
    fps: int | None,
    size: tuple[int, int] | None,
    report: Callable[[int, int | None], None],
    show: Show | None = None,
    until_s: float | None = None,
    limits: Limits = _LIMITS,
) -> MediaInfo:
    """Write `source`, a video or a picture, anew as a clip for `Frames`; returns what the clip is.

    fps: None is the source's own, rounded, within 10 ... 30 (a picture: 25). A picture lasts one second.
    size: (width, height), even; the picture is scaled to cover it and cut around the centre. None is its
        own, at most 1920 on the longer side.
    report: called now and then with the frames done and how many there will be, if that is known.
    show: who wants to see the clip's frames, small, while they are written.
    until_s: seconds after which the rest is left out.
    `destination` appears when it is whole, and replaces what was there.

    Raises BadInput for a source that cannot be used, StorageFull if there is no room, and what `show` does.
    """
    draft = destination.with_name(f".{destination.name}.{uuid.uuid4().hex[:8]}")
    order = {
        "do": "normalise",
        "destination": str(draft.absolute()),
        "fps": fps,
        "size": size,
        "until_s": until_s,
    }
    try:
        info = await _normalised(source, order, limits, report, show)
        draft.replace(destination)
    finally:
        draft.unlink(missing_ok=True)
    return info


async def _normalised(
    source: Path,
    order: dict[str, Any],
    limits: Limits,
    report: Callable[[int, int | None], None],
    show: Show | None,
) -> MediaInfo:
    """Have a child carry out the order, and read both what it tells and what it shows."""
    inflow = None if show is None else Inflow()
    child: Child | None = None
    try:
        try:
            if show is None or inflow is None:
                child = await Child.start(source, limits, **order)
            else:
                child = await Child.start(source, limits, give=inflow.theirs, **order, sight=show.side)
        finally:
            if inflow is not None:
                inflow.given()
        async with asyncio.TaskGroup() as group:  # where either fails, the other ends
            if show is not None and inflow is not None:
                group.create_task(_show(inflow, show.to))
            while "info" not in (message := await child.line()):
                report(message["done"], message["total"])
        return MediaInfo(**message["info"])
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
    finally:
        if child is not None:
            await child.end()
        if inflow is not None:
            await inflow.close()


async def _show(inflow: Inflow, to: Callable[[Image], Awaitable[None]]) -> None:
    """Hand over the pictures that come in; while one is looked at, the next is read."""
    size = bytearray(8)
    if not await inflow.fill(memoryview(size)):
        return
    width, height = struct.unpack("<II", size)

    async def one() -> Image | None:
        picture = np.empty((height, width, 3), np.uint8)
        return picture if await inflow.fill(picture.data.cast("B")) else None

    coming = asyncio.ensure_future(one())
    try:
        while (picture := await coming) is not None:
            coming = asyncio.ensure_future(one())
            await to(picture)
    finally:
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)  # it may still write into its picture


async def read_picture(path: Path, most: int, limits: Limits = _LIMITS) -> NDArray[np.uint8]:
    """The picture in `path`, upright, uint8 (h, w, 4) BGRA; the first one of an animation.

    most: pixels of its longer side; what is larger is made smaller. Raises BadInput for what is not a
    picture, is damaged, too large or smaller than 16 x 16.
    """
    small = replace(limits, memory_bytes=min(limits.memory_bytes, _PICTURE_BYTES), cpu_s=_PROBE_CPU_S)
    child = await Child.start(path, small, do="picture", most=most)
    try:
        size = await child.line()
        data = await child.block(int.from_bytes(await child.block(4), "little"))
    finally:
        await child.end()
    return np.frombuffer(data, np.uint8).reshape(size["height"], size["width"], 4)


class AudioSource:
    """Sound that a child process is decoding; `close` ends it, so does leaving `chunks`."""

    def __init__(self, child: Child, rate: int) -> None:
        self.rate = rate
        self._child = child

    async def chunks(self) -> AsyncGenerator[Samples, None]:
        """The sound, mono, at most 200 ms at a time; nothing is decoded far ahead of the reader. Once.

        Raises BadInput if the file turns out to be damaged.
        """
        try:
            while length := int.from_bytes(await self._child.block(4), "little"):
                yield np.frombuffer(await self._child.block(length), "<f4").astype(np.float32, copy=False)
        finally:
            await self.close()

    async def close(self) -> None:
        """End the child process. Closing again does nothing."""
        await self._child.end()


async def open_audio(path: Path, *, rate: int | None = None, limits: Limits = _LIMITS) -> AudioSource:
    """Begin to read the sound of `path`, mixed down to mono.

    rate: in Hz; None keeps the file's own, or the next lower one AAC knows (8000 ... 48000).
    Raises BadInput for a file without usable sound.
    """
    child = await Child.start(path, limits, do="audio", rate=rate)
    try:
        return AudioSource(child, (await child.line())["rate"])
    except BaseException:
        await child.end()
        raise


class VideoSource:
    """A foreign video that a child process is decoding; `close` ends it."""

    def __init__(self, child: Child, head: VideoHead, inflow: Inflow) -> None:
        self.head = head
        self._child, self._inflow = child, inflow

    async def frames(self) -> AsyncGenerator[Frame, None]:
        """Its frames; none is decoded far ahead of the reader. Once.

        Raises BadInput if the file turns out to be damaged.
        """
        while True:
            times, planes = bytearray(16), np.empty((self.head.height * 3 // 2, self.head.width), np.uint8)
            if not await self._inflow.fill(memoryview(times), planes.data.cast("B")):
                break
            yield Frame(planes, *struct.unpack("<qq", times))
        await self._child.line()  # said after the last frame; if not, it says why

    async def close(self) -> None:
        """End the child process. Closing again does nothing."""
        await self._child.end()
        await self._inflow.close()


async def open_video(path: Path, *, scale: int = 1, limits: Limits = _LIMITS) -> VideoSource:
    """Begin to decode `path`, frame by frame with their own times.

    scale: how many times as large frames come, 1 or 2. Raises BadInput for what is not a usable video.
    """
    inflow = Inflow()
    try:
        try:
            child = await Child.start(path, limits, give=inflow.theirs, do="frames", scale=scale)
        finally:
            inflow.given()
        try:
            head = (await child.line())["head"]
            return VideoSource(child, VideoHead(**head | {"sound": tuple(head["sound"])}), inflow)
        except BaseException:
            await child.end()
            raise
    except BaseException:
        await inflow.close()
        raise


async def splice(picture: Path, source: Path, whole: Path, limits: Limits = _LIMITS) -> None:
    """Write `whole`: the video of `picture`, an MP4 of ours, and every sound track of `source`, copied.

    Raises StorageFull if there is no room.
    """
    target: dict[str, Any] = {"picture": str(picture.absolute()), "destination": str(whole.absolute())}
    child = await Child.start(source, limits, do="splice", **target)
    try:
        await child.line()
    finally:
        await child.end()
