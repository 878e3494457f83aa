"""A CodeFormer of half the channels, where weights are looked for."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from core.nets.codeformer import Layout
from tests.support.codeformers import small_net


@contextmanager
def downloaded() -> Iterator[None]:
    """While open the engine `codeformer` loads it, in this process and those it starts."""
    with tempfile.TemporaryDirectory(prefix="lipstream-bench-") as folder:
        path = Path(folder) / "codeformer.pth"
        torch.save({"params_ema": small_net(Layout(width=32)).state_dict()}, path)
        os.environ["LIPSTREAM_OWN_WEIGHTS"] = json.dumps({"codeformer": str(path)})
        try:
            yield
        finally:
            del os.environ["LIPSTREAM_OWN_WEIGHTS"]
