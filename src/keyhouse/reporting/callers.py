"""Who uses which secret of a key: what a rotation waits for."""

import msgspec

from keyhouse.core.clock import Clock
from keyhouse.core.key import ApiKey
from keyhouse.store import callers, keys
from keyhouse.store.callers import Caller
from keyhouse.store.engine import Connection, Database

DAY_MS = 24 * 3_600_000


class UsedSecrets(msgspec.Struct, frozen=True):
    """A key, and its callers since this moment: later than was asked for where a key has very many calls."""

    key: ApiKey
    callers: tuple[Caller, ...]
    since_ms: int


class CallerQuestions:
    """Asks who calls with a key."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def of_key(
        self, organization_id: str, key_id: str, *, project_id: str | None = None, since_ms: int | None = None
    ) -> UsedSecrets:
        """A key's callers since then, of the last day if left out; raises Refusal(NOT_FOUND)."""
        from_ms = self._clock.now_ms() - DAY_MS if since_ms is None else since_ms

        def ask(connection: Connection) -> UsedSecrets:
            key = keys.get_key(connection, organization_id, key_id, project_id=project_id)
            found = callers.list_callers(connection, organization_id, key_id, from_ms)
            return UsedSecrets(key, found.callers, found.since_ms)

        return await self._database.read(ask)
