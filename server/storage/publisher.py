"""Upload what jobs made to the object storage, after they are completed, until it is there.

A job is on the record's list of uploads from the commit that completes it, so a restart goes on where the
last server stopped. An attempt that failed for a reason that may pass is made again, later and later, for up
to RETRY_FOR_S; one that only people can mend ends the upload. The files stay on this disk either way. What
somebody deletes here is deleted there too: noted in the commit that forgets the job, tried until it is gone.
"""

import asyncio
import logging
import random
import sqlite3
import threading
import time
from contextlib import suppress
from functools import partial

from core.errors import Error, StorageError, UnknownJob
from core.runtime.tasks import in_daemon_thread
from server.folder import ServerFolder
from server.schemas.describe import Published, describe_outputs
from server.schemas.events import Published as PublishedEvent
from server.schemas.events import UploadFailed, Uploading
from server.schemas.requests import Model
from server.schemas.responses import JobError
from server.storage.local import Storage
from server.store.rows import JobRow, key_of
from server.store.store import Store

log = logging.getLogger(__name__)

AT_ONCE = 2
"""Jobs whose files are uploaded at the same time."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
"""Seconds between attempts: twice as many after each, and by chance up to a half less, so that what failed
together does not come back together."""

RETRY_FOR_S = 3600.0
"""Seconds after which no further attempt is made; counted anew after a restart."""

TELL_S = 1.0
"""Seconds between two events about how much is uploaded."""

RECORD_S = 3.0
"""Seconds until another attempt to record something."""


class Publisher:
    """Uploads to one storage. `start`, then `stop` once."""

    def __init__(self, store: Store, storage: Storage, folder: ServerFolder, published: Published) -> None:
        """published: tells the addresses that go into `job.published`."""
        self._store = store
        self._storage = storage
        self._folder = folder
        self._published = published
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = threading.Event()
        self._discarded = asyncio.Event()

    async def start(self) -> None:
        """Go on with what an earlier server left."""
        self._keep(asyncio.create_task(self._tidy(), name="tidy the storage"))
        for job_id in await self._store.publications.waiting():
            self.publish(job_id)

    def publish(self, job_id: str) -> None:
        """Upload the files of a job that the record has on its list."""
        self._keep(asyncio.create_task(self._see_to(job_id), name=f"upload {job_id}"))

    def tidy(self) -> None:
        """Delete what the record says is to be deleted in the storage: a job was."""
        self._discarded.set()

    def _keep(self, task: "asyncio.Task[None]") -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Break uploads off; the next start goes on with them."""
        self._stopping.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _see_to(self, job_id: str) -> None:
        """Bring one upload to its end, and that on record, however long that takes."""
        while True:
            try:
                return await self._try_for_long(await self._store.get(job_id))
            except UnknownJob:
                return
            except (Error, sqlite3.Error):
                log.exception("the upload of job %s could not be recorded", job_id)
            await asyncio.sleep(RECORD_S)

    async def _try_for_long(self, job: JobRow) -> None:
        began, attempt = time.monotonic(), job.publication.attempts if job.publication else 0
        pause = FIRST_PAUSE_S
        while True:
            attempt += 1
            try:
                async with self._slots:
                    await self._attempt(job, attempt)
                break
            except Exception as error:  # whatever the SDK makes of an odd answer, too
                why = explain(error)
                if why.code == "internal":
                    log.exception("the upload of job %s failed", job.id)
            wait = pause * random.uniform(0.5, 1)  # noqa: S311  # no secret, only spread
            more = why.retryable and time.monotonic() - began + wait < RETRY_FOR_S
            event = UploadFailed(error=why, attempt=attempt, retry_in_s=round(wait, 3) if more else None)
            log.warning("upload %d of job %s failed: %s", attempt, job.id, why.message)
            if not more:
                return await give_up(self._store, job.id, event)
            await self._log(job.id, "job.upload_failed", event, attempt)
            await asyncio.sleep(wait)
            pause = min(LONGEST_PAUSE_S, 2 * pause)
        await self._done(job)

    async def _attempt(self, job: JobRow, attempt: int) -> None:
        """Put every file. Raises StorageError, OSError if one is not here any more."""
        total, before = sum(output.bytes for output in job.outputs), 0
        progress = UploadProgress(self._stopping)
        telling = asyncio.create_task(self._tell(job.id, attempt, progress, total))
        try:
            for output in job.outputs:
                file, key = self._folder.root / output.path, key_of(job.id, output)
                progress.before = before
                await in_daemon_thread(partial(self._storage.put, file, key, output.type, progress.note))
                before += output.bytes
        finally:
            progress.left.set()
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)

    async def _tell(self, job_id: str, attempt: int, progress: "UploadProgress", total: int) -> None:
        told = -1
        while True:
            if progress.done != told:
                told = progress.done
                event = Uploading(attempt=attempt, done_bytes=min(told, total), total_bytes=total)
                await self._log(job_id, "job.uploading", event, attempt)
            await asyncio.sleep(TELL_S)

    async def _log(self, job_id: str, type: str, event: Model, attempt: int) -> None:
        # What happens on the way may be lost for want of room; how it ends may not.
        with suppress(Error, sqlite3.Error):
            data = event.model_dump_json(exclude_none=True)
            await self._store.publications.log(job_id, type, data, attempt)

    async def _tidy(self) -> None:
        """Delete files of deleted jobs, now and whenever there are more, for ever."""
        hopeless: set[str] = set()  # until the next start, when people may have mended it
        pause = FIRST_PAUSE_S
        while True:
            self._discarded.clear()
            if await self._delete_discarded(hopeless):
                pause = FIRST_PAUSE_S
                await self._discarded.wait()
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._discarded.wait()
            pause = min(LONGEST_PAUSE_S, 2 * pause)

    async def _delete_discarded(self, hopeless: set[str]) -> bool:
        """Try each once; whether all that can be done is done."""
        done = True
        try:
            for key in await self._store.publications.discarded(self._storage.place):
                if key in hopeless:
                    continue
                try:
                    async with self._slots:
                        await in_daemon_thread(partial(self._storage.delete, key))
                    await self._store.publications.forget(key)
                except StorageError as error:
                    log.warning("%s is still in the storage: %s", key, error)
                    done = done and not error.retryable
                    if not error.retryable:
                        hopeless.add(key)
        except Exception:  # the record's, or whatever the SDK makes of an odd answer
            log.exception("the storage could not be tidied")
            return False
        return done

    async def _done(self, job: JobRow) -> None:
        place = self._storage.place
        event = PublishedEvent(outputs=describe_outputs(job, self._published, place=place))
        await self._store.publications.end(
            job.id, "published", "job.published", event.model_dump_json(), place=place
        )


async def give_up(store: Store, job_id: str, event: UploadFailed) -> None:
    """End an upload without success."""
    await store.publications.end(
        job_id,
        "failed",
        "job.upload_failed",
        event.model_dump_json(exclude_none=True),
        error=event.error.model_dump_json(),
    )


async def abandon(store: Store) -> None:
    """End what an earlier server was to upload: there is no object storage any more."""
    for job_id in await store.publications.waiting():
        why = JobError(
            code="no_storage", message="the settings name no object storage any more", stage="upload"
        )
        await give_up(store, job_id, UploadFailed(error=why, attempt=0))


class UploadProgress:
    """How much of a job's files is uploaded, as the uploading thread sees it. left: nobody waits any more."""

    def __init__(self, stopping: threading.Event) -> None:
        self.before = 0
        self.done = 0
        self.left = threading.Event()
        self._stopping = stopping

    def note(self, done: int) -> None:
        """Called by the storage. Raises to end an upload that nobody waits for."""
        if self.left.is_set() or self._stopping.is_set():
            raise StorageError("broken_off", "the upload was broken off", retryable=True)
        self.done = self.before + done


def explain(error: Exception) -> JobError:
    """What to tell people."""
    match error:
        case StorageError(code=code, retryable=retryable):
            return JobError(code=code, message=str(error), stage="upload", retryable=retryable)
        case OSError():
            words = f"a file of the job cannot be read: {error.strerror}"
            missing = isinstance(error, FileNotFoundError)
            return JobError(code="file_unreadable", message=words, stage="upload", retryable=not missing)
    words = f"{type(error).__name__}; the server's log has more"
    return JobError(code="internal", message=words, stage="upload", retryable=True)
