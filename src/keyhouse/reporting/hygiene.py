"""Which keys deserve a second look, and why."""

from typing import Final

import msgspec

from keyhouse.core.authority import Sight
from keyhouse.core.clock import Clock
from keyhouse.reporting.keys import KeyRow, rows_of
from keyhouse.store import hygiene
from keyhouse.store.engine import Connection, Database
from keyhouse.store.hygiene import LONG_UNUSED_DAYS, UNUSED_DAYS, Found, Habit
from keyhouse.store.key_pages import COUNTED_MAX

__all__ = ["COUNTED_MAX", "LONG_UNUSED_DAYS", "UNUSED_DAYS", "Found", "Habit", "Hygiene", "HygienePage"]

PAGE: Final = 50


class HygienePage(msgspec.Struct, frozen=True):
    """How many keys have each habit, and one page of those with `habit`."""

    found: Found
    habit: Habit
    rows: tuple[KeyRow, ...]


class Hygiene:
    """Asks for keys by their habits."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def counts(self, organization_id: str, sight: Sight | None = None) -> Found:
        """How many keys in sight have each habit."""
        now_ms = self._clock.now_ms()
        return await self._database.read(lambda c: hygiene.count_habits(c, organization_id, now_ms, sight))

    async def page(
        self, organization_id: str, habit: Habit | None, page: int, sight: Sight | None = None
    ) -> HygienePage:
        """The counts of keys in sight, and page `page` (from 1) of the keys with this habit, longest unused first.

        Without a habit it is the most pressing one that any key has.
        """
        now_ms = self._clock.now_ms()

        def ask(connection: Connection) -> HygienePage:
            found = hygiene.count_habits(connection, organization_id, now_ms, sight)
            shown = habit or next((one for one, count in found.counts.items() if count), next(iter(Habit)))
            keys = hygiene.list_by_habit(
                connection, organization_id, shown, now_ms, sight, offset=(page - 1) * PAGE, limit=PAGE
            )
            return HygienePage(found, shown, rows_of(connection, organization_id, keys, now_ms))

        return await self._database.read(ask)
