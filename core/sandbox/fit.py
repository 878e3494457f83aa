"""Bring frames of any video to one size, upright, as I420 BT.709. Runs in the child process only.

What a frame's decoder does not say of its colours is taken from what the file says: telephones and screen
recorders often tag the container alone.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from av.error import BlockingIOError as NothingYet
from av.error import EOFError as EndOfFile
from av.filter import Graph
from av.sidedata.sidedata import SideDataContainer, Type
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from core.errors import BadInput
from core.media.info import LONGEST_SIDE, check_large_enough

Size = tuple[int, int]
Turn = tuple[tuple[str, str], ...]
"""FFmpeg's filters, by name and arguments."""

GREY = 128
"""What shines through transparent parts."""

# As ITU-T H.273 numbers them.
_BT709, _UNSPECIFIED, _BT601, _BT2020 = 1, 2, 5, 9
_SRGB, _PQ, _HLG = 13, 16, 18
_BT601_PRIMARIES = (5, 6, 7)  # so near to BT.709's that nobody converts them


@dataclass(frozen=True, slots=True)
class Colours:
    """What a file says of its colours, as ITU-T H.273 numbers it. range: 0 unspecified, 1 limited, 2 full."""

    primaries: int
    transfer: int
    matrix: int
    range: int

    @classmethod
    def of(cls, stream: VideoStream) -> "Colours":
        """Those of a stream that has not been decoded: decoders forget what only the container said."""
        context = stream.codec_context
        return cls(
            int(context.color_primaries),
            int(context.color_trc),
            int(context.colorspace),
            int(context.color_range),
        )

    @property
    def need_conversion(self) -> bool:
        """Whether they differ from BT.709's so much that players convert them."""
        ordinary = (_UNSPECIFIED, _BT709, *_BT601_PRIMARIES)
        return self.transfer in (_PQ, _HLG) or self.primaries not in ordinary


UNKNOWN = Colours(_UNSPECIFIED, _UNSPECIFIED, _UNSPECIFIED, 0)


class Fit:
    """Brings every frame of a video to one size and to I420, BT.709 limited.

    size: scaled to cover it, then cut to it around the centre; None is the video's own, even, within
    `LONGEST_SIDE`. Where a video changes size midway, its later frames are brought to the same size.
    """

    def __init__(
        self,
        name: str,
        stream: VideoStream | None,
        first: VideoFrame,
        size: Size | None,
        said: Colours = UNKNOWN,
    ) -> None:
        """name: the file's. stream: None for a picture. said: what the file says of its colours.

        Raises BadInput `unsupported` for frames in which nobody could be seen.
        """
        self._stream, self._said = stream, said
        shown = self._shown(first)
        check_large_enough(name, *shown)
        if stream is not None:
            check_colours(name, stream, first)
        if size is None:
            scale = min(1.0, LONGEST_SIDE / max(shown))
            size = (int(shown[0] * scale) // 2 * 2, int(shown[1] * scale) // 2 * 2)
        self.width, self.height = size
        self._graphs: dict[tuple[object, ...], Graph] = {}

    def __call__(self, frame: VideoFrame) -> VideoFrame:
        """`frame` as it goes into the clip; a new frame."""
        turn = turning(frame)
        size = self._shown(frame)
        _tag(frame, self._said)
        if any(component.is_alpha for component in frame.format.components):
            frame = _flattened(frame)
        colours = frame.colorspace, frame.color_primaries, frame.color_trc, frame.color_range
        key = (frame.width, frame.height, frame.format.name, turn, *colours)
        if key not in self._graphs:
            self._graphs = {key: self._graph(frame, size, turn)}  # the one before will hardly come again
        graph = self._graphs[key]
        frame.pts = None
        graph.vpush(frame)
        return graph.vpull()

    def _shown(self, frame: VideoFrame) -> Size:
        return (frame.width, frame.height) if self._stream is None else shown_size(self._stream, frame)

    def _graph(self, frame: VideoFrame, size: Size, turn: Turn) -> Graph:
        """FFmpeg filters that turn, scale and cut; their arguments are numbers, never a file's text."""
        graph = Graph()
        graph.threads = 1  # one a processor, as is usual, would not fit the limit on a large machine
        nodes = [
            graph.add_buffer(
                width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 1000)
            )
        ]
        for name, arguments in [*turn, *self._scaling(frame, size)]:
            nodes.append(graph.add(name, arguments))
        graph.link_nodes(*nodes, graph.add("buffersink")).configure()
        return graph

    def _scaling(self, frame: VideoFrame, shown: Size) -> list[tuple[str, str]]:
        factor = max(self.width / shown[0], self.height / shown[1])
        wide, high = max(self.width, round(shown[0] * factor)), max(self.height, round(shown[1] * factor))
        if 0 <= shown[0] - self.width <= 1 and 0 <= shown[1] - self.height <= 1:
            wide, high = shown  # merely odd: lose a line, stay sharp
        scale = f"w={wide}:h={high}:flags=bicubic+accurate_rnd+full_chroma_int"
        scale += ":out_color_matrix=bt709:out_range=limited"
        if Colours(frame.color_primaries, frame.color_trc, 0, 0).need_conversion:
            scale += ":out_primaries=bt709:out_transfer=bt709"  # converted, and tone-mapped, by swscale
        # Even places: the colour planes are half as large and must be cut at the same spot.
        left, top = (wide - self.width) // 4 * 2, (high - self.height) // 4 * 2
        cut = f"w={self.width}:h={self.height}:x={left}:y={top}:exact=1"
        return [("scale", scale), ("format", "yuv420p"), ("crop", cut)]


_NO_MATRICES = (8, *range(10, 18))  # YCgCo, constant luminance, ICtCp and their like: swscale has none
_DOLBY_VISION = ("dvhe", "dvh1", "dav1")


def check_colours(name: str, stream: VideoStream, frame: VideoFrame) -> None:
    """Raise BadInput `unsupported` for colours that FFmpeg cannot convert, or would show green and purple.

    Dolby Vision of profile 5 and its like says nothing of its colours; that of telephones is PQ or HLG, too.
    """
    matrix = frame.colorspace if frame.colorspace != _UNSPECIFIED else Colours.of(stream).matrix
    if not frame.format.is_rgb and matrix in _NO_MATRICES:
        message = f"{name} is in colours that cannot be read (matrix {matrix} of H.273); export it as BT.709"
        raise BadInput("unsupported", message)
    everything: object = frame.side_data
    assert isinstance(everything, SideDataContainer)  # noqa: S101
    dolby = stream.codec_context.codec_tag in _DOLBY_VISION or any(
        kept.type in (Type.DOVI_METADATA, Type.DOVI_RPU_BUFFER) for kept in everything
    )
    if dolby and frame.color_trc == _UNSPECIFIED and Colours.of(stream).transfer == _UNSPECIFIED:
        raise BadInput(
            "unsupported",
            f"{name} is Dolby Vision in colours of its own (profile 5), which cannot be read; "
            "export it as HDR10, HLG or without high dynamic range",
        )


def turning(frame: VideoFrame) -> Turn:
    """Filters that show `frame` as its display matrix wants it, to the nearest quarter, mirrors included.

    The matrix takes a point (x, y) to (a x + c y, b x + d y), y downwards (ISO/IEC 14496-12, 6.2.2).
    """
    everything: object = frame.side_data  # PyAV's stubs know of one kind alone
    assert isinstance(everything, SideDataContainer)  # noqa: S101
    kept = next((kept for kept in everything if kept.type == Type.DISPLAYMATRIX), None)
    if kept is None:
        return ()
    a, b, _, c, d = struct.unpack_from("<5i", bytes(kept))
    lying = abs(b) + abs(c) > abs(a) + abs(d)
    steps = [("transpose", "dir=cclock_flip")] if lying else []
    if (c if lying else a) < 0:
        steps.append(("hflip", ""))
    if (b if lying else d) < 0:
        steps.append(("vflip", ""))
    return tuple(steps)


def shown_size(stream: VideoStream, frame: VideoFrame) -> Size:
    """Width and height of `frame` upright and with square pixels."""
    shape = stream.sample_aspect_ratio or Fraction(1)
    width, height = frame.width, frame.height
    if Fraction(1, 4) <= shape <= 4:  # beyond that it is a mistake in the file
        width = round(width * shape)
    return (height, width) if ("transpose", "dir=cclock_flip") in turning(frame) else (width, height)


def _tag(frame: VideoFrame, said: Colours) -> None:
    """Have the frame say of its colours what it or its file says, and the usual guess of the rest."""
    if not frame.color_range:
        frame.color_range = said.range
    transfer = said.transfer if frame.color_trc == _UNSPECIFIED else frame.color_trc
    primaries = said.primaries if frame.color_primaries == _UNSPECIFIED else frame.color_primaries
    if primaries == _UNSPECIFIED and transfer in (_PQ, _HLG):
        primaries = _BT2020
    if not frame.format.is_rgb and frame.colorspace == _UNSPECIFIED:
        guess = _BT2020 if primaries == _BT2020 else _BT709 if frame.height >= 720 else _BT601
        frame.colorspace = guess if said.matrix in (_UNSPECIFIED, 0) else said.matrix
    frame.color_primaries = primaries
    # Curves of ordinary video are all shown alike by players, whatever they are called: none is bent.
    frame.color_trc = transfer if transfer in (_PQ, _HLG) else _BT709


def to_srgb(frame: VideoFrame, said: Colours) -> VideoFrame:
    """`frame`, rgb24 of those colours, in those of screens; tone-mapped by swscale."""
    _tag(frame, said)
    graph = Graph()
    graph.threads = 1
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 1000)
    )
    if frame.color_trc == _BT709:
        frame.color_trc = _SRGB  # in and out alike: pictures are not bent either
    curve = "iec61966-2-1" if frame.color_trc == _SRGB else "bt709"
    scale = graph.add("scale", f"out_primaries=bt709:out_transfer={curve}:out_range=full")
    graph.link_nodes(source, scale, graph.add("format", "rgb24"), graph.add("buffersink")).configure()
    graph.vpush(frame)
    return graph.vpull()


def _flattened(frame: VideoFrame) -> VideoFrame:
    """`frame` on grey, where it is transparent."""
    picture = frame.to_ndarray(format="rgba").astype(np.uint16)
    alpha = picture[..., 3:]
    flat = (picture[..., :3] * alpha + GREY * (255 - alpha) + 127) // 255
    opaque = VideoFrame.from_ndarray(flat.astype(np.uint8), format="rgb24")
    opaque.color_primaries, opaque.color_trc = frame.color_primaries, frame.color_trc
    return opaque


def progressive(frames: Iterator[VideoFrame]) -> Iterator[VideoFrame]:
    """The frames, with those that are interlaced deinterlaced (bwdif); times stay."""
    weave: Graph | None = None
    shape: tuple[object, ...] = ()
    for frame in frames:
        if weave is not None and shape != (frame.width, frame.height, frame.format.name):
            yield from _drained(weave, end=True)
            weave = None
        if weave is None and not frame.interlaced_frame:
            yield frame
            continue
        if weave is None:
            shape = (frame.width, frame.height, frame.format.name)
            weave = _weave(frame)
        weave.vpush(frame)
        yield from _drained(weave)
    if weave is not None:
        yield from _drained(weave, end=True)


def _weave(frame: VideoFrame) -> Graph:
    graph = Graph()
    graph.threads = 1
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
    )
    bwdif = graph.add("bwdif", "mode=send_frame:deint=interlaced")
    graph.link_nodes(source, bwdif, graph.add("buffersink")).configure()
    return graph


def _drained(graph: Graph, *, end: bool = False) -> Iterator[VideoFrame]:
    if end:
        graph.vpush(None)
    while True:
        try:
            yield graph.vpull()
        except (NothingYet, EndOfFile):
            return
