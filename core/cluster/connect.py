"""The way into a Ray cluster: what is wrong with it is said within seconds, and not by ending the process.

Ray itself tries a wrong token for 20 seconds, and an address where nobody is for 40, and then ends the
process that asked. So another process asks first, and what it complains of is read.
"""

import asyncio
import importlib.util
import json
import logging
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import core
from core.errors import Error
from core.installation import install_command

if TYPE_CHECKING:  # so that `check` can be asked before all that is loaded
    from core.cluster.placement import Cluster
    from core.runtime.slots import Slots
    from core.templates.library import Templates

PATIENCE_S = 30.0
"""Seconds to connect, if nothing is found to be wrong: a loaded machine takes some."""

REACH_S = 3.0
"""Seconds for the machine at the address to let us connect."""

_NOBODY = "nobody answers there; is the head node running, and is this its address?"

_COMPLAINTS = (
    (
        ("InvalidAuthToken",),
        "it does not take our token: RAY_AUTH_TOKEN (or the file RAY_AUTH_TOKEN_PATH, or ~/.ray/auth_token) "
        "must be the same on all its machines",
    ),
    (
        ("no authentication token was found",),
        "there is no token here: put the cluster's into RAY_AUTH_TOKEN, or the name of its file into "
        "RAY_AUTH_TOKEN_PATH; `ray get-auth-token --generate` makes one",
    ),
    (("Failed to connect to GCS", "could not find any running Ray instance"), _NOBODY),
    (
        ("Version mismatch",),
        "it runs another version of Ray or Python than this machine; they must be the same",
    ),
    (
        ("Can't find a", "does not have"),
        "this machine has not joined it; run here: ray start --address={address} --num-cpus=0",
    ),
)
"""What Ray says, any of these, and what it means."""


class NoCluster(Error):
    """The cluster cannot be used; the message says why, and what to do."""


def _prepare_environment() -> None:
    """What Ray reads from the environment: it tells nobody that it is used, and wants a token."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_AUTH_MODE", "token")  # who reaches a cluster runs code on it


@dataclass(frozen=True, slots=True)
class NodeFound:
    """What a process on a node found there. problem: why it cannot do jobs of this server; None if it can."""

    name: str
    lipstream: str
    python: str
    problem: str | None


async def check(address: str, *, nodes: bool = False) -> list[NodeFound]:
    """See whether the cluster at `address` lets us in, and with `nodes` what each of its nodes has.

    Raises NoCluster, in a few seconds.
    """
    _prepare_environment()
    if importlib.util.find_spec("ray") is None:
        raise NoCluster(f"a cluster needs Ray; get it with: {install_command('ray')}")
    await _reach(address)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "core.cluster.probe", address, *(["nodes"] if nodes else [])),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(PATIENCE_S):
            await _listen(process, address)
            return [_found(line) async for line in _lines(process) if line.startswith("{")] if nodes else []
    except TimeoutError:
        raise NoCluster(f"the cluster at {address} does not answer within {PATIENCE_S:.0f} s") from None
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _reach(address: str) -> None:
    """Raises NoCluster if nobody is there, which Ray takes five seconds to tell."""
    host, _, port = address.rpartition(":")
    try:
        async with asyncio.timeout(REACH_S):
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    except (OSError, UnicodeError):  # a name that no resolver takes is the latter
        raise NoCluster(f"the cluster at {address}: {_NOBODY}") from None
    writer.close()


async def _listen(process: asyncio.subprocess.Process, address: str) -> None:
    said = ""
    async for line in _lines(process):
        said += line
        if said.endswith("connected\n"):
            return
        for complaints, meaning in _COMPLAINTS:
            if any(words in said for words in complaints):
                raise NoCluster(f"the cluster at {address}: {meaning.format(address=address)}")
    raise NoCluster(f"the cluster at {address} cannot be used: {said.strip()[-500:]}")


async def _lines(process: asyncio.subprocess.Process) -> AsyncGenerator[str, None]:
    assert process.stdout is not None  # noqa: S101  # it is a pipe
    async for line in process.stdout:
        yield line.decode(errors="replace")


def _found(line: str) -> NodeFound:
    said: dict[str, str] = json.loads(line)
    problem, version = said.get("problem"), said.get("lipstream", "")
    if problem is None and not version:
        problem = f"Lipstream is not installed there; install {core.__version__} there, with the extra ray"
    elif problem is None and version != core.__version__:
        problem = f"it has Lipstream {version}, and this machine {core.__version__}; they must be the same"
    return NodeFound(said["name"], version, said.get("python", ""), problem)


@asynccontextmanager
async def open_cluster(
    address: str, templates: "Templates", slots: "Slots"
) -> AsyncGenerator["Cluster", None]:
    """The cluster at `address`, for as long as the block runs. `check` it first: where Ray is not let in it
    ends the process.

    slots: is kept at what its nodes can do.
    """
    _prepare_environment()
    import ray  # only now, as it reads the environment when it is loaded

    from core.cluster.placement import following

    joining = partial(
        ray.init,
        address=address,
        log_to_driver=False,
        configure_logging=False,
        logging_level=logging.WARNING,
    )
    await asyncio.to_thread(joining)
    try:
        async with following(templates, slots) as cluster:
            yield cluster
    finally:
        await asyncio.to_thread(ray.shutdown)  # what runs there for us ends
