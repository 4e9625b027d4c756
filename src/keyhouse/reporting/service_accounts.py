"""Service accounts, as they are listed and looked up."""

from collections.abc import Collection

from keyhouse.store import projects, service_accounts
from keyhouse.store.engine import Connection, Database
from keyhouse.store.service_accounts import ServiceAccount


class ServiceAccountQuestions:
    """Asks for a project's service accounts; one that was deleted reads as missing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(
        self, organization_id: str, project_id: str, *, mark: str | None = None
    ) -> tuple[ServiceAccount, ...]:
        """The project's service accounts, oldest first; raises Refusal(NOT_FOUND) if there is no such project.

        In its place also the one with the id `mark`, if it was deleted.
        """

        def ask(connection: Connection) -> tuple[ServiceAccount, ...]:
            projects.get_project(connection, organization_id, project_id)
            return service_accounts.list_service_accounts(connection, organization_id, project_id, mark=mark)

        return await self._database.read(ask)

    async def of_projects(
        self, organization_id: str, project_ids: Collection[str] | None, limit: int
    ) -> tuple[ServiceAccount, ...]:
        """At most so many of these projects, or of all if None, oldest first."""
        return await self._database.read(
            lambda c: service_accounts.list_in_projects(c, organization_id, project_ids, limit)
        )

    async def one(self, organization_id: str, project_id: str, account_id: str) -> ServiceAccount:
        """One of them; raises Refusal(NOT_FOUND)."""
        return await self._database.read(
            lambda c: service_accounts.get_service_account(c, organization_id, account_id, project_id=project_id)
        )
