"""Keep a video that is being made: as it grows, then as a file that players can seek in at once.

While it grows it lies beside its destination as `NAME.<random>.part.mp4`, playable up to the last
fragment even after a crash. Only a whole video gets the destination's name.
"""

import errno
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import av

from core.errors import BadInput, StorageFull
from core.types import Fragment
from core.worker import Worker

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Recording:
    """Writes fragments to a file: `async with Recording(path) as it`, `it.write(...)`, `it.finish()`.

    Leaving without `finish` removes everything that was written, and leaves what had the name before.
    """

    def __init__(self, destination: Path) -> None:
        stem = destination.with_suffix("").name
        mark = uuid.uuid4().hex[:8]
        self._destination = destination
        self._part = destination.with_name(f"{stem}.{mark}.part.mp4")
        self._whole = destination.with_name(f"{stem}.{mark}.whole.mp4")
        self._worker = Worker("recording")
        self._file: BinaryIO | None = None
        self._left = False

    async def __aenter__(self) -> Self:
        """Raises BadInput `unwritable_output` if the file could not be written."""
        try:
            if self._destination.exists() and not self._destination.is_file():
                raise FileExistsError(errno.EEXIST, "it exists and is not a file")
            self._file = await self._worker.call(self._part.open, "xb")
        except OSError as error:
            self._worker.close()
            raise BadInput(
                "unwritable_output",
                f"{self._destination} cannot be written ({error.strerror}); choose another place",
                "output",
            ) from error
        return self

    async def write(self, fragment: Fragment) -> None:
        """Append a fragment. Raises StorageFull if the disk has no room."""
        await self._call(self._append, fragment.data)

    async def finish(self) -> None:
        """Give the video its name. Raises StorageFull if the disk has no room for the copy this takes."""
        await self._call(self._complete)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left = True  # a copy still being made gives up
        await self._worker.call(self._tidy)
        self._worker.close()

    async def _call(self, function: Callable[..., None], *args: object) -> None:
        try:
            await self._worker.call(function, *args)
        except OSError as error:
            if error.errno in _FULL:
                raise StorageFull(
                    f"no room on the disk for {self._destination}; free some, or choose another place"
                ) from error
            raise

    def _append(self, data: bytes) -> None:
        assert self._file is not None  # noqa: S101  # opened on entering
        self._file.write(data)
        self._file.flush()  # a crash must find it on disk

    def _complete(self) -> None:
        assert self._file is not None  # noqa: S101  # opened on entering
        self._file.close()
        remux(self._part, self._whole, lambda: self._left)
        self._whole.replace(self._destination)

    def _tidy(self) -> None:
        if self._file is not None:
            with suppress(OSError):  # what could not be written before cannot be now
                self._file.close()
        for path in (self._part, self._whole):
            path.unlink(missing_ok=True)


def remux(part: Path, whole: Path, stopped: Callable[[], bool] = lambda: False) -> None:
    """Copy a fragmented MP4 of ours into a plain one, its index in front; nothing is encoded anew. Blocking.

    part may be cut off: what is whole of it is copied. stopped: asked now and then whether to give up.
    Raises InterruptedError if it was, OSError if `whole` cannot be written.
    """
    with (
        av.open(f"file:{part}", options={"protocol_whitelist": "file", "format_whitelist": "mov"}) as source,
        av.open(f"file:{whole}", "w", format="mp4", options={"movflags": "faststart"}) as target,
    ):
        streams = [target.add_stream_from_template(stream, opaque=True) for stream in source.streams]
        for packet in source.demux():
            if stopped():
                raise InterruptedError("the copy is not wanted any more")
            # Without a time it only says that the stream ends; what is corrupt was cut off.
            if packet.dts is not None and not packet.is_corrupt:
                packet.stream = streams[packet.stream.index]
                target.mux(packet)
