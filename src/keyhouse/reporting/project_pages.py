"""Projects as pages show them: how many people and keys are in each."""

from collections.abc import Mapping

import msgspec

from keyhouse.store import project_pages
from keyhouse.store.engine import Database


class Counts(msgspec.Struct, frozen=True):
    """How many people, and how many keys that are not revoked, are in each project; by its id, none left out."""

    people: Mapping[str, int]
    keys: Mapping[str, int]


class ProjectPages:
    """Asks for them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def counts(self, organization_id: str) -> Counts:
        """The counts of an organization's projects."""
        return await self._database.read(
            lambda c: Counts(
                project_pages.count_people(c, organization_id), project_pages.count_living_keys(c, organization_id)
            )
        )
