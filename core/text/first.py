"""With what kind of character a match of a pattern can begin: most rules need not be tried at a place."""

import re
from typing import Final

KINDS: Final = {"d": r"(?=[0-9])", "s": r"(?=\s)", "l": r"(?=[A-Za-z])", "o": r"(?![0-9A-Za-z\s])"}
"""Digits, white space, Latin letters, others: what to look for before a rule of that kind."""

_ANY: Final = frozenset(KINDS)
_LOOKING: Final = re.compile(r"\(\?<?[=!]")
_OPENING: Final = re.compile(r"\((?:\?(?:P<\w+>|[a-z]*:))?")
_SET: Final = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_QUANTIFIER: Final = re.compile(r"([*?+]|\{\d*,?\d*\})[?+]?")
_PLAIN_SET: Final = re.compile(r"\\[ds]|[0-9A-Za-z]-[0-9A-Za-z]|[0-9A-Za-z ]")
_ESCAPES: Final = {"d": "d", "s": "s", "w": "dlo", "S": "dlo", "D": "slo", "W": "so", "b": "", "B": ""}


def kinds(pattern: str) -> frozenset[str]:
    """The keys of `KINDS` that a match of `pattern` may begin with; one too many does no harm.

    >>> sorted(kinds(r"(?<!x)\\s?(?P<n>\\d+)|kg"))
    ['d', 'l', 's']
    """
    found, empty, _ = _branches(pattern, 0)
    return _ANY if empty else frozenset(found)


def _branches(pattern: str, at: int) -> tuple[set[str], bool, int]:
    """Of the alternatives from `at` on: kinds, whether one may be empty, and where they end."""
    found: set[str] = set()
    empty = False
    while True:
        first, nothing = True, True
        while at < len(pattern) and pattern[at] not in "|)":
            begins, optional, at = _atom(pattern, at)
            if quantifier := _QUANTIFIER.match(pattern, at):
                optional |= quantifier[1][0] in "*?" or quantifier[1].startswith(("{0", "{,"))
                at = quantifier.end()
            if first:
                found |= begins
            first &= optional
            nothing &= optional
        empty |= nothing
        if not pattern.startswith("|", at):
            return found, empty, at
        at += 1


def _atom(pattern: str, at: int) -> tuple[set[str], bool, int]:
    """Of what is repeated as one: kinds, whether it takes no character, and where it ends."""
    if looking := _LOOKING.match(pattern, at):
        _, _, at = _branches(pattern, looking.end())
        return set(), True, at + 1
    if opening := _OPENING.match(pattern, at):
        found, empty, at = _branches(pattern, opening.end())
        return found, empty, at + 1
    if one := _SET.match(pattern, at):
        return _of_set(one[0]), False, one.end()
    if pattern[at] == "\\":
        letter = pattern[at + 1]
        known = _ESCAPES.get(letter)
        return set(_kind(letter) if known is None else known), known == "", at + 2
    if pattern[at] in "^$":
        return set(), True, at + 1
    return set(_ANY) if pattern[at] == "." else {_kind(pattern[at])}, False, at + 1


def _of_set(one: str) -> set[str]:
    if one[1] == "^":
        return set(_ANY)
    found = {"o"} if _PLAIN_SET.sub("", one[1:-1]) else set()
    test = re.compile(one)
    samples = {"d": "0123456789", "s": " \n", "l": "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"}
    return found | {kind for kind, letters in samples.items() if any(map(test.match, letters))}


def _kind(character: str) -> str:
    if character.isspace():
        return "s"
    ascii_letter = character.isascii() and character.isalpha()
    return "l" if ascii_letter else "d" if character in "0123456789" else "o"
