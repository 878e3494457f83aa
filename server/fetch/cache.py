"""Files fetched from elsewhere, kept for the next time, within bounds.

    <key>.json     what is known of one URL: its ETag, its content; not the URL, which may be signed
    <sha256>       a content; several URLs may have the same
    <name>.part    being fetched

Processes may share the folder: every name appears whole, by renaming. What was used longest ago goes first.
"""

import hashlib
import json
import os
import secrets
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

STALE_S = 86_400
"""Seconds after which an unfinished file is nobody's any more."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What a URL answered. etag: empty if it has none, and then it is asked for anew every time."""

    url: str
    etag: str
    name: str
    kind: str
    type: str
    bytes: int
    sha256: str


class Cache:
    """The folder; `limit` bytes of contents at most, the newest always. Every method blocks."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder = folder
        self._limit = limit

    def draft(self) -> Path:
        """A new name to write to; `add` it or unlink it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder / f"{secrets.token_hex(8)}.part"

    def path(self, entry: Entry) -> Path:
        """Where the entry's content lies, if it still does."""
        return self.folder / entry.sha256

    def find(self, url: str) -> Entry | None:
        """What the URL answered last, if its content is still here; counts as a use."""
        note = self._note(url)
        try:
            entry = Entry(**json.loads(note.read_text(encoding="utf-8")))
            os.utime(note)
        except (OSError, ValueError, TypeError):
            return None
        return replace(entry, url=url) if self.path(entry).is_file() else None

    def forget(self, url: str) -> None:
        """Know nothing of the URL any more."""
        self._note(url).unlink(missing_ok=True)

    def add(self, entry: Entry, draft: Path) -> Path:
        """Take `draft` in as the entry's content, and drop what there is no more room for."""
        path = self.path(entry)
        draft.replace(path)
        note = self.draft()
        note.write_text(json.dumps(asdict(entry) | {"url": ""}), encoding="utf-8")
        note.replace(self._note(entry.url))
        self._prune(keep=entry.sha256)
        return path

    def _note(self, url: str) -> Path:
        return self.folder / f"{hashlib.sha256(url.encode()).hexdigest()}.json"

    def _prune(self, keep: str) -> None:
        """Forget URLs, the longest unused first, and the contents that no URL has any more."""
        kept: dict[str, int] = {}
        gone = set()
        for note in sorted(self.folder.glob("*.json"), key=_used, reverse=True):
            try:
                entry = Entry(**json.loads(note.read_text(encoding="utf-8")))
            except (OSError, ValueError, TypeError):
                note.unlink(missing_ok=True)
                continue
            if entry.sha256 in {keep, *kept} or sum(kept.values()) + entry.bytes <= self._limit:
                kept[entry.sha256] = entry.bytes
            else:
                gone.add(entry.sha256)
                note.unlink(missing_ok=True)
        for path in self.folder.iterdir():
            # What no note names may be another process's, whose note is about to appear; but not for long.
            lost = path.suffix != ".json" and path.name not in kept and time.time() - _used(path) > STALE_S
            if lost or path.name in gone - kept.keys():
                path.unlink(missing_ok=True)


def _used(path: Path) -> float:
    with suppress(OSError):
        return path.stat().st_mtime
    return 0.0
