"""The way into a Ray cluster: what is wrong with it is said within seconds, and not by ending the process.

Ray itself tries a wrong token for 20 seconds, and an address where nobody is for 40, and then ends the
process that asked. So another process asks first, and what it complains of is read.
"""

import asyncio
import logging
import os
import sys
from contextlib import suppress

from core.errors import Error
from core.installation import install_command

PATIENCE_S = 30.0
"""Seconds to connect, if nothing is found to be wrong: a loaded machine takes some."""

UNHEARD_S = 4.0
"""Seconds for an address to answer at all."""

_COMPLAINTS = {
    "InvalidAuthToken": "it does not take our token: RAY_AUTH_TOKEN (or the file RAY_AUTH_TOKEN_PATH, or "
    "~/.ray/auth_token) must be the same on all its machines",
    "no authentication token was found": "there is no token here: put the cluster's into RAY_AUTH_TOKEN, or "
    "the name of its file into RAY_AUTH_TOKEN_PATH; `ray get-auth-token --generate` makes one",
    "Failed to connect to GCS": "nobody answers there; is the head node running, and is this its address?",
    "Version mismatch": "it runs another version of Ray or Python than this machine; they must be the same",
    "Can't find a": "this machine has not joined it; run here: ray start --address={address} --num-cpus=0",
    "could not find any running Ray instance": "nobody answers there; is the head node running?",
    "does not have": "this machine has not joined it; run here: ray start --address={address} --num-cpus=0",
}
"""What Ray says, and what it means."""


class NoCluster(Error):
    """The cluster cannot be used; the message says why, and what to do."""


def prepare_environment() -> None:
    """What Ray reads from the environment: it tells nobody that it is used, and wants a token."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_AUTH_MODE", "token")  # who reaches a cluster runs code on it


async def check(address: str) -> None:
    """See whether the cluster at `address` lets us in. Raises NoCluster, in a few seconds."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "core.cluster.probe", address),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(PATIENCE_S):
            await _listen(process, address)
    except TimeoutError:
        raise NoCluster(f"the cluster at {address} does not answer within {PATIENCE_S:.0f} s") from None
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _listen(process: asyncio.subprocess.Process, address: str) -> None:
    assert process.stdout is not None  # noqa: S101  # it is a pipe
    said = ""
    async for line in process.stdout:
        said += line.decode(errors="replace")
        if said.endswith("connected\n"):
            return
        for words, meaning in _COMPLAINTS.items():
            if words in said:
                raise NoCluster(f"the cluster at {address}: {meaning.format(address=address)}")
    raise NoCluster(f"the cluster at {address} cannot be used: {said.strip()[-500:]}")


async def connect(address: str) -> None:
    """Become a member of the cluster at `address`, as this process. Raises NoCluster."""
    prepare_environment()  # which Ray reads when it is loaded
    try:
        import ray  # brings half a second, and is there only with the extra
    except ImportError:
        raise NoCluster(f"a cluster needs Ray; get it with: {install_command('ray')}") from None
    await check(address)
    await asyncio.to_thread(
        ray.init,
        address=address,
        log_to_driver=False,
        configure_logging=False,
        logging_level=logging.WARNING,
    )


async def disconnect() -> None:
    """Leave it: what runs there for us ends."""
    import ray

    await asyncio.to_thread(ray.shutdown)
