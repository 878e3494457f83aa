"""The parent's side of a child process in which foreign media is opened (`core.sandbox`)."""

import asyncio
import json
import os
import signal
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from core.errors import BadInput, Error, OutOfMemory, StorageFull
from core.media.info import Limits
from core.runtime.environment import SOURCES, child_environment
from core.runtime.worker import Worker

# Libraries that take memory per processor would not fit the child's limit on a large machine.
_CHILD_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}


class Inflow:
    """A pipe from a child process, read on a thread of its own: a tenth of what the loop would need."""

    def __init__(self) -> None:
        ours, self.theirs = os.pipe()
        self._file = os.fdopen(ours, "rb", buffering=0)
        self._worker = Worker("decode")

    def given(self) -> None:
        """Say that the child has its end, or never will: nobody else may keep it open."""
        os.close(self.theirs)

    async def fill(self, *rooms: memoryview) -> bool:
        """Read until these bytes are full, one after the other; False where the pipe ends first."""
        return await self._worker.call(self._fill, *rooms)

    def _fill(self, *rooms: memoryview) -> bool:
        for whole in rooms:
            room = whole
            while room:
                read = self._file.readinto(room)
                if not read:
                    return False
                room = room[read:]
        return True

    async def close(self) -> None:
        """Let go of it. The child has ended: a thread that still reads sees the pipe's end."""
        await asyncio.to_thread(self._worker.close)
        self._file.close()


class Child:
    """One run of `core.sandbox`."""

    def __init__(self, process: asyncio.subprocess.Process, name: str) -> None:
        assert process.stdout is not None and process.stderr is not None  # noqa: S101, PT018  # asked for
        self._process, self._name = process, name
        self._out, self._err = process.stdout, process.stderr

    @classmethod
    async def start(cls, path: Path, limits: Limits, give: int | None = None, **order: Any) -> "Child":
        """give: an open file that it inherits, its order's `pipe`.

        Raises BadInput if there is nothing at `path` to look at.
        """
        check_source(path)
        order |= {"path": str(path.absolute()), "limits": asdict(limits), "pipe": give}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "core.sandbox",
            json.dumps(order),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            pass_fds=() if give is None else (give,),
            cwd=SOURCES,
            env=child_environment(**_CHILD_ENVIRONMENT),
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
        if code == -signal.SIGKILL:  # no file can do that: the machine ran short of memory
            return OutOfMemory(f"the process that decodes {self._name} was killed, as for want of memory")
        if code < 0:
            return BadInput("malformed_media", f"{self._name} broke the decoder (signal {-code})")
        return Error(f"the media process failed on {self._name}: {told.strip()[-2000:]}")


def check_source(path: Path) -> None:
    """Raises BadInput for what need not be opened to be refused."""
    try:
        if not (path.is_file() or path.is_dir()) and path.exists():  # to open a pipe waits for its writer
            raise BadInput(
                "missing_file", f"{path} is a pipe or a device; save what it gives as a file, and name that"
            )
        with path.open("rb") as file:
            first = file.read(1)
    except (OSError, ValueError) as error:
        raise BadInput(
            "missing_file", f"{path} cannot be read ({getattr(error, 'strerror', error)})"
        ) from error
    if not first:
        raise BadInput("empty_file", f"{path.name} is empty; the copy or upload may have failed")
