"""Projects, as they are listed and looked up."""

from keyhouse.core.authority import Sight
from keyhouse.core.key import ModelPolicy
from keyhouse.store import model_permissions, projects
from keyhouse.store.engine import Connection, Database
from keyhouse.store.projects import Project


class ProjectQuestions:
    """Asks for an organization's projects."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(
        self,
        organization_id: str,
        include_archived: bool = False,
        *,
        sight: Sight | None = None,
        mark: str | None = None,
    ) -> tuple[Project, ...]:
        """The organization's projects, oldest first; with a sight only those it takes in.

        In its place also the one with the id `mark`, if it is archived.
        """
        found = await self._database.read(
            lambda c: projects.list_projects(c, organization_id, include_archived=include_archived, mark=mark)
        )
        return tuple(project for project in found if sight is None or project.id in sight.project_ids)

    async def one(self, organization_id: str, project_id: str) -> Project:
        """One of them, also an archived one; raises Refusal(NOT_FOUND)."""
        return await self._database.read(lambda c: projects.get_project(c, organization_id, project_id))

    async def model_policy(self, organization_id: str, project_id: str) -> ModelPolicy | None:
        """Which models a project may use, None for all; raises Refusal(NOT_FOUND) if there is no such project."""

        def ask(connection: Connection) -> ModelPolicy | None:
            projects.get_project(connection, organization_id, project_id)
            return model_permissions.find_model_policy(connection, project_id)

        return await self._database.read(ask)
