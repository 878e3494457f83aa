"""Templates by number: video N is N.mp4 in the folder of the setting `video_base_path`."""

import hashlib
import re
from pathlib import Path

from core.errors import BadInput

_NUMBER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_PLAIN = re.compile(r"[a-z0-9-]{1,50}")


def numbered(folder: Path | None, number: str) -> Path:
    """The file of video `number`.

    Raises BadInput `no_video_folder`, `bad_video_number` or `unknown_video_number`.
    """
    if folder is None:
        raise BadInput(
            "no_video_folder",
            "videos have numbers only where the setting video_base_path (VIDEO_BASE_PATH) names their folder",
            "video_number",
        )
    # Before anything is made of it: what does not match never becomes part of a path.
    if not _NUMBER.fullmatch(number):
        message = f"video_number is up to 64 letters, digits, - and _, not {number[:80]!r}"
        raise BadInput("bad_video_number", message, "video_number")
    path = folder / f"{number}.mp4"
    if not path.is_file():
        raise BadInput(
            "unknown_video_number", f"there is no video {number!r}: no file {path.name}", "video_number"
        )
    return path.absolute()


def numbered_id(number: str) -> str:
    """The id of its template; no template that users name has one like it, because of the underscore."""
    plain = number if _PLAIN.fullmatch(number) else hashlib.sha256(number.encode()).hexdigest()[:16]
    return f"number_{plain}"
