"""What was measured of engines on this machine, and holds for a day: that one is too slow is found out by
loading it and waiting for it, which not every command shall pay for."""

import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from core.media.results import write_whole
from core.runtime import processor

KEPT_S: Final = 86_400.0
"""Seconds a verdict holds: the machine may have been busy when it was passed."""


class Verdicts:
    """Why engines are passed over, kept in a file of the data folder by engine, processor and cores."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "verdicts.json"

    def why(self, engine: str) -> str:
        """Why it was passed over lately, or nothing."""
        kept = self._read().get(_key(engine))
        if isinstance(kept, dict) and isinstance(why := kept.get("why"), str):
            age = time.time() - kept["at"] if isinstance(kept.get("at"), int | float) else -1.0
            return why if 0 <= age < KEPT_S else ""
        return ""

    def keep(self, engine: str, why: str) -> None:
        """Remember it; a folder that cannot be written costs the memory alone."""
        verdicts = self._read() | {_key(engine): {"why": why, "at": time.time()}}
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self._path, json.dumps(verdicts, indent=1).encode())

    def _read(self) -> dict[str, object]:
        with suppress(OSError, ValueError):
            read = json.loads(self._path.read_text("utf-8"))
            return read if isinstance(read, dict) else {}
        return {}


def _key(engine: str) -> str:
    return f"{engine} on {processor.name()}, {processor.cores()} cores"
