"""Weights made up for a bench, in a file that the engines load as they would load the user's own."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch


@contextmanager
def own_weights(name: str, checkpoint: dict[str, Any]) -> Iterator[None]:
    """While open, a file of `checkpoint` is what engines load as the weights `name`."""
    with tempfile.TemporaryDirectory(prefix="lipstream-bench-") as folder:
        path = Path(folder) / "random.pth"
        torch.save(checkpoint, path)
        before = os.environ.get("LIPSTREAM_OWN_WEIGHTS")
        os.environ["LIPSTREAM_OWN_WEIGHTS"] = json.dumps({name: str(path)})
        try:
            yield
        finally:
            del os.environ["LIPSTREAM_OWN_WEIGHTS"]
            if before is not None:
                os.environ["LIPSTREAM_OWN_WEIGHTS"] = before
