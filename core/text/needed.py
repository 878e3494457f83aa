"""Which characters a pattern needs, so that most rules are never tried on most texts."""

import re
from collections.abc import Iterable

# Python has no public way to ask what a pattern is made of. What is not known here is taken to need nothing.
from re import _constants as kinds  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any

_FEW = 64  # a larger class of characters tells little
_EVERYWHERE = frozenset("0123456789 ")
_CATEGORIES = {kinds.CATEGORY_DIGIT: frozenset("0123456789"), kinds.CATEGORY_SPACE: frozenset(" \n")}

_Some = frozenset[str] | None
_Part = tuple[object, Any]


def needed(pattern: str) -> _Some:
    """Characters of which every folded text has one that `pattern` matches in; None if nothing is known.

    Of the parts that no match is without the rarest decides, be it what stands before or after the match.

    >>> sorted(needed(r"(?<![.])[0-9]+(?:[.][0-9]+)?[/:][0-9]"))
    ['/', ':']
    >>> needed(r"[^a]*")
    """
    parsed = _parser.parse(pattern)
    return None if parsed.state.flags & re.IGNORECASE else _of_all(parsed)


def _of_all(parts: Iterable[_Part]) -> _Some:
    """Of parts that follow one another: the set that most texts have nothing of."""
    each = [some for part in parts if (some := _of_one(*part))]
    return min(each, key=lambda some: (bool(some & _EVERYWHERE), len(some)), default=None)


def _of_one(kind: object, value: Any) -> _Some:
    match kind:
        case kinds.LITERAL:
            return frozenset(chr(value))
        case kinds.IN:
            return _either(_of_class(*item) for item in value)
        case kinds.BRANCH:
            return _either(_of_all(branch) for branch in value[1])
        case kinds.MAX_REPEAT | kinds.MIN_REPEAT | kinds.POSSESSIVE_REPEAT:
            return _of_all(value[2]) if value[0] else None
        case kinds.SUBPATTERN:
            return None if value[1] & re.IGNORECASE else _of_all(value[3])
        case kinds.ASSERT:
            return _of_all(value[1])
        case kinds.ATOMIC_GROUP:
            return _of_all(value)
    return None


def _of_class(kind: object, value: Any) -> _Some:
    """Of an entry between [ and ]."""
    if kind is kinds.RANGE:
        first, last = value
        return frozenset(map(chr, range(first, last + 1))) if last - first < _FEW else None
    return frozenset(chr(value)) if kind is kinds.LITERAL else _CATEGORIES.get(value)


def _either(each: Iterable[_Some]) -> _Some:
    """Of parts that stand for one another: nothing is known if it is not of all."""
    together: frozenset[str] = frozenset()
    for some in each:
        if some is None:
            return None
        together |= some
    return together or None
