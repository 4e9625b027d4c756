"""Projects: what keys, limits and usage belong to inside an organization."""

from collections.abc import Collection

import msgspec
from sqlalchemy import Connection, RowMapping, insert, select, update

from keyhouse.core.errors import Code, Refusal
from keyhouse.store.among import among
from keyhouse.store.schema import projects


class Project(msgspec.Struct, frozen=True):
    """A project. Once archived it stays so: its keys are dead, its calls and limits remain visible.

    `external_key_id` is the caller's own name for it, as in OpenAI's Admin API; nothing here depends on it.
    """

    id: str
    organization_id: str
    name: str
    external_key_id: str | None
    is_default: bool
    created_at_ms: int
    archived_at_ms: int | None


def insert_project(connection: Connection, project: Project) -> None:
    """Add a project."""
    row = msgspec.structs.asdict(project) | {"is_default": int(project.is_default)}
    connection.execute(insert(projects).values(row))


def find_project(
    connection: Connection, organization_id: str, project_id: str, *, for_update: bool = False
) -> Project | None:
    """The project with this id in this organization, also an archived one."""
    statement = select(projects).where(projects.c.id == project_id, projects.c.organization_id == organization_id)
    if for_update:
        statement = statement.with_for_update(key_share=True)
    row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else _project(row)


def get_project(connection: Connection, organization_id: str, project_id: str, *, for_update: bool = False) -> Project:
    """The same; raises Refusal(NOT_FOUND), for another organization's project too."""
    project = find_project(connection, organization_id, project_id, for_update=for_update)
    if project is None:
        raise Refusal(
            Code.NOT_FOUND,
            f"There is no project {project_id} in this organization.",
            hint="List the projects to see their ids.",
            param="project_id",
        )
    return project


def list_projects(
    connection: Connection, organization_id: str, *, include_archived: bool = False, mark: str | None = None
) -> tuple[Project, ...]:
    """An organization's projects, oldest first; in its place also the one with the id `mark`, if it is archived."""
    statement = select(projects).where(projects.c.organization_id == organization_id)
    if not include_archived:
        is_live = projects.c.archived_at_ms.is_(None)
        statement = statement.where(is_live if mark is None else is_live | (projects.c.id == mark))
    rows = connection.execute(statement.order_by(projects.c.created_at_ms, projects.c.id))
    return tuple(_project(row) for row in rows.mappings())


def update_project(connection: Connection, project: Project) -> None:
    """Write what may change of a project: its names and when it was archived."""
    connection.execute(
        update(projects)
        .where(projects.c.id == project.id)
        .values(name=project.name, external_key_id=project.external_key_id, archived_at_ms=project.archived_at_ms)
    )


def list_names(connection: Connection, organization_id: str, project_ids: Collection[str]) -> dict[str, str]:
    """The names of these projects by id; ids of other organizations are left out."""
    rows = connection.execute(
        select(projects.c.id, projects.c.name).where(
            projects.c.organization_id == organization_id, among(projects.c.id, project_ids)
        )
    )
    return {row.id: row.name for row in rows}


def _project(row: RowMapping) -> Project:
    return Project(**{**row, "is_default": bool(row["is_default"])})
