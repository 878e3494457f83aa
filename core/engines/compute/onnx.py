"""onnxruntime keeps to itself what it sees of this machine."""

import os


def without_telemetry() -> None:
    """To be called before onnxruntime is imported.

    Recent builds of it report to their makers from everywhere, under an identifier that they write into the
    home folder. Whoever wants that sets ORT_DISABLE_TELEMETRY to 0.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
