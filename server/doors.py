"""How many connections there may be, in all and from one address: who opens thousands keeps nobody out.

What is counted are connections, before a byte has come: requests, streams and WebSockets alike. From
127.0.0.1 and ::1 there may be as many as in all: a proxy on this machine comes from there for everybody, and
counts addresses itself. An IPv6 address counts as its /64, which is what a subscriber has.
"""

from collections import Counter
from ipaddress import IPv6Address, ip_address

from server.errors import Refused

_HERE = frozenset({"127.0.0.1", "::1"})
RETRY_S = 5


class Doors:
    """`limit` connections in all, `each` from one address."""

    def __init__(self, limit: int, each: int) -> None:
        self._limit = limit
        self._each = each
        self._inside: Counter[str] = Counter()

    def __len__(self) -> int:
        """How many there are."""
        return self._inside.total()

    def enter(self, address: str) -> None:
        """Count one more, from an address as the system writes it.

        Raises Refused: 503 for one too many in all, 429 for one too many from this address.
        """
        if len(self) >= self._limit:
            raise _refused(503, f"there are {self._limit} connections already, and no more may be")
        source = _source(address)
        if source not in _HERE and self._inside[source] >= self._each:
            raise _refused(429, f"there are {self._each} connections from {source} already")
        self._inside[source] += 1

    def leave(self, address: str) -> None:
        """One that entered is gone."""
        source = _source(address)
        self._inside[source] -= 1
        if not self._inside[source]:
            del self._inside[source]


def _refused(status: int, why: str) -> Refused:
    message = f"{why}; close one, or try again soon"
    return Refused(status, "too_many_connections", message, headers={"Retry-After": str(RETRY_S)})


def _source(address: str) -> str:
    """Who is counted: an IPv4 address, or the /64 that an IPv6 address is in."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:  # a socket of the file system has none
        return address
    if not isinstance(found, IPv6Address) or found.is_loopback:
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return f"{IPv6Address(int(found) >> 64 << 64)}/64"
