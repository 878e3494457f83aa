"""Turn rows of the record into what the API shows."""

import logging
from collections.abc import Callable, Iterable
from typing import cast, get_args
from urllib.parse import urlsplit, urlunsplit

from core.errors import UnreadableRecord
from server.schemas.events import JobProgress, Started
from server.schemas.requests import EnhancementRequest, Kind, LipsyncRequest, StageState, Status, VideoRequest
from server.schemas.responses import (
    Batch,
    BatchResult,
    Job,
    JobError,
    Metrics,
    Output,
    OutputKind,
    Publication,
    PublicationState,
    RowStatus,
    StageProgress,
)
from server.schemas.specs import EnhancementSpec, JobSpec, VideoSpec, not_before_of, read_record, read_spec
from server.store.batches import BatchRow, RowRow
from server.store.rows import Event, JobRow, OutputRow, PublicationRow

log = logging.getLogger(__name__)

Published = Callable[[str, str, OutputRow], str | None]
"""The address of a published file, by the storage's name and the job's id; None if that is not ours now."""


def describe_each(rows: Iterable[JobRow], described: Callable[[JobRow], Job]) -> list[Job]:
    """The jobs as the API shows them; one that cannot be read is left out, and logged."""
    jobs = []
    for row in rows:
        try:
            jobs.append(described(row))
        except UnreadableRecord as error:
            log.warning("job left out: %s", error)
    return jobs


def describe(row: JobRow, *, full: bool = True, published: Published | None = None, prefix: str = "") -> Job:
    """The job as the API shows it. full: with the request it came from. published: knows files' addresses.
    prefix: what goes before those of our own.

    Raises UnreadableRecord.
    """
    try:
        return _describe(row, full, published, prefix)
    except (UnreadableRecord, ValueError, KeyError, TypeError) as error:
        why = str(error).partition("\n")[0]
        raise UnreadableRecord(
            f"the record of job {row.id} is damaged, or of another version of the server: {why};"
            " DELETE removes it"
        ) from error


def _describe(row: JobRow, full: bool, published: Published | None, prefix: str) -> Job:
    spec = read_spec(row.object, row.request)
    progress = read_record(JobProgress, row.progress) if row.progress else None
    done = row.status == "completed"
    return Job(
        id=row.id,
        object=cast(Kind, row.object),  # the record's words are ours
        status=cast(Status, row.status),
        title=spec.title,
        template=spec.template,
        created_at=round(row.created, 3),
        not_before=not_before_of(spec),
        started_at=row.started and round(row.started, 3),
        finished_at=row.finished and round(row.finished, 3),
        attempt=row.attempt,
        progress=1.0 if done else progress.overall if progress else 0.0,
        stages=_stages(row, progress),
        engines=read_record(Started, row.began).engines if row.began else {},
        outputs=describe_outputs(row, published, prefix=prefix),
        error=read_record(JobError, row.error) if row.error else None,
        metrics=read_record(Metrics, row.metrics) if row.metrics else None,
        publication=_publication(row.publication) if row.publication else None,
        last_seq=row.last_seq,
        request=_request(spec) if full else None,
    )


def _request(spec: JobSpec) -> VideoRequest | LipsyncRequest | EnhancementRequest | None:
    """What was asked for, of a job whose request the API shows; without what may open doors in URLs."""
    if isinstance(spec, VideoSpec):
        return _without_secrets(spec.video)
    return _without_secrets(spec.enhancement) if isinstance(spec, EnhancementSpec) else None


def _without_secrets(
    request: VideoRequest | LipsyncRequest | EnhancementRequest,
) -> VideoRequest | LipsyncRequest | EnhancementRequest:
    """URLs without query and password: a signature there is the sender's, and the record is shown to all."""
    urls = {name: url for name, url in request if name.endswith("_url") and url is not None}
    return request.model_copy(update={name: _plain(url) for name, url in urls.items()})


def _plain(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:  # no URL, so nobody can say what of it is secret
        return ""
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def describe_outputs(
    row: JobRow, published: Published | None = None, place: str | None = None, prefix: str = ""
) -> list[Output]:
    """The job's files, at their published addresses if they have any. place: overrules the record's."""
    if place is None and row.publication is not None and row.publication.state == "published":
        place = row.publication.place
    outputs = []
    for output in row.outputs:
        url = published(place, row.id, output) if published is not None and place is not None else None
        outputs.append(describe_output(row.id, output, url, prefix))
    return outputs


def _publication(row: PublicationRow) -> Publication:
    error = read_record(JobError, row.error) if row.error else None
    state = cast(PublicationState, row.state)
    return Publication(state=state, attempts=row.attempts, error=error)


def _stages(row: JobRow, progress: JobProgress | None) -> dict[str, StageProgress]:
    """The stages; the upload is one too, for a job that has it."""
    stages = dict(progress.stages) if progress else {}
    if row.publication is not None:
        total = stages["encode"].total if "encode" in stages else None
        published = row.publication.state == "published"
        states: dict[str, StageState] = {
            "uploading": "running",
            "published": "finished",
            "failed": "error",
        }
        stages["upload"] = StageProgress(
            state=states[row.publication.state],
            done=(total or 0) if published else 0,
            total=total,
        )
    return stages


def describe_output(job_id: str, row: OutputRow, url: str | None = None, prefix: str = "") -> Output:
    """The file as the API shows it. url: another address than this server's own, which has `prefix`."""
    return Output(
        name=row.name,
        kind=cast(OutputKind, row.kind),
        type=row.type,
        url=url or f"{prefix}/v1/jobs/{job_id}/outputs/{row.name}",
        bytes=row.bytes,
        sha256=row.sha256,
    )


def describe_batch(row: BatchRow, prefix: str = "") -> Batch:
    """The batch as the API shows it."""
    counts = {status: row.counts.get(status, 0) for status in get_args(RowStatus)}
    return Batch(
        id=row.id,
        status="in_progress" if counts["queued"] or counts["in_progress"] else "ended",
        created_at=round(row.created, 3),
        total=sum(counts.values()),
        counts=counts,
        results=f"{prefix}/v1/batches/{row.id}/results",
    )


def describe_row(row: RowRow, described: Callable[[JobRow], Job]) -> BatchResult:
    """The row of a batch as the API shows it."""
    error = read_record(JobError, row.error) if row.error else None
    told = BatchResult(
        row=row.number, id=row.name, status="failed" if error is not None else "forgotten", error=error
    )
    if row.job is None:
        return told
    status = cast(RowStatus, row.job.status)
    try:
        job = described(row.job)
    except UnreadableRecord as why:
        error = JobError(code="unreadable_record", message=str(why))
        return told.model_copy(update={"status": status, "error": error})
    return told.model_copy(update={"status": status, "error": job.error, "job": job})


def envelope(event: Event) -> str:
    """The event as it goes to clients; its data are not read on the way."""
    return (
        f'{{"type":"{event.type}","seq":{event.seq},"ts":{event.ts:.3f},'
        f'"job_id":"{event.job_id}","data":{event.data}}}'
    )
