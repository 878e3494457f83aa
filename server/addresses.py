"""Which addresses a URL from outside may lead to: those of the public internet, and what the operator allows.

Looked at is the address that is really dialled, not the host's spelling: a name may point anywhere, and
`2130706433`, `0x7f.1` and `[::ffff:127.0.0.1]` are all this machine. Not public are private, loopback,
link-local, shared (RFC 6598), multicast and reserved addresses and the metadata services of clouds; an IPv6
address that carries an IPv4 one (mapped, NAT64, 6to4, Teredo) is as public as that. Everything in IPv6 that
is not global unicast is refused, known or not.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

WEB_PORTS = frozenset({80, 443})

_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_NOT_PUBLIC = tuple(ipaddress.IPv4Network(network) for network in ("192.0.0.0/24", "192.88.99.0/24"))
"""Not public, though some versions of Python think so: protocol assignments (Oracle's metadata service is
there), relays of 6to4."""

_DOCUMENTATION = ipaddress.IPv6Network("3fff::/20")
_METADATA = frozenset({ipaddress.IPv4Address("168.63.129.16")})
"""Azure's, which looks like a public address; the others' (169.254.169.254, 100.100.100.200) do not."""


def is_public(address: str) -> bool:
    """Whether an IP address, as dialled, is one of the public internet.

    >>> [is_public(a) for a in ("93.184.215.14", "10.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1")]
    [True, False, False, False]
    """
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv4Address):
        if any(parsed in network for network in _NOT_PUBLIC):
            return False
        return parsed.is_global and not parsed.is_multicast and parsed not in _METADATA
    carried = _carried(parsed)
    if carried:
        return all(is_public(str(inner)) for inner in carried)
    return parsed in _GLOBAL_UNICAST and parsed not in _DOCUMENTATION and parsed.is_global


def _carried(address: ipaddress.IPv6Address) -> tuple[ipaddress.IPv4Address, ...]:
    """The IPv4 addresses that packets to this one may end up at."""
    if address in _NAT64:
        return (ipaddress.IPv4Address(int(address) & 0xFFFFFFFF),)
    if address.teredo is not None:
        return address.teredo  # the relay, and whom it relays to
    inner = address.ipv4_mapped or address.sixtofour
    return (inner,) if inner else ()


@dataclass(frozen=True, slots=True)
class Allowed:
    """What the operator allows besides the public internet.

    places: (host, port) as a URL names them; port None stands for 80 and 443. networks: whatever dials in.
    objects: beginnings of `bucket/key` in the object storage.
    """

    places: frozenset[tuple[str, int | None]] = frozenset()
    networks: tuple[Network, ...] = ()
    objects: tuple[str, ...] = ()

    def port(self, host: str, port: int) -> bool:
        """Whether a URL may name this port of this host."""
        return port in WEB_PORTS or (_plain(host), port) in self.places

    def dials(self, host: str, port: int, address: str) -> bool:
        """Whether a URL that names this host and port may be answered from this address."""
        if (_plain(host), port) in self.places or (port in WEB_PORTS and (_plain(host), None) in self.places):
            return True
        parsed = ipaddress.ip_address(address.partition("%")[0])
        return is_public(address) or any(parsed in network for network in self.networks)

    def object(self, bucket: str, key: str) -> bool:
        """Whether this object of the storage may be read."""
        return any(f"{bucket}/{key}".startswith(beginning) for beginning in self.objects)


def allowed(entries: Iterable[str]) -> Allowed:
    """Read a list like `media.internal`, `10.0.0.7:9000`, `10.1.0.0/16`, `oss://bucket/templates/`.

    Raises ValueError for an entry that is none of these.
    """
    places: set[tuple[str, int | None]] = set()
    networks: list[Network] = []
    objects: list[str] = []
    for entry in entries:
        if entry.startswith("oss://"):
            bucket, slash, key = entry.removeprefix("oss://").partition("/")
            if not (bucket and slash):
                raise ValueError(f"{entry!r} names no object: write oss://bucket/ or oss://bucket/folder/")
            objects.append(f"{bucket}/{key}")
        elif "/" in entry:
            networks.append(ipaddress.ip_network(entry))
        else:
            places.add(_place(entry))
    return Allowed(frozenset(places), tuple(networks), tuple(objects))


def _place(entry: str) -> tuple[str, int | None]:
    """`host`, `host:port`, `address`, `[address]:port`."""
    try:
        return _plain(str(ipaddress.ip_address(entry.strip("[]")))), None
    except ValueError:
        pass
    host, colon, port = entry.rpartition(":")
    if not colon:
        host, port = entry, ""
    if not host or not host.strip("[]").replace("-", "").replace(".", "").replace(":", "").isalnum():
        raise ValueError(f"{entry!r} is not like media.internal, 10.0.0.7:9000, 10.1.0.0/16 or oss://bucket/")
    if not colon:
        return _plain(host), None
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(f"{entry!r}: {port!r} is no port")
    return _plain(host), int(port)


def _plain(host: str) -> str:
    return host.strip("[]").rstrip(".").lower()
