"""Counts what limits refuse, for whoever looks at it later.

A refusal waits for no disk: what was counted is written together, now and then. What a gateway that dies had not
written yet is lost; these requests cost nothing and are in no books.
"""

from functools import partial
from typing import Final
from zoneinfo import ZoneInfo

from keyhouse.core.call import Opening
from keyhouse.core.clock import Clock
from keyhouse.core.rollup import HOUR_MS, slot_ms
from keyhouse.store.engine import Database
from keyhouse.store.refused import RefusedSlot, add_refused

WRITE_SECONDS: Final = 5.0
"""How often what was counted is written."""

ROWS_AT_ONCE: Final = 500

MODELS_MAX: Final = 20
"""How many models are told apart of what one key is refused within one slot. Where names that are not known are passed
on, a client that is refused everything could make up as many as it likes, and fill a table with them."""

OTHER_MODELS: Final = "(other models)"


class RefusedCount:
    """How many requests were refused that have not been written yet."""

    def __init__(self, database: Database, clock: Clock, rows_at_once: int = ROWS_AT_ONCE) -> None:
        self._database = database
        self._clock = clock
        self._rows_at_once = rows_at_once
        self._counts: dict[RefusedSlot, int] = {}
        self._models: dict[tuple[int, str], set[str]] = {}

    def add(self, opening: Opening) -> None:
        """A limit has refused this call."""
        starts_at_ms = slot_ms(self._clock.now_ms(), ZoneInfo(opening.time_zone))
        slot = RefusedSlot(
            starts_at_ms,
            opening.organization_id,
            opening.project_id,
            opening.owner_id,
            opening.key_id,
            self._told_apart(starts_at_ms, opening.key_id, opening.model),
            opening.upstream,
            opening.endpoint,
        )
        self._counts[slot] = self._counts.get(slot, 0) + 1

    async def write(self) -> None:
        """Write what was counted since this was last done, some rows at a time, so that no call waits for it long.

        What cannot be written now is kept for the next time; what was asked for is done even if whoever waits is
        cancelled. Raises Unavailable.
        """
        over_ms = self._clock.now_ms() - HOUR_MS
        self._models = {slot: models for slot, models in self._models.items() if slot[0] > over_ms}
        while self._counts:
            some = {slot: self._counts.pop(slot) for slot in list(self._counts)[: self._rows_at_once]}
            try:
                await self._database.write(partial(add_refused, counts=some))
            except Exception:
                for slot, count in some.items():
                    self._counts[slot] = self._counts.get(slot, 0) + count
                raise

    def _told_apart(self, starts_at_ms: int, key_id: str, model: str) -> str:
        models = self._models.setdefault((starts_at_ms, key_id), set())
        if model not in models:
            if len(models) >= MODELS_MAX:
                return OTHER_MODELS
            models.add(model)
        return model
