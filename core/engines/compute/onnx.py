"""onnxruntime: networks on a bounded number of threads, and what it sees of this machine kept to it."""

import os
from pathlib import Path
from typing import Any, Protocol, cast

from core.errors import DamagedFile


class Session(Protocol):
    """What is used of an `onnxruntime.InferenceSession`."""

    def run(self, outputs: None, inputs: dict[str, Any]) -> list[Any]:
        """All outputs, in the order of the file."""
        ...


def without_telemetry() -> None:
    """To be called before onnxruntime is imported.

    Recent builds of it report to their makers from everywhere, under an identifier that they write into the
    home folder. Whoever wants that sets ORT_DISABLE_TELEMETRY to 0.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def session(model: bytes | Path, threads: int) -> Session:
    """`model` ready to run on `threads` threads, which sleep while they wait: others need the cores.

    Raises DamagedFile for what is no network.
    """
    without_telemetry()
    import onnxruntime  # 30 ms and 80 MB, for those who use it

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        made = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has a class of error for each of its codes
        raise DamagedFile(f"onnxruntime cannot load the network: {error}") from error
    return cast(Session, made)
