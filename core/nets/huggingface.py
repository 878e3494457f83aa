"""What is used of transformers, imported so that a torchvision that does not fit torch does no harm.

transformers would like torchvision for pictures, imports it if it is installed, and fails with it: which it
does wherever a CPU build of torch met the usual torchvision. Nothing here looks at pictures.
"""

import importlib
import sys

try:
    importlib.import_module("torchvision")
except ImportError:
    pass  # not installed: fine
except RuntimeError:
    sys.modules["torchvision"] = None  # type: ignore[assignment]  # "not installed", in the import system's words

from transformers import BertConfig, BertModel, HubertConfig, HubertModel, WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperEncoder

__all__ = ["BertConfig", "BertModel", "HubertConfig", "HubertModel", "WhisperConfig", "WhisperEncoder"]
