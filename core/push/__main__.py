"""The child process that speaks RTMP: `python -m core.push`.

Standard input carries a line of JSON, `{url, options}`, then our own MP4 as it grows, which is sent as it is,
from time 0 on. The order comes this way because the stream's key is in it: arguments are seen by others.
Standard output: one line, `{}`, once the server takes the video. If it does not, or no more, `{"error": why}`
and exit code 1; FFmpeg's own words are not passed on, for the key is in them.

A process of its own because PyAV holds the interpreter's lock while it connects, where no time limit counts:
whoever started this ends it.
"""

import json
import sys
from fractions import Fraction
from typing import Any, BinaryIO

import av

from core.sandbox.__main__ import say, silence_libraries

_PROBED = 1 << 16
"""Bytes of the video that are looked at before anything is sent."""


class _Stream:
    """Standard input as PyAV reads what cannot be sought in."""

    def __init__(self, file: BinaryIO) -> None:
        self.read = file.read1  # type: ignore[attr-defined]  # as much as there is


def _slave(url: str, options: dict[str, str]) -> str:
    """The server as the muxer `tee` is told of one, for it hands options on to protocols; PyAV does not."""
    told = {"f": "flv", "flvflags": "no_duration_filesize"} | options
    return _escaped(f"[{':'.join(f'{name}={_escaped(value)}' for name, value in told.items())}]{url}")


def _escaped(text: str) -> str:
    return "".join(char if char.isalnum() else f"\\{char}" for char in text)


def send(video: BinaryIO, url: str, options: dict[str, str]) -> None:
    """Send `video` until it ends."""
    with (
        av.open(_Stream(video), "r", format="mp4", options={"probesize": str(_PROBED)}) as source,
        av.open(_slave(url, options), "w", format="tee") as target,
    ):
        streams = {one: target.add_stream_from_template(one) for one in source.streams}
        target.start_encoding()
        say()
        began: Fraction | None = None
        for packet in source.demux():
            if packet.dts is None or packet.pts is None or packet.time_base is None:
                continue
            if began is None and packet.stream.type == "video":
                began = packet.dts * packet.time_base
            if began is None or (shift := round(began / packet.time_base)) > packet.dts:
                continue  # sound from before the first picture
            packet.dts, packet.pts = packet.dts - shift, packet.pts - shift
            packet.stream = streams[packet.stream]
            target.mux(packet)


def main() -> None:
    """Carry out the order; whatever goes wrong becomes a line of the answer."""
    silence_libraries()
    order: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    try:
        send(sys.stdin.buffer, order["url"], order["options"])
    except Exception as error:  # noqa: BLE001  # told to the parent, by its kind alone
        say(error=getattr(error, "strerror", None) or type(error).__name__)
        sys.exit(1)


if __name__ == "__main__":
    main()
