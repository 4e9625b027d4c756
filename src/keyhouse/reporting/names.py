"""Names of ids: who and what stands behind an id on a page."""

from collections.abc import Iterable

from keyhouse.store import keys, people, projects, service_accounts
from keyhouse.store.engine import Database


class Names:
    """Finds the names of keys, people, service accounts and projects."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def names(self, organization_id: str, ids: Iterable[str]) -> dict[str, str]:
        """The names of those of these ids that are in this organization, by id."""
        wanted = sorted(set(ids))
        if not wanted:
            return {}
        return await self._database.read(
            lambda c: (
                keys.list_names(c, organization_id, wanted)
                | people.list_names(c, organization_id, wanted)
                | service_accounts.list_names(c, organization_id, wanted)
                | projects.list_names(c, organization_id, wanted)
            )
        )
