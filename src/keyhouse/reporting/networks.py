"""Which keys were called from a new network of late.

Addresses stand in calls alone, so this is not counted for all keys: it looks through one page of those that were used
lately, and says how far it has looked.
"""

from typing import Final

import msgspec

from keyhouse.core.authority import Sight
from keyhouse.core.clock import Clock
from keyhouse.reporting.keys import KeyRow, rows_of
from keyhouse.store import key_pages, networks
from keyhouse.store.engine import Connection, Database
from keyhouse.store.key_pages import KeySelection
from keyhouse.store.networks import CALLS_READ_MAX

__all__ = ["CALLS_READ_MAX", "DAYS", "PAGE", "KeyNetworks", "NetworkPage", "NetworkQuestions"]

DAYS: Final = 7
"""What is of late."""

PAGE: Final = 20
_DAY_MS: Final = 86_400_000


class KeyNetworks(msgspec.Struct, frozen=True):
    """A key, and the networks from which it was called of late and not before."""

    row: KeyRow
    networks: tuple[str, ...]


class NetworkPage(msgspec.Struct, frozen=True):
    """What was found among `looked` keys that were used of late; `has_more` where there are others after them."""

    found: tuple[KeyNetworks, ...]
    looked: int
    has_more: bool


class NetworkQuestions:
    """Asks for keys by where they are called from, and looks through so many for a page."""

    def __init__(self, database: Database, clock: Clock, keys_a_page: int = PAGE) -> None:
        self._database = database
        self._clock = clock
        self._keys_a_page = keys_a_page

    async def page(self, organization_id: str, page: int, sight: Sight | None = None) -> NetworkPage:
        """Page `page` (from 1) of the keys in sight that were used of late, looked through: those used last first."""
        now_ms = self._clock.now_ms()
        since_ms = now_ms - DAYS * _DAY_MS
        most = self._keys_a_page
        # One more than is looked through tells whether there are others.
        selection = KeySelection(sort="last_used", offset=(page - 1) * most, limit=most + 1, sight=sight)

        def ask(connection: Connection) -> NetworkPage:
            newest = key_pages.list_page(connection, organization_id, selection, now_ms).keys
            used = [key for key in newest if (key.last_used_at_ms or 0) >= since_ms]
            new = {
                key.id: unknown
                for key in used[:most]
                if (unknown := networks.find_networks(connection, key.id, since_ms).new)
            }
            rows = rows_of(connection, organization_id, [key for key in used if key.id in new], now_ms)
            found = tuple(KeyNetworks(row, new[row.key.id]) for row in rows)
            return NetworkPage(found, len(used[:most]), len(used) > most)

        return await self._database.read(ask)
