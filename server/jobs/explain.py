"""What people are told of a job that failed."""

from core.errors import (
    BadInput,
    Error,
    NodeLost,
    OutOfMemory,
    OverQuota,
    SpeechFault,
    SpeechServerFailed,
    StageError,
    Stalled,
    StorageFull,
    UnreadableRecord,
)
from server.schemas.responses import JobError

STALLED = "stalled"


def explain(error: BaseException, stage: str | None) -> JobError:
    """What to tell people of a failure; only what was raised for them to read."""
    if isinstance(error, StageError):
        return explain(error.cause, error.stage)
    match error:
        case BadInput(code="unknown_template", message=message):  # gone since; of others nothing is said
            told = message.partition("; there are")[0]
            return JobError(code="unknown_template", message=told, param="template", stage=stage)
        case BadInput(code=code, message=message, param=param):
            return JobError(code=code, message=message, param=param, stage=stage)
        case StorageFull():
            return JobError(code="storage_full", message=str(error), stage=stage, retryable=True)
        case Stalled():
            return JobError(code=STALLED, message=str(error), stage=stage, retryable=True)
        case OutOfMemory():
            return JobError(code="out_of_memory", message=str(error), stage=stage, retryable=True)
        case OverQuota():
            return JobError(code="over_quota", message=str(error), stage=stage, retryable=True)
        case MemoryError():
            return JobError(
                code="out_of_memory", message="there was not enough memory", stage=stage, retryable=True
            )
        case NodeLost():
            return JobError(code="node_lost", message=str(error), stage=stage, retryable=True)
        case UnreadableRecord():
            return JobError(code="unreadable_record", message=str(error), stage=stage)
        case SpeechServerFailed(retryable=again):
            return JobError(code="speech_server", message=str(error), stage=stage, retryable=again)
        case SpeechFault():
            return JobError(code="speech_fault", message=str(error), stage=stage, retryable=True)
        case Error():
            return JobError(code="failed", message=str(error), stage=stage, retryable=True)
    kind = type(error).__name__
    return JobError(
        code="internal", message=f"{kind}; the server's log has more", stage=stage, retryable=True
    )
