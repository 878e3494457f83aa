"""Tell clients how jobs go: on a WebSocket for one job or many, or as server-sent events.

The rules are told in docs/protocol.md.
"""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import suppress

from aiohttp import WSCloseCode, WSMessage, WSMsgType, web
from pydantic import TypeAdapter, ValidationError

import core
from core.errors import Error, UnknownJob
from core.runtime.tasks import first_of
from server.access.caller import caller
from server.errors import Refused, invalid, refusal
from server.schemas.describe import describe_each, envelope
from server.schemas.events import (
    CancelJob,
    ClientMessage,
    Ping,
    Pong,
    Resync,
    SessionCreated,
    Snapshot,
    SocketError,
    Subscribe,
    Unsubscribe,
)
from server.schemas.requests import SURROGATE, Model
from server.schemas.responses import Job
from server.store.rows import JobRow
from server.store.store import Store
from server.stream.hub import Hub, Watcher
from server.stream.sockets import HEARTBEAT_S, ClientGone, Connections, messages, send

MESSAGE_LIMIT = 16 << 10
"""Bytes of one message from a client."""

PATIENCE = 10
"""Bad messages from one client before its socket is closed with 1008."""

FOLLOW_LIMIT = 1000
"""Jobs one socket may follow by name."""

Cancel = Callable[[str], Awaitable[object]]
Describe = Callable[[JobRow], Job]


class JobEvents:
    """The three ways to watch jobs. cancel: what a client's `job.cancel` does. describe: shows a job."""

    def __init__(
        self, store: Store, hub: Hub, connections: Connections, cancel: Cancel, describe: Describe
    ) -> None:
        self.store = store
        self.hub = hub
        self.connections = connections
        self.cancel = cancel
        self.describe = describe
        self.messages: TypeAdapter[Subscribe | Unsubscribe | CancelJob | Ping] = TypeAdapter(ClientMessage)

    async def one_job(self, request: web.Request, job_id: str, after: int) -> web.WebSocketResponse:
        """A socket that follows a job to its end and is then closed with 1000."""
        # What cannot be shown is refused while there is a status to do it with.
        self.describe(await self.store.get(job_id))
        return await self._converse(request, (job_id, after))

    async def many_jobs(self, request: web.Request) -> web.WebSocketResponse:
        """A socket that follows whatever it is asked to."""
        return await self._converse(request, None)

    async def server_sent(self, request: web.Request, job_id: str, after: int) -> web.StreamResponse:
        """Server-sent events of a job, to its end; 204, which ends the asking, for one who knows all."""
        job = await self.store.get(job_id)
        if job.closed and after == job.last_seq:
            return web.Response(status=204)
        shown = self.describe(job)
        response = web.StreamResponse(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        response.content_type = "text/event-stream"
        response.charset = "utf-8"
        async with self.connections.response(request):
            await response.prepare(request)
            with suppress(ClientGone):
                async for text in self._sent(job, shown, after):
                    await send(request, response.write(text.encode()))
        return response

    async def _sent(self, job: JobRow, shown: Job, after: int) -> AsyncGenerator[str, None]:
        if after > job.last_seq:
            yield f"event: resync\ndata: {resync(job, after)}\n\n"
            after = 0
        yield f"event: job.snapshot\ndata: {snapshot(shown)}\n\n"
        with self.hub.watcher(self.store) as watcher:
            watcher.follow(job.id, after)
            while watcher.jobs:
                try:
                    async with asyncio.timeout(HEARTBEAT_S):
                        events = await watcher.next()
                except TimeoutError:
                    yield ": heartbeat\n\n"
                    continue
                for event in events:
                    yield f"id: {event.seq}\nevent: {event.type}\ndata: {envelope(event)}\n\n"

    async def _converse(self, request: web.Request, one: tuple[str, int] | None) -> web.WebSocketResponse:
        with suppress(ClientGone):
            async with self.connections.socket(request, max_bytes=MESSAGE_LIMIT) as ws:
                with self.hub.watcher(self.store) as watcher:
                    conversation = _Conversation(self, request, ws, watcher)
                    await conversation.run(one)
        return ws


class _Conversation:
    """One socket: a task listens while another speaks."""

    def __init__(
        self, jobs: JobEvents, request: web.Request, ws: web.WebSocketResponse, watcher: Watcher
    ) -> None:
        self._jobs = jobs
        self._request = request
        self._ws = ws
        self._watcher = watcher
        # Held while a subscription is answered: no event of a job goes out before its snapshot.
        self._speaking = asyncio.Lock()
        self._known: set[str] = set()

    async def run(self, one: tuple[str, int] | None) -> None:
        """Talk until the client leaves; of one job, until its end."""
        if one is None:
            session = SessionCreated(server=core.__version__, heartbeat_s=HEARTBEAT_S)
            await self._send(beside("session.created", session))
        else:
            await self._follow([one[0]], {one[0]: one[1]})
        await first_of(self._listen(), self._tell(until_end=one is not None))
        # Not before nobody listens any more: a close waits for the client's own.
        await self._ws.close(code=WSCloseCode.OK, message=b"job over")

    async def _tell(self, *, until_end: bool) -> None:
        while self._watcher.jobs or not until_end:
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    await self._watcher.wait()
            except TimeoutError:
                await self._send(beside("heartbeat"))
                continue
            async with self._speaking:
                # Taken now, not before: what is taken and not said yet would come after a snapshot with it.
                events = await self._watcher.take()
                if events and not await self._sees(events[0].job_id):
                    continue
                for event in events:
                    await send(self._request, self._ws.send_str(envelope(event)))
                    if event.last:
                        self._known.discard(event.job_id)

    async def _sees(self, job_id: str) -> bool:
        """Whether the client may know of the job; one that follows all is never told of another's again."""
        asking = caller.get()
        if asking.only is None:
            return True
        if job_id not in self._known:
            with suppress(UnknownJob):
                if asking.sees_job(await self._jobs.store.get(job_id)):
                    self._known.add(job_id)
        if job_id not in self._known:
            self._watcher.pass_over(job_id)
        return job_id in self._known

    async def _listen(self) -> None:
        bad = 0
        async for message in messages(self._ws):
            bad += not await self._obey(message)
            if bad >= PATIENCE:
                await self._ws.close(code=WSCloseCode.POLICY_VIOLATION, message=b"too many bad messages")
                return

    async def _obey(self, message: WSMessage) -> bool:
        """Do what the client says, or say why not; whether anything of it could be done."""
        if message.type is not WSMsgType.TEXT:
            return await self._refuse("bad_message", "messages are JSON text", None)
        try:
            asked = self._jobs.messages.validate_json(message.data)
        except ValidationError as error:
            return await self._refuse("bad_message", invalid(error).message, ref_of(message.data))
        try:
            return await self._do(asked)
        except Error as error:
            refused = refusal(error)
            return await self._refuse(refused.code, refused.message, asked.ref)

    async def _refuse(self, code: str, message: str, ref: str | None, job_id: str | None = None) -> bool:
        """Tell what is wrong; False."""
        await self._send(beside("error", SocketError(code=code, message=message, ref=ref), job_id))
        return False

    async def _do(self, asked: Subscribe | Unsubscribe | CancelJob | Ping) -> bool:
        match asked:
            case Subscribe(job_ids="*"):
                await self._follow_all()
            case Subscribe(job_ids=ids, after=after, ref=ref):
                known = after if isinstance(after, dict) else dict.fromkeys(ids, after or 0)
                return await self._follow(ids, known, ref)
            case Unsubscribe(job_ids="*"):
                self._watcher.leave_all()
            case Unsubscribe(job_ids=ids):
                for job_id in ids:
                    self._watcher.leave(job_id)
            case CancelJob(job_id=job_id):
                caller.get().require("make")
                await self._seen(job_id)
                await self._jobs.cancel(job_id)
            case Ping(ref=ref):
                await self._send(beside("pong", Pong(ref=ref)))
        return True

    async def _follow(self, ids: Sequence[str], after: dict[str, int], ref: str | None = None) -> bool:
        """Follow each of `ids`, or say why not: one that cannot be followed keeps no other from it.

        Whether there is any that can.
        """
        followed = False
        async with self._speaking:
            for job_id in dict.fromkeys(ids):
                try:
                    await self._follow_one(job_id, after.get(job_id, 0))
                    followed = True
                except Error as error:
                    refused = refusal(error)
                    await self._refuse(refused.code, refused.message, ref, job_id)
        return followed

    async def _follow_one(self, job_id: str, known: int) -> None:
        if job_id not in self._watcher.jobs and len(self._watcher.jobs) >= FOLLOW_LIMIT:
            raise Refused(429, "too_many_subscriptions", f"one socket follows {FOLLOW_LIMIT} jobs at most")
        job = await self._seen(job_id)
        if known > job.last_seq:
            await self._send(resync(job, known))
            known = 0
        await self._send(snapshot(self._jobs.describe(job)))
        if not job.closed or known < job.last_seq:
            self._watcher.follow(job_id, known)

    async def _seen(self, job_id: str) -> JobRow:
        """The job, if there is one that the client may see. Raises UnknownJob."""
        job = await self._jobs.store.get(job_id)
        if not caller.get().sees_job(job):
            raise UnknownJob(f"there is no job {job_id!r}")
        self._known.add(job_id)
        return job

    async def _follow_all(self) -> None:
        store = self._jobs.store
        async with self._speaking:
            followed = set(self._watcher.jobs)
            # First this, then the list: a job that comes in between is in both, never in neither.
            self._watcher.follow_all()
            for status in ("queued", "in_progress"):
                rows = await store.list(status=status, limit=FOLLOW_LIMIT, owner=caller.get().only)
                for job in describe_each(rows, self._jobs.describe):
                    await self._send(snapshot(job))
                    if job.id not in followed:  # what is, is told from where it is
                        self._watcher.follow(job.id, job.last_seq)

    async def _send(self, text: str) -> None:
        await send(self._request, self._ws.send_str(text))


def beside(type: str, data: Model | None = None, job_id: str | None = None) -> str:
    """A message that is not in the log."""
    return (
        f'{{"type":"{type}","seq":0,"ts":{time.time():.3f},"job_id":{json.dumps(job_id)},'
        f'"data":{data.model_dump_json() if data else "{}"}}}'
    )


def snapshot(job: Job) -> str:
    """The job as it is, for one who begins to watch."""
    return beside("job.snapshot", Snapshot(job=job, last_seq=job.last_seq), job.id)


def resync(job: JobRow, known: int) -> str:
    """For one who knows more than the log: power failed and took its end, or the data folder is another."""
    return beside("resync", Resync(after=known, last_seq=job.last_seq), job.id)


def ref_of(text: str) -> str | None:
    """The `ref` of a message that is otherwise wrong, if it can be made out."""
    try:
        ref = json.loads(text).get("ref")
    except (ValueError, AttributeError, RecursionError):
        return None
    return ref if isinstance(ref, str) and len(ref) <= 128 and not SURROGATE.search(ref) else None
