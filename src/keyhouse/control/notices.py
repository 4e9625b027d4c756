"""What is told of keys before it hurts: that one will soon expire, and that a secret is older than the policy wants.

Each is one entry of the audit log, written once, by whichever gateway looks first. Nothing is done to the key.
"""

from typing import Final

from keyhouse.core.clock import Clock
from keyhouse.core.policy import DAY_MS
from keyhouse.store import notices, policies
from keyhouse.store.audit import Event
from keyhouse.store.engine import Actor, Change, Connection, Database
from keyhouse.store.notices import Notice

WARNED_MS: Final = 7 * DAY_MS
"""How long before a key's end it is told of."""

NOTICE_SECONDS: Final = 600.0


class _Told(Exception):  # noqa: N818  another gateway was first
    """There is nothing left to tell."""


class Notices:
    """Looks for what has to be told, round by round."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def round(self) -> int:
        """Tell what has to be told; how much that was."""
        now_ms = self._clock.now_ms()

        def find(connection: Connection) -> list[Notice]:
            found = notices.list_expiring(connection, now_ms, now_ms + WARNED_MS)
            return found + notices.list_rotation_due(connection, policies.list_policies(connection), now_ms)

        told = 0
        for notice in await self._database.read(find):
            told += await self._tell(notice)
        return told

    async def _tell(self, notice: Notice) -> bool:
        system = Actor("system", notice.organization_id, "", "", "")

        def write(change: Change) -> None:
            if not notices.insert_notice(change.connection, notice):
                raise _Told
            mark = "expires_at_ms" if notice.event is Event.API_KEY_EXPIRING else "version"
            details = {"name": notice.name, mark: notice.mark}
            change.record(notice.event, notice.key_id, project_id=notice.project_id, details=details)

        try:
            await self._database.change(system, write)
        except _Told:
            return False
        return True
