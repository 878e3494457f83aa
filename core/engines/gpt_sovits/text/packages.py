"""Import a text package when a language first needs it, or say which extra brings it."""

import importlib
import warnings
from functools import cache
from typing import Any

from core.errors import EngineUnavailable
from core.installation import install_command


@cache
def need(module: str, package: str, extra: str) -> Any:
    """The module, imported.

    Raises EngineUnavailable, naming the package and the extra that brings it, if it is not installed.
    """
    try:
        with warnings.catch_warnings():
            # several of these packages predate Python 3.12 and warn about their own regular expressions
            warnings.simplefilter("ignore")
            return importlib.import_module(module)
    except ImportError as error:
        raise EngineUnavailable(
            "GPT-SoVITS text", [package], f"install it with: {install_command(extra)}"
        ) from error
