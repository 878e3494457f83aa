"""Wav2Lip with weights that mean nothing: it draws noise, in the time that the real ones take."""

import json
import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from core.nets.wav2lip import Wav2Lip


def random_net() -> Wav2Lip:
    """The network with weights that keep signals at about their size, the same every time."""
    torch.manual_seed(0)
    net = Wav2Lip()
    for name, value in net.state_dict().items():
        if name.endswith("weight") and value.dim() == 4:
            value.normal_(0, 1.1 / math.sqrt(value[0].numel()))
        elif name.endswith("bias"):
            value.normal_(0, 0.05)
    net.eval()
    return net


@contextmanager
def random_weights() -> Iterator[None]:
    """While open, a file of such weights is what the engine `wav2lip` loads."""
    with tempfile.TemporaryDirectory(prefix="lipstream-bench-") as folder:
        path = Path(folder) / "random.pth"
        torch.save({"state_dict": random_net().state_dict()}, path)
        before = os.environ.get("LIPSTREAM_OWN_WEIGHTS")
        os.environ["LIPSTREAM_OWN_WEIGHTS"] = json.dumps({"wav2lip": str(path)})
        try:
            yield
        finally:
            del os.environ["LIPSTREAM_OWN_WEIGHTS"]
            if before is not None:
                os.environ["LIPSTREAM_OWN_WEIGHTS"] = before
