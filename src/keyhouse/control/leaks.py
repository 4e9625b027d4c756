"""Secrets that somebody found where everybody can: they end for good, their keys are stopped, and it is recorded.

Whoever reports a secret has it, so a report is believed if its secret is one that has not ended; every other report
changes nothing and leaves no trace. What becomes of the key is the installation's choice: it is disabled, which can be
undone once it was rotated, or revoked. A key that has a newer secret loses the older one alone and works on.
"""

from collections.abc import Callable, Sequence

import msgspec

from keyhouse.core.key import ApiKey, Credential
from keyhouse.core.secret import digest, parse
from keyhouse.store import keys
from keyhouse.store.audit import Event
from keyhouse.store.engine import Actor, Change, Database
from keyhouse.wire.leaks import LeakReport


class Leaks:
    """Takes reports. `action` is `disable` or `revoke`; `on_change` is told of every key whose secret was ended."""

    def __init__(self, database: Database, pepper: bytes, action: str, on_change: Callable[[str], None]) -> None:
        self._database = database
        self._pepper = pepper
        self._action = action
        self._on_change = on_change

    async def report(self, reports: Sequence[LeakReport], address: str) -> int:
        """End these secrets and stop their keys; how many were ended, which is nobody's business outside."""
        ended = 0
        for report in {report.token: report for report in reports}.values():
            ended += await self._take(report, address)
        return ended

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
            await self._database.change(system, lambda change: self._end(change, found, report))
        except _NothingToEnd:
            return False
        self._on_change(found.key_id)
        return True

    def _end(self, change: Change, found: Credential, report: LeakReport) -> None:
        connection, now_ms, version = change.connection, change.now_ms, found.secret_version
        key = keys.get_key(connection, found.organization_id, found.key_id, kinds=(found.kind,), for_update=True)
        if key.revoked_at_ms is not None or not key.has_living(version, now_ms):
            raise _NothingToEnd
        # Also of a key that is disabled already: enabling it must not bring back what is known to everybody.
        keys.update_secret_end(connection, key.id, version, now_ms)
        action = self._action if version == key.current.version else "end"
        keys.update_key(connection, _stopped(key, action, now_ms))
        details = {"name": key.name, "version": version, "action": action} | report.where
        change.record(Event.API_KEY_LEAKED, key.id, project_id=key.project_id, details=details)
        change.announce(key.id)


class _NothingToEnd(Exception):  # noqa: N818  it is an answer, not a fault
    """The secret has ended, or its key was revoked."""


def _stopped(key: ApiKey, action: str, now_ms: int) -> ApiKey:
    """The key after a report. Whoever disabled it before stays who did: the secret has ended all the same."""
    if action == "revoke":
        return msgspec.structs.replace(key, revoked_at_ms=now_ms, revoked_by="")
    if action == "disable" and key.disabled_at_ms is None:
        return msgspec.structs.replace(key, disabled_at_ms=now_ms, disabled_by="")
    return key
