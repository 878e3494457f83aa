"""Keep a video that is being made: as it grows, then as a file that players can seek in at once.

While it grows it lies beside its destination as `NAME.<random>.part.mp4`, playable up to the last
fragment even after a crash. Only a whole video gets the destination's name.
"""

from collections.abc import Awaitable, Callable, Container, Mapping, Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Self

import av

from core.errors import BadInput, telling_no_room
from core.labels import label_of
from core.media.alpha import MOVFLAGS, OURS, write_prores
from core.media.credentials import Credentials
from core.media.results import VIDEO, beside, real, result
from core.runtime.worker import Worker
from core.types import WITH_ALPHA, Cue, Fragment, VideoFormat

if TYPE_CHECKING:
    from av.container import OutputContainer

VIDEO_ENDINGS: Mapping[VideoFormat, tuple[str, ...]] = {"mp4": VIDEO, "webm": (".webm",), "mov": (".mov",)}
"""How the name of a video may end; the first is added to one without."""


class Recording:
    """Writes fragments to a file: `async with Recording(path) as it`, `it.write(...)`, `it.finish()`.

    Leaving without `finish` removes everything that was written, and leaves what had the name before.
    path: what the video will be called (see `core.media.results.result`). credentials: who signs it.
    """

    def __init__(
        self, destination: Path, format: VideoFormat = "mp4", credentials: Credentials | None = None
    ) -> None:
        """Raises BadInput `unwritable_output` for a name that cannot be written."""
        self.path = result(destination, VIDEO_ENDINGS[format])
        self._destination = real(self.path)  # what a link points to; the link stays
        self._part = beside(self._destination, ".part.webm" if format in WITH_ALPHA else ".part.mp4")
        self._whole = beside(self._destination, f".whole.{format}")
        self._credentials = credentials
        self._worker = Worker("recording")
        self._file: BinaryIO | None = None
        self._left = False

    async def __aenter__(self) -> Self:
        """Raises BadInput `unwritable_output` if the file could not be written."""
        try:
            await self._worker.call(self._open)
        except OSError as error:
            self._worker.close()
            raise BadInput(
                "unwritable_output",
                f"{self.path} cannot be written ({error.strerror}); choose another place",
                "output",
            ) from error
        except BaseException:
            await self.__aexit__(None, None, None)  # cancelled, but the thread has made the file by now
            raise
        return self

    async def write(self, fragment: Fragment) -> None:
        """Append a fragment. Raises StorageFull if the disk has no room."""
        await self._call(self._append, fragment.data)

    async def finish(self, cues: Sequence[Cue] = (), rate: int = 1, language: str = "") -> None:
        """Give the video its name, its language, and a subtitle track if there are cues (see `remux`).

        Raises StorageFull if the disk has no room for the copy this takes.
        """
        await self._call(self._complete, cues, rate, language)

    async def finish_by(self, complete: Callable[[Path, Path], Awaitable[None]]) -> None:
        """Give the video its name. complete: makes the whole file, the second, of the growing one."""
        await self._call(self._close)
        await complete(self._part, self._whole)
        await self._call(self._whole.replace, self._destination)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left = True  # a copy still being made gives up
        await self._worker.call(self._tidy)
        self._worker.close()

    async def _call(self, function: Callable[..., object], *args: object) -> None:
        with telling_no_room(f"no room on the disk for {self.path}; free some, or choose another place"):
            await self._worker.call(function, *args)

    def _open(self) -> None:
        self._file = self._part.open("xb")

    def _append(self, data: bytes) -> None:
        assert self._file is not None  # noqa: S101  # opened on entering
        self._file.write(data)
        self._file.flush()  # a crash must find it on disk

    def _close(self) -> None:
        assert self._file is not None  # noqa: S101  # opened on entering
        self._file.close()

    def _complete(self, cues: Sequence[Cue], rate: int, language: str) -> None:
        self._close()
        make_whole(self._part, self._whole, lambda: self._left, cues=cues, rate=rate, language=language)
        if self._credentials is not None:
            self._credentials.sign(self._whole)
        self._whole.replace(self._destination)

    def _tidy(self) -> None:
        if self._file is not None:
            with suppress(OSError):  # what could not be written before cannot be now
                self._file.close()
        for path in (self._part, self._whole):
            path.unlink(missing_ok=True)


def make_whole(
    part: Path,
    whole: Path,
    stopped: Callable[[], bool],
    *,
    cues: Sequence[Cue] = (),
    rate: int = 1,
    language: str = "",
) -> None:
    """Make of a growing file of ours the one that players can seek in, of the kind its name says. Blocking.

    Copies the packets (see `remux`), or writes them anew as ProRes 4444. Raises what `remux` does.
    """
    if whole.suffix == ".mov":
        write_prores(part, whole, stopped)
    else:
        remux(part, whole, stopped, cues=cues, rate=rate, language=language)


def remux(
    part: Path,
    whole: Path,
    stopped: Callable[[], bool] = lambda: False,
    *,
    cues: Sequence[Cue] = (),
    rate: int = 1,
    language: str = "",
    kinds: Container[str] = ("video", "audio"),
) -> None:
    """Copy a growing file of ours into a plain one, its index in front; nothing is encoded anew. Blocking.

    whole: MP4, or WebM by its name. part may be cut off: what is whole of it is copied.
    stopped: asked now and then whether to give up.
    cues: become a subtitle track that players can switch on; their times count samples at `rate`.
    language: one of `core.text.LANGUAGES`, of the sound and the subtitles; "" where it is not known.
    kinds: of tracks to copy.
    Raises InterruptedError if it was stopped, OSError if `whole` cannot be written.
    """
    webm = whole.suffix == ".webm"
    kind, options = ("webm", {}) if webm else ("mp4", {"movflags": MOVFLAGS})
    with (
        av.open(f"file:{part}", options=dict(OURS)) as source,
        av.open(f"file:{whole}", "w", format=kind, options=options) as target,
    ):
        target.metadata.update(label_of(source.metadata))
        streams = {
            stream.index: target.add_stream_from_template(stream, opaque=True)
            for stream in source.streams
            if stream.type in kinds
        }
        told = {"language": _LANGUAGES[language]} if language else {}
        for stream in streams.values():
            if stream.type == "audio":
                stream.metadata.update(told)
            elif webm:
                stream.metadata["alpha_mode"] = "1"
        if cues:
            _add_subtitles(target, cues, rate, told)
        for packet in source.demux():
            if stopped():
                raise InterruptedError("the copy is not wanted any more")
            # Without a time it only says that the stream ends; what is corrupt was cut off.
            if packet.dts is not None and not packet.is_corrupt and packet.stream.index in streams:
                packet.stream = streams[packet.stream.index]
                target.mux(packet)


_LANGUAGES = {
    "zh": "zho", "en": "eng", "yue": "yue", "ja": "jpn", "ko": "kor",
    "fr": "fra", "de": "deu", "es": "spa", "it": "ita", "pt": "por", "ru": "rus",
}  # fmt: skip
"""As MP4 names them (ISO 639-2/T; Cantonese has a name in 639-3 alone)."""


def _add_subtitles(
    target: "OutputContainer", cues: Sequence[Cue], rate: int, told: Mapping[str, str]
) -> None:
    """A track of 3GPP timed text (3GPP TS 26.245), which MP4 calls tx3g and FFmpeg mov_text."""
    stream = target.add_stream("mov_text")
    stream.metadata.update(told)
    stream.codec_context.subtitle_header = _STYLE
    thousandths = Fraction(1, 1000)
    for cue in cues:
        text = cue.text.encode()
        packet = av.Packet(len(text).to_bytes(2, "big") + text)
        packet.stream, packet.time_base = stream, thousandths
        packet.pts = packet.dts = cue.start * 1000 // rate
        packet.duration = cue.stop * 1000 // rate - packet.pts
        target.mux(packet)


_STYLE = b"""[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, OutlineColour, BackColour, Bold, Italic, Alignment
Style: Default,Sans-Serif,18,&Hffffff,&H0,&H0,0,0,2

[Events]
Format: Layer, Start, End, Style, Text
"""
"""What FFmpeg makes the track's style of: white, centred below."""
