"""Build the application and serve it until told to stop.

Nothing heavy is imported before `build` is called: a command line may import this to show its help.
"""

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.http import HttpProcessingError
from aiohttp.typedefs import Handler

from core.errors import BadInput
from core.runtime.memory import keep_little

if TYPE_CHECKING:
    from server.access.keys import Keys
    from server.settings import ServerSettings

log = logging.getLogger(__name__)

GRACE_S = 3.0
"""Seconds that open requests get to end when the server stops."""

LAST_S = 8.5
"""Seconds after which a process that was told to stop ends in any case: an engine's thread may hang, and
Docker kills after 10 s. What runs is back in line and on record long before."""


def build(settings: "ServerSettings") -> web.Application:
    """The application; it opens its folder and loads its engines when it starts."""
    from server.api.entrance import placed
    from server.api.gate import gate, tell_quota
    from server.api.guard import guard, hardener
    from server.api.slash import lenient_slash
    from server.errors import problems
    from server.routes import PUBLIC, ROUTES, add_routes
    from server.state import STATE, open_state
    from server.uploads import JSON_LIMIT

    async def state(app: web.Application) -> AsyncGenerator[None, None]:
        async with open_state(settings) as opened:
            app[STATE] = opened
            yield

    async def stop(app: web.Application) -> None:
        await app[STATE].stop()

    @web.middleware
    async def measured(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await request.app[STATE].figures.requests.measure(request, handler)

    check = guard(settings.known_hosts, settings.trusted_origins)
    app = web.Application(
        middlewares=[measured, problems, check, gate(ROUTES, PUBLIC), lenient_slash],
        client_max_size=JSON_LIMIT,
    )
    app.on_response_prepare.append(hardener(settings.trusted_origins))
    app.on_response_prepare.append(tell_quota)
    app.on_response_prepare.append(placed)
    app.cleanup_ctx.append(state)
    app.on_shutdown.append(stop)
    add_routes(app, settings.only)
    return app


async def serve(
    settings: "ServerSettings",
    ready: Callable[[str], None] | None = None,
    stopping: Callable[[], None] | None = None,
) -> bool:
    """Serve until SIGTERM or SIGINT; then stop in good order. Whether it is to start anew.

    ready: called with the server's address once it listens. stopping: called when it is told to stop.
    Raises FolderInUse if another server has the data folder, BadInput if it cannot listen there, Error for
    whatever else it cannot start with.
    """
    if settings.on_cluster:
        from core.cluster.connect import check

        await check(settings.cluster)  # before all that takes long
    from server.api.entrance import Runner
    from server.logs import RequestLog
    from server.state import STATE

    logging.getLogger("aiohttp.server").addFilter(_is_ours)
    app = build(settings)
    # A handler is cancelled when its client leaves: what it does is for that client.
    runner = Runner(
        app,
        access_log=log,
        access_log_class=RequestLog,
        handler_cancellation=True,
        shutdown_timeout=GRACE_S,
        keepalive_timeout=75,
    )
    await runner.setup()
    # What was imported stays for good. Looked through again at every full collection, it would stop
    # everything for some 70 ms.
    gc.collect()
    gc.freeze()
    try:
        await _listen(runner, settings, app[STATE].keys)
        if ready is not None:
            ready(site_address(runner))
        await _told_to_stop()
        if stopping is not None:
            stopping()
        # First this, while it still listens: whoever asks is told that it stops, and where jobs are.
        await app[STATE].stop()
        return app[STATE].restart
    finally:
        await runner.cleanup()


def _is_ours(record: logging.LogRecord) -> bool:
    """Whether a record is more than that somebody sent what is no HTTP, and was told so with 400."""
    return not (
        record.exc_info and isinstance(record.exc_info[1], HttpProcessingError | web.RequestPayloadError)
    )


async def _listen(runner: web.AppRunner, settings: "ServerSettings", keys: "Keys") -> None:
    try:
        if not (settings.no_key or keys.asked or await _is_here(settings.host)):
            raise BadInput(
                "key_needed",
                f"others than this machine reach {settings.host}, and no key is asked for: make one with "
                "`lipstream keys add NAME`, or say --no-key to let everybody do everything",
                "host",
            )
        await web.TCPSite(runner, settings.host, settings.port).start()
    except OSError as error:
        why = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
        raise BadInput(
            "cannot_listen",
            f"cannot listen on {settings.host}:{settings.port} ({why}); choose another --host or --port",
            "port",
        ) from error


async def _is_here(host: str) -> bool:
    """Whether only this machine reaches what listens there. Raises OSError for no address."""
    if not host:  # every address there is
        return False
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return all(ip_address(str(address[0]).partition("%")[0]).is_loopback for *_, address in found)


def site_address(runner: web.AppRunner) -> str:
    """Where the server listens, as a URL."""
    host, port, *_ = runner.addresses[0]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def _told_to_stop() -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    try:
        await told.wait()
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def run(settings: "ServerSettings", ready: Callable[[str], None] | None = None) -> bool:
    """`serve` on the fastest loop there is here. Blocks. The process is the server's: once told to stop, it
    ends within LAST_S, hung threads or not; what it writes is for its own account alone."""
    os.umask(0o077)
    keep_little()
    if sys.platform == "win32":
        return asyncio.run(serve(settings, ready, _end_at_last))
    import resource

    import uvloop

    # The usual soft limit is 1024 for the sake of select(), which nothing here uses: sockets want more.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with suppress(ValueError, OSError):  # macOS has a limit of its own besides
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    return uvloop.run(serve(settings, ready, _end_at_last))


def _end_at_last() -> None:
    """See to it that this process ends; a daemon thread, which holds up no ordinary end."""
    last = threading.Timer(LAST_S, _end_now)
    last.daemon = True
    last.start()


def _end_now() -> None:
    log.warning("something hangs; the process ends without it")
    for children in Path("/proc/self/task").glob("*/children"):  # Linux; elsewhere they see our end of a pipe
        for child in children.read_text().split():
            with suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)
    os._exit(0)
