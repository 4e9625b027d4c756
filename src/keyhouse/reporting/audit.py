"""The audit log: a page of its entries, and whether its chain is whole."""

from typing import Final

import msgspec

from keyhouse.store import audit, audit_chains, projects
from keyhouse.store.audit import ChainedEntry, EntrySelection
from keyhouse.store.audit_chains import Verification
from keyhouse.store.engine import Connection, Database


class EntryPage(msgspec.Struct, frozen=True):
    """Entries, newest first, the names of the projects in them by id, and whether more follow in that direction."""

    entries: tuple[ChainedEntry, ...]
    project_names: dict[str, str]
    has_more: bool


_EMPTY: Final = EntryPage((), {}, has_more=False)


class AuditQuestions:
    """Asks an organization's audit log. `chain_key` is what its chain was made with."""

    def __init__(self, database: Database, chain_key: bytes) -> None:
        self._database = database
        self._chain_key = chain_key

    async def list(
        self, organization_id: str, selection: EntrySelection, *, after: str | None, before: str | None, limit: int
    ) -> EntryPage:
        """At most `limit` entries, newest first: older than the one called `after`, or just newer than `before`.

        Around an entry that is not there is nothing.
        """

        def ask(connection: Connection) -> EntryPage:
            below = None if after is None else audit.find_sequence(connection, organization_id, after)
            above = None if before is None else audit.find_sequence(connection, organization_id, before)
            if limit == 0 or (after is not None and below is None) or (before is not None and above is None):
                return _EMPTY
            found = audit.list_events(connection, organization_id, selection, limit + 1, below=below, above=above)
            chosen = found[:limit] if above is None else found[-limit:]
            named = {entry.project_id for entry in chosen if entry.project_id is not None}
            names = projects.list_names(connection, organization_id, named)
            return EntryPage(chosen, names, has_more=len(found) > limit)

        return await self._database.read(ask)

    async def verify(self, organization_id: str) -> Verification:
        """Whether every entry stands as it was written."""
        return await self._database.read(lambda c: audit_chains.verify(c, self._chain_key, organization_id))
