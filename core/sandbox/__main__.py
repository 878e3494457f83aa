"""The child process in which foreign media is opened: `python -m core.sandbox ORDER` (JSON).

Whatever a hostile or broken file does to a decoder, it does it here: memory and processor time are
limited, only media containers are recognised (a playlist opens nothing), only files are opened.

Standard output carries the answer, one JSON object a line (for `audio`, blocks of samples after the
first line; for `picture`, one of pixels). A refusal is one line `{"error": code, "message": ...}` on
standard error and exit code 1.
"""

import json
import os
import struct
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

from core.errors import NO_ROOM, BadInput
from core.media.info import Limits, MediaInfo

_FILES = 64
"""Files that a child may have open."""

_NICE = 10
"""By how much less of the processor a preparation gets than the videos that are being made and watched."""
_REMEDY = "export it again, or convert it to MP4 (H.264, AAC)"


def limit_process(memory_bytes: int, cpu_s: int) -> None:
    """Cap this process's memory and processor time, where the platform can."""
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 5))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_FILES, _FILES))
    if sys.platform == "linux":  # elsewhere it is refused or means something else
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


def silence_libraries() -> None:
    """Keep what C libraries print out of standard error, which nobody empties before the end."""
    kept = os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    os.close(null)
    sys.stderr = os.fdopen(kept, "w")


def say(**message: Any) -> None:
    """Send one line of the answer."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def probe(order: dict[str, Any], limits: Limits) -> None:
    """Answer with what the file is."""
    from core.sandbox.picture import picture_info
    from core.sandbox.reader import media_info, signature

    path = Path(order["path"])
    say(info=asdict((picture_info if signature(path) == "picture" else media_info)(path, limits)))


def normalise(order: dict[str, Any], limits: Limits) -> None:
    """Write the file anew as every template is kept, saying now and then how far it is."""
    if hasattr(os, "nice"):
        os.nice(_NICE)
    from core.sandbox.normalise import Small, write_normal

    size: tuple[int, int] | None = None if order["size"] is None else tuple(order["size"])
    with ExitStack() as stack:
        small: Small | None = None
        if "sight" in order:
            small = Small(order["sight"], stack.enter_context(os.fdopen(order["pipe"], "wb", buffering=0)))
        info: MediaInfo = write_normal(
            Path(order["path"]),
            Path(order["destination"]),
            order["fps"],
            size,
            limits,
            lambda done, total: say(done=done, total=total),
            order["until_s"],
            small,
        )
    say(info=asdict(info))


def audio(order: dict[str, Any], limits: Limits) -> None:
    """Answer with the rate, then blocks of samples: length in bytes (uint32), float32; length 0 ends."""
    from core.sandbox.audio import read_sound

    rate, blocks = read_sound(Path(order["path"]), order["rate"], limits)
    say(rate=rate)
    out = sys.stdout.buffer
    for block in blocks:
        data = block.astype("<f4").tobytes()
        out.write(len(data).to_bytes(4, "little") + data)
        out.flush()
    # Only on success: a reader that has not seen it knows that the sound was cut off.
    out.write(bytes(4))
    out.flush()


def frames(order: dict[str, Any], limits: Limits) -> None:
    """Answer with what the video is; then into the pipe, for every frame, two ticks (int64) and its planes.

    Another line of the answer follows the last frame: who has not seen it knows that it was cut off.
    """
    from core.sandbox.frames import read_frames
    from core.sandbox.normalise import pour

    head, timed = read_frames(Path(order["path"]), order["scale"], limits)
    say(head=asdict(head))
    with os.fdopen(order["pipe"], "wb", buffering=0) as pipe:
        for start, stop, planes in timed:
            pour(pipe, struct.pack("<qq", start, stop) + planes.tobytes())
        say(done=True)


def splice(order: dict[str, Any], limits: Limits) -> None:
    """Put our picture and the file's sound together."""
    from core.sandbox.splice import splice

    splice(Path(order["picture"]), Path(order["path"]), Path(order["destination"]))
    say(done=True)


def picture(order: dict[str, Any], limits: Limits) -> None:
    """Answer with width and height, then one block: the picture's pixels, BGRA."""
    from core.sandbox.picture import read_pixels

    pixels = read_pixels(Path(order["path"]), order["most"], limits)
    say(width=pixels.shape[1], height=pixels.shape[0])
    out = sys.stdout.buffer
    out.write(pixels.nbytes.to_bytes(4, "little"))
    out.write(pixels.tobytes())
    out.flush()


ORDERS: dict[str, Callable[[dict[str, Any], Limits], None]] = {
    "probe": probe,
    "normalise": normalise,
    "audio": audio,
    "frames": frames,
    "splice": splice,
    "picture": picture,
}


def refuse(code: str, message: str) -> NoReturn:
    """End with a refusal."""
    sys.stderr.write(json.dumps({"error": code, "message": message}) + "\n")
    sys.exit(1)


def main(text: str) -> None:
    """Carry out an order; whatever goes wrong becomes a refusal."""
    silence_libraries()
    order = json.loads(text)
    limits = Limits(**order["limits"])
    limit_process(limits.memory_bytes, limits.cpu_s)
    name = Path(order["path"]).name
    try:
        ORDERS[order["do"]](order, limits)
    except BadInput as error:
        refuse(error.code, error.message)
    except BrokenPipeError:
        sys.exit(1)  # the reader has gone
    except MemoryError:
        refuse("too_large_frames", f"{name}: its pictures are too large to decode; give a smaller version")
    except OSError as error:
        if error.errno in NO_ROOM:
            refuse("storage_full", "the disk has no room for the decoded video")
        refuse("malformed_media", f"{name} cannot be decoded ({error.strerror}); {_REMEDY}")
    except Exception as error:  # noqa: BLE001  # decoders raise anything for broken files, e.g. IndexError
        refuse("malformed_media", f"{name} cannot be decoded ({type(error).__name__}); {_REMEDY}")


if __name__ == "__main__":
    main(sys.argv[1])
