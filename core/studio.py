"""The engines this process has loaded, each on its own thread.

An engine is made when first asked for and serves every job until the studio closes.
"""

import asyncio
import re
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from core.engines import choose, load
from core.worker import Worker


@dataclass(frozen=True, slots=True)
class Staffed:
    """An engine (`core.engines.base` says which kind can do what) and the only thread that may enter it."""

    kind: str
    name: str
    engine: Any
    worker: Worker

    @property
    def key(self) -> str:
        """Name and version, as they stand in the names of caches."""
        return re.sub(r"[^\w.-]+", "-", f"{self.kind}-{self.name}-{self.engine.version}")


class Studio:
    """Engines and their workers; an async context manager that closes them together."""

    def __init__(self) -> None:
        self._staffed: dict[tuple[str, str], Staffed] = {}
        self._lock = asyncio.Lock()

    async def engine(self, kind: str, wanted: str = "auto") -> Staffed:
        """The engine `wanted` of `kind`, loaded if it was not yet.

        Raises EngineUnavailable or BadInput like `core.engines.choose`.
        """
        name = choose(kind, wanted)
        async with self._lock:
            found = self._staffed.get((kind, name))
            if found is None:
                worker = Worker(f"{kind}-{name}")
                try:
                    engine = await worker.call(load, kind, name)
                except BaseException:
                    await asyncio.to_thread(worker.close)
                    raise
                found = self._staffed[kind, name] = Staffed(kind, name, engine, worker)
        return found

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for staffed in self._staffed.values():
            await asyncio.to_thread(staffed.worker.close)
            close = getattr(staffed.engine, "close", None)
            if close is not None:
                await asyncio.to_thread(close)
        self._staffed.clear()
