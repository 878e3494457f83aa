"""Look at, prepare and listen to media that others made.

Foreign files are only ever opened in a child process with limited memory and time (`core.media_child`);
this process opens nothing but clips of our own (`core.media_clip`).

A file that breaks off, or has damaged pieces, is used as far as it decodes if that is at least a second
and nine tenths of its pieces; an MP4 without its index (cut off while it was written) cannot be decoded
at all. Every refusal is a BadInput: `missing_file`, `empty_file`, `not_media` (playlists too),
`malformed_media`, `unsupported`, `audio_only`, `no_audio`, `not_a_picture`, `image_too_large`,
`image_too_small`, `too_large_frames`, `media_too_long`.
"""

import asyncio
import json
import os
import signal
import struct
import sys
import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from core.errors import BadInput, Error, StorageFull
from core.media_alpha import AlphaWriter
from core.media_clip import ClipWriter, Frames, write_clip
from core.media_info import CLOCK, Limits, MediaInfo, VideoHead, check_frame
from core.planes import Planes, to_bgr, to_i420
from core.types import Samples
from core.worker import Worker

__all__ = [
    "CLOCK",
    "AlphaWriter",
    "AudioSource",
    "ClipWriter",
    "Frame",
    "Frames",
    "Limits",
    "MediaInfo",
    "VideoHead",
    "VideoSource",
    "check_frame",
    "normalise",
    "open_audio",
    "open_video",
    "probe",
    "read_picture",
    "splice",
    "to_bgr",
    "to_i420",
    "write_clip",
]


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


_ROOT = Path(__file__).parents[1]
_LIMITS = Limits()
_PROBE_CPU_S = 20
# Libraries that take memory per processor would not fit the child's limit on a large machine.
_CHILD_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}


async def probe(path: Path, limits: Limits = _LIMITS) -> MediaInfo:
    """What `path` is. Raises BadInput if it cannot be used."""
    child = await _Child.start(path, replace(limits, cpu_s=_PROBE_CPU_S), do="probe")
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
    until_s: float | None = None,
    limits: Limits = _LIMITS,
) -> MediaInfo:
    """Write `source`, a video or a picture, anew as a clip for `Frames`; returns what the clip is.

    fps: None is the source's own, rounded, within 10 ... 30 (a picture: 25). A picture lasts one second.
    size: (width, height), even; the picture is scaled to cover it and cut around the centre. None is its
        own, at most 1920 on the longer side.
    report: called now and then with the frames done and how many there will be, if that is known.
    until_s: seconds after which the rest is left out.
    `destination` appears when it is whole, and replaces what was there.

    Raises BadInput for a source that cannot be used, StorageFull if there is no room.
    """
    draft = destination.with_name(f".{destination.name}.{uuid.uuid4().hex[:8]}")
    target: dict[str, Any] = {
        "destination": str(draft.absolute()),
        "fps": fps,
        "size": size,
        "until_s": until_s,
    }
    child = await _Child.start(source, limits, do="normalise", **target)
    try:
        while "info" not in (message := await child.line()):
            report(message["done"], message["total"])
        await child.end()
        draft.replace(destination)
    finally:
        await child.end()
        draft.unlink(missing_ok=True)
    return MediaInfo(**message["info"])


async def read_picture(path: Path, most: int, limits: Limits = _LIMITS) -> NDArray[np.uint8]:
    """The picture in `path`, upright, uint8 (h, w, 4) BGRA; the first one of an animation.

    most: pixels of its longer side; what is larger is made smaller. Raises BadInput for what is not a
    picture, is damaged, too large or smaller than 16 x 16.
    """
    child = await _Child.start(path, limits, do="picture", most=most)
    try:
        size = await child.line()
        data = await child.block(int.from_bytes(await child.block(4), "little"))
    finally:
        await child.end()
    return np.frombuffer(data, np.uint8).reshape(size["height"], size["width"], 4)


class AudioSource:
    """Sound that a child process is decoding; `close` ends it, so does leaving `chunks`."""

    def __init__(self, child: "_Child", rate: int) -> None:
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
    child = await _Child.start(path, limits, do="audio", rate=rate)
    try:
        return AudioSource(child, (await child.line())["rate"])
    except BaseException:
        await child.end()
        raise


class VideoSource:
    """A foreign video that a child process is decoding; `close` ends it."""

    def __init__(self, child: "_Child", head: VideoHead, pipe: BinaryIO) -> None:
        self.head = head
        self._child, self._pipe = child, pipe
        self._worker = Worker("decode")

    async def frames(self) -> AsyncGenerator[Frame, None]:
        """Its frames; none is decoded far ahead of the reader. Once.

        Raises BadInput if the file turns out to be damaged.
        """
        while (frame := await self._worker.call(self._next)) is not None:
            yield frame
        await self._child.line()  # said after the last frame; if not, it says why

    def _next(self) -> Frame | None:
        """The next frame. Blocking: on a thread of its own it takes a tenth of what the loop would need."""
        times, planes = bytearray(16), np.empty((self.head.height * 3 // 2, self.head.width), np.uint8)
        if not self._fill(memoryview(times)) or not self._fill(planes.data.cast("B")):
            return None
        start, stop = struct.unpack("<qq", times)
        return Frame(planes, start, stop)

    def _fill(self, room: memoryview) -> bool:
        """Read until `room` is full; False where the pipe ends first."""
        while room:
            read = self._pipe.readinto(room)  # type: ignore[attr-defined]  # it is a raw file
            if not read:
                return False
            room = room[read:]
        return True

    async def close(self) -> None:
        """End the child process. Closing again does nothing."""
        await self._child.end()  # the thread, if it waits for a frame, sees the pipe's end
        await asyncio.to_thread(self._worker.close)
        self._pipe.close()


async def open_video(path: Path, *, scale: int = 1, limits: Limits = _LIMITS) -> VideoSource:
    """Begin to decode `path`, frame by frame with their own times.

    scale: how many times as large frames come, 1 or 2. Raises BadInput for what is not a usable video.
    """
    ours, theirs = os.pipe()
    pipe = os.fdopen(ours, "rb", buffering=0)
    try:
        try:
            child = await _Child.start(path, limits, give=theirs, do="frames", scale=scale, pipe=theirs)
        finally:
            os.close(theirs)
        try:
            head = (await child.line())["head"]
            return VideoSource(child, VideoHead(**head | {"sound": tuple(head["sound"])}), pipe)
        except BaseException:
            await child.end()
            raise
    except BaseException:
        pipe.close()
        raise


async def splice(picture: Path, source: Path, whole: Path, limits: Limits = _LIMITS) -> None:
    """Write `whole`: the video of `picture`, an MP4 of ours, and every sound track of `source`, copied.

    Raises StorageFull if there is no room.
    """
    target: dict[str, Any] = {"picture": str(picture.absolute()), "destination": str(whole.absolute())}
    child = await _Child.start(source, limits, do="splice", **target)
    try:
        await child.line()
    finally:
        await child.end()


class _Child:
    """One run of `core.media_child`."""

    def __init__(self, process: asyncio.subprocess.Process, name: str) -> None:
        assert process.stdout is not None and process.stderr is not None  # noqa: S101, PT018  # asked for
        self._process, self._name = process, name
        self._out, self._err = process.stdout, process.stderr

    @classmethod
    async def start(cls, path: Path, limits: Limits, give: int | None = None, **order: Any) -> "_Child":
        """give: an open file that it inherits. Raises BadInput if there is nothing at `path` to look at."""
        _check(path)
        order |= {"path": str(path.absolute()), "limits": asdict(limits)}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "core.media_child",
            json.dumps(order),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            pass_fds=() if give is None else (give,),
            cwd=_ROOT,
            env=os.environ | _CHILD_ENVIRONMENT,
        )
        return cls(process, path.name)

    async def line(self) -> dict[str, Any]:
        """The next line of its answer; raises what it refused with."""
        line = await self._out.readline()
        if not line.endswith(b"\n"):
            raise await self._refusal()
        message: dict[str, Any] = json.loads(line)
        return message

    async def block(self, length: int) -> bytes:
        """The next `length` bytes of its answer; raises what it refused with."""
        try:
            return await self._out.readexactly(length)
        except asyncio.IncompleteReadError:
            raise await self._refusal() from None

    async def end(self) -> None:
        """Kill it if it runs, and see it gone."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.kill()
        await self._process.communicate()  # reads both pipes to their end, which closes them

    async def _refusal(self) -> Error:
        told = (await self._err.read()).decode(errors="replace")
        code = await self._process.wait()
        with suppress(ValueError, KeyError, IndexError, TypeError):
            refusal = json.loads(told.splitlines()[-1])
            if refusal["error"] == "storage_full":
                return StorageFull(refusal["message"])
            return BadInput(refusal["error"], refusal["message"])
        if code == -signal.SIGXCPU:
            return BadInput("media_too_long", f"{self._name} takes too long to decode; give a shorter file")
        if code < 0:
            return BadInput("malformed_media", f"{self._name} broke the decoder (signal {-code})")
        return Error(f"the media process failed on {self._name}: {told.strip()[-2000:]}")


def _check(path: Path) -> None:
    """Raises BadInput for what need not be opened to be refused."""
    try:
        with path.open("rb") as file:
            first = file.read(1)
    except (OSError, ValueError) as error:
        raise BadInput(
            "missing_file", f"{path} cannot be read ({getattr(error, 'strerror', error)})"
        ) from error
    if not first:
        raise BadInput("empty_file", f"{path.name} is empty; the copy or upload may have failed")
