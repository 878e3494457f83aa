"""Turn rows of the record into what the API shows."""

from server.store_rows import Event, JobRow, OutputRow
from server.wire import Job, JobError, Metrics, Order, Output
from server.wire_events import Progress, Started


def describe(row: JobRow, *, full: bool = True) -> Job:
    """The job as the API shows it. full: with the request it came from."""
    order = Order.model_validate_json(row.request)
    progress = Progress.model_validate_json(row.progress) if row.progress else None
    done = row.status == "completed"
    return Job(
        id=row.id,
        object=row.object,  # type: ignore[arg-type]  # written by us, checked by the model
        status=row.status,  # type: ignore[arg-type]
        title=order.title,
        template=order.template,
        created_at=round(row.created, 3),
        started_at=row.started and round(row.started, 3),
        finished_at=row.finished and round(row.finished, 3),
        attempt=row.attempt,
        progress=1.0 if done else progress.overall if progress else 0.0,
        stages=progress.stages if progress else {},
        engines=Started.model_validate_json(row.began).engines if row.began else {},
        outputs=[describe_output(row.id, output) for output in row.outputs],
        error=JobError.model_validate_json(row.error) if row.error else None,
        metrics=Metrics.model_validate_json(row.metrics) if row.metrics else None,
        last_seq=row.last_seq,
        request=order.video if full else None,
    )


def describe_output(job_id: str, row: OutputRow) -> Output:
    """The file as the API shows it."""
    return Output(
        name=row.name,
        kind=row.kind,  # type: ignore[arg-type]
        type=row.type,
        url=f"/v1/jobs/{job_id}/outputs/{row.name}",
        bytes=row.bytes,
        sha256=row.sha256,
    )


def envelope(event: Event) -> str:
    """The event as it goes to clients; its data are not read on the way."""
    return (
        f'{{"type":"{event.type}","seq":{event.seq},"ts":{event.ts:.3f},'
        f'"job_id":"{event.job_id}","data":{event.data}}}'
    )
