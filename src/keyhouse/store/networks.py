"""From which networks a key was called of late, and before: read from its calls, the only place that knows addresses.

Nothing keeps networks by themselves, so what is asked reads calls, newest first along the index by key, and never
more than so many of a key.
"""

import ipaddress
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, Integer, Select, bindparam, select

from keyhouse.core.identifiers import call_id
from keyhouse.store.schema import calls

CALLS_READ_MAX: Final = 500
"""How many calls of a key are read, of late and of before each."""

_NO_RANDOM: Final = bytes(10)
_LENGTHS: Final = {4: 24, 6: 48}


class Networks(msgspec.Struct, frozen=True):
    """The networks that a key was called from since a moment, and those of its newest calls before that."""

    lately: frozenset[str]
    before: frozenset[str]

    @property
    def new(self) -> tuple[str, ...]:
        """Those of late that were not there before, in order; none for a key that has no earlier calls."""
        return tuple(sorted(self.lately - self.before)) if self.before else ()


def network_of(address: str) -> str:
    """The network that an address is in: a /24, or a /48 of IPv6; empty for what is no address."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if isinstance(known, ipaddress.IPv6Address) and known.ipv4_mapped is not None:
        known = known.ipv4_mapped
    return str(ipaddress.ip_network(f"{known}/{_LENGTHS[known.version]}", strict=False))


def find_networks(connection: Connection, key_id: str, since_ms: int, calls_read_max: int = CALLS_READ_MAX) -> Networks:
    """The networks of a key's newest calls from this moment on, and of those before it."""
    asked = {"key_id": key_id, "edge": call_id(max(0, since_ms), _NO_RANDOM), "at_most": calls_read_max}

    def seen(addresses: Select[Any]) -> frozenset[str]:
        found = connection.execute(addresses, asked).scalars()
        return frozenset(network for address in found if (network := network_of(address)))

    return Networks(seen(_LATELY), seen(_BEFORE))


def _addresses(when: ColumnElement[bool]) -> Select[Any]:
    """The addresses of a key's newest calls of this time."""
    newest = (
        select(calls.c.address)
        .where(calls.c.key_id == bindparam("key_id"), when)
        .order_by(calls.c.id.desc())
        .limit(bindparam("at_most", type_=Integer))
        .subquery()
    )
    return select(newest.c.address).distinct()


# Built once: a page asks them of each of its keys.
_LATELY: Final = _addresses(calls.c.id >= bindparam("edge"))
_BEFORE: Final = _addresses(calls.c.id < bindparam("edge"))
