"""Roles of an organization and of its projects: those that are always there and those that were made."""

import msgspec
from sqlalchemy import Connection, RowMapping, delete, insert, select, update

from keyhouse.core.authority import ORGANIZATION_ROLES, PROJECT_ROLES, Tasks, implied, read_tasks
from keyhouse.core.errors import Code, Refusal
from keyhouse.store import assignments
from keyhouse.store.grants import IN_ORGANIZATION, IN_PROJECT
from keyhouse.store.schema import roles


class Role(msgspec.Struct, frozen=True):
    """A role that can be held in the whole organization or, with a `project_id`, in that project.

    One that is always there was made by nobody, never.
    """

    id: str
    name: str
    permissions: tuple[str, ...]
    description: str | None = None
    created_at_ms: int | None = None
    updated_at_ms: int | None = None
    created_by: str | None = None
    project_id: str | None = None

    @property
    def is_predefined(self) -> bool:
        """Whether it is always there, and as it is."""
        return self.created_by is None

    @property
    def tasks(self) -> Tasks:
        """All that it gives."""
        return implied(read_tasks(self.permissions))


def list_roles(connection: Connection, organization_id: str, project_id: str | None = None) -> tuple[Role, ...]:
    """Those that are always there, then the organization's own, or the project's, in the order in which they were
    made.
    """
    rows = connection.execute(
        select(roles)
        .where(roles.c.organization_id == organization_id, roles.c.project_id.is_not_distinct_from(project_id))
        .order_by(roles.c.created_at_ms, roles.c.id)
    )
    return (*_always_there(project_id), *(_role(row) for row in rows.mappings()))


def get_role(connection: Connection, organization_id: str, role_id: str, project_id: str | None = None) -> Role:
    """The role with this id, of the organization or of the project; raises Refusal(NOT_FOUND)."""
    for role in list_roles(connection, organization_id, project_id):
        if role.id == role_id:
            return role
    where = "this organization" if project_id is None else f"the project {project_id}"
    raise Refusal(Code.NOT_FOUND, f"There is no role {role_id} in {where}.", hint="List its roles to see their ids.")


def insert_role(connection: Connection, organization_id: str, role: Role) -> None:
    """Add a role of the organization's own."""
    row = msgspec.structs.asdict(role) | {"permissions": _stored(role)}
    connection.execute(insert(roles).values(row | {"organization_id": organization_id}))


def update_role(connection: Connection, role: Role) -> None:
    """Write what may change of a role."""
    connection.execute(
        update(roles)
        .where(roles.c.id == role.id)
        .values(
            name=role.name,
            description=role.description,
            permissions=_stored(role),
            updated_at_ms=role.updated_at_ms,
        )
    )


def delete_role(connection: Connection, organization_id: str, role_id: str) -> None:
    """Take a role away, from everybody who holds it too."""
    assignments.delete_of_role(connection, organization_id, role_id)
    connection.execute(delete(roles).where(roles.c.organization_id == organization_id, roles.c.id == role_id))


def _always_there(project_id: str | None) -> tuple[Role, ...]:
    prefix, known = (IN_ORGANIZATION, ORGANIZATION_ROLES) if project_id is None else (IN_PROJECT, PROJECT_ROLES)
    return tuple(
        Role(prefix + name, name, tuple(sorted(tasks)), project_id=project_id) for name, tasks in known.items()
    )


def _stored(role: Role) -> str:
    return msgspec.json.encode(role.permissions).decode()


def _role(row: RowMapping) -> Role:
    fields = {field: row[field] for field in Role.__struct_fields__}
    return Role(**fields | {"permissions": msgspec.json.decode(row["permissions"], type=tuple[str, ...])})
