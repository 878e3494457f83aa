"""What child processes are told of the environment: not the secrets that stand in ours."""

import os
from pathlib import Path

SOURCES = Path(__file__).parents[__name__.count(".")]
"""The folder that this package is imported from, in a wheel that of `lipstream`: children start there."""

_NEEDED = frozenset(
    {
        *("PATH", "HOME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "VIRTUAL_ENV"),
        *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"),
    }
)
_BEGINNINGS = ("LC_", "PYTHON", "COVERAGE_")


def child_environment(**more: str) -> dict[str, str]:
    """Of a child that only decodes or speaks: where programs and libraries are, and `more`."""
    kept = {name: value for name, value in os.environ.items() if _needed(name)}
    return kept | more


def _needed(name: str) -> bool:
    return name in _NEEDED or name.startswith(_BEGINNINGS)
