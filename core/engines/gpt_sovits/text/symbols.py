"""The phoneme symbols of both generations of GPT-SoVITS checkpoints, and their ids.

v1 checkpoints embed 322 symbols, v2 and every later one 732; the first table is a prefix of the second.
"""

from collections.abc import Iterable
from functools import cache
from types import MappingProxyType
from typing import Literal

from core.engines.gpt_sovits.text.tables import lines

Version = Literal["v1", "v2"]

PUNCTUATION = "!?…,.-"
"""The marks that are symbols of their own, in every language."""

_V1_SYMBOLS = 322


@cache
def symbols(version: Version) -> tuple[str, ...]:
    """The symbol table of a checkpoint generation; a symbol's place is its id."""
    table = tuple(lines("symbols.txt"))
    return table[:_V1_SYMBOLS] if version == "v1" else table


@cache
def _ids(version: Version) -> MappingProxyType[str, int]:
    return MappingProxyType({symbol: place for place, symbol in enumerate(symbols(version))})


def ids(phones: Iterable[str], version: Version) -> tuple[int, ...]:
    """Ids of the symbols; one the table lacks becomes UNK, as in the reference."""
    table = _ids(version)
    unknown = table["UNK"]
    return tuple(table.get(phone, unknown) for phone in phones)
