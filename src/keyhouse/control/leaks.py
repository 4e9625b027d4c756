"""Secrets that somebody found where everybody can: their keys are stopped at once, and it is recorded.

Whoever reports a secret has it, so a report is believed if its secret is one that works right now; every other report
changes nothing and leaves no trace. What is done is the installation's choice: to disable, which an owner can undo once
the key was rotated, or to revoke.
"""

from collections.abc import Callable, Sequence

import msgspec

from keyhouse.core.key import Credential, why_dead
from keyhouse.core.secret import digest, parse
from keyhouse.store import keys
from keyhouse.store.audit import Event
from keyhouse.store.engine import Actor, Change, Connection, Database
from keyhouse.wire.leaks import LeakReport


class Leaks:
    """Takes reports. `action` is `disable` or `revoke`; `on_change` is told of every key that was stopped."""

    def __init__(self, database: Database, pepper: bytes, action: str, on_change: Callable[[str], None]) -> None:
        self._database = database
        self._pepper = pepper
        self._action = action
        self._on_change = on_change

    async def report(self, reports: Sequence[LeakReport], address: str) -> int:
        """Stop the keys of these secrets; how many were stopped, which is nobody's business outside."""
        stopped = 0
        for report in {report.token: report for report in reports}.values():
            stopped += await self._take(report, address)
        return stopped

    async def _take(self, report: LeakReport, address: str) -> bool:
        secret = parse(report.token)
        if secret is None:
            return False
        stored = digest(secret.value, self._pepper)
        found = await self._database.read(lambda connection: keys.find_credential(connection, stored))
        if found is None:
            return False
        system = Actor("system", found.organization_id, "", "", "", address=address)
        try:
            await self._database.change(system, lambda change: self._stop(change, found, stored, report))
        except _NothingToStop:
            return False
        self._on_change(found.key_id)
        return True

    def _stop(self, change: Change, found: Credential, stored: bytes, report: LeakReport) -> None:
        connection, now_ms = change.connection, change.now_ms
        key = keys.get_key(connection, found.organization_id, found.key_id, kinds=(found.kind,), for_update=True)
        if not _is_alive(connection, stored, now_ms):
            raise _NothingToStop
        field = "revoked" if self._action == "revoke" else "disabled"
        stopped = msgspec.structs.replace(key, **{f"{field}_at_ms": now_ms, f"{field}_by": ""})
        keys.update_key(connection, stopped)
        details = {"name": key.name, "version": found.secret_version, "action": self._action} | report.where
        change.record(Event.API_KEY_LEAKED, key.id, project_id=key.project_id, details=details)
        change.announce(key.id)


class _NothingToStop(Exception):  # noqa: N818  it is an answer, not a fault
    """The secret does not work any more."""


def _is_alive(connection: Connection, stored: bytes, now_ms: int) -> bool:
    credential = keys.find_credential(connection, stored)
    return credential is not None and why_dead(credential.standing, now_ms) is None
