"""Values in lists, tuples and dicts: a tenth of what torch.utils._pytree takes, which knows more kinds."""

from collections.abc import Callable
from typing import Any


def flat(values: Any) -> list[Any]:
    """All of them, in order."""
    found: list[Any] = []
    _collect(values, found.append)
    return found


def _collect(values: Any, take: Callable[[Any], None]) -> None:
    if isinstance(values, dict):
        values = tuple(values.values())
    if isinstance(values, list | tuple):
        for value in values:
            _collect(value, take)
    else:
        take(values)


def mapped(change: Callable[[Any], Any], values: Any) -> Any:
    """The same with each of them changed."""
    if isinstance(values, dict):
        return {name: mapped(change, value) for name, value in values.items()}
    if isinstance(values, list | tuple):
        return type(values)([mapped(change, value) for value in values])
    return change(values)
