"""Roles of an organization, those that are always there and those it made, and who holds them."""

import msgspec
from sqlalchemy import Connection, RowMapping, delete, insert, select, update

from keyhouse.core.authority import ORGANIZATION_ROLES, Tasks, implied, read_tasks
from keyhouse.core.errors import Code, Refusal
from keyhouse.store.grants import IN_ORGANIZATION
from keyhouse.store.schema import group_members, role_assignments, roles


class Role(msgspec.Struct, frozen=True):
    """A role that can be held in the whole organization. One that is always there was made by nobody, never."""

    id: str
    name: str
    permissions: tuple[str, ...]
    description: str | None = None
    created_at_ms: int | None = None
    updated_at_ms: int | None = None
    created_by: str | None = None

    @property
    def is_predefined(self) -> bool:
        """Whether it is always there, and as it is."""
        return self.created_by is None

    @property
    def tasks(self) -> Tasks:
        """All that it gives."""
        return implied(read_tasks(self.permissions))


PREDEFINED = tuple(
    Role(IN_ORGANIZATION + name, name, tuple(sorted(tasks))) for name, tasks in ORGANIZATION_ROLES.items()
)


def list_roles(connection: Connection, organization_id: str) -> tuple[Role, ...]:
    """Those that are always there, then the organization's own in the order in which they were made."""
    rows = connection.execute(
        select(roles)
        .where(roles.c.organization_id == organization_id, roles.c.project_id.is_(None))
        .order_by(roles.c.created_at_ms, roles.c.id)
    )
    return (*PREDEFINED, *(_role(row) for row in rows.mappings()))


def get_role(connection: Connection, organization_id: str, role_id: str) -> Role:
    """The role with this id; raises Refusal(NOT_FOUND), for another organization's too."""
    for role in list_roles(connection, organization_id):
        if role.id == role_id:
            return role
    raise Refusal(
        Code.NOT_FOUND, f"There is no role {role_id} in this organization.", hint="List the roles to see their ids."
    )


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
    connection.execute(
        delete(role_assignments).where(
            role_assignments.c.organization_id == organization_id, role_assignments.c.role_id == role_id
        )
    )
    connection.execute(delete(roles).where(roles.c.organization_id == organization_id, roles.c.id == role_id))


def list_principals(connection: Connection, organization_id: str, role_id: str) -> tuple[str, ...]:
    """The ids of the users and groups to whom a role is assigned."""
    return tuple(
        connection.execute(
            select(role_assignments.c.principal_id).where(
                role_assignments.c.organization_id == organization_id, role_assignments.c.role_id == role_id
            )
        ).scalars()
    )


def list_sources(connection: Connection, organization_id: str, user_id: str) -> dict[str, tuple[str, ...]]:
    """By the ids of the roles that a user holds in the whole organization: to whom each is assigned, the user or
    groups they are in.
    """
    mine = select(group_members.c.group_id).where(group_members.c.user_id == user_id)
    rows = connection.execute(
        select(role_assignments.c.role_id, role_assignments.c.principal_id)
        .where(
            role_assignments.c.organization_id == organization_id,
            role_assignments.c.project_id == "",
            (role_assignments.c.principal_id == user_id) | role_assignments.c.principal_id.in_(mine),
        )
        .order_by(role_assignments.c.created_at_ms, role_assignments.c.principal_id)
    )
    found: dict[str, tuple[str, ...]] = {}
    for row in rows:
        found[row.role_id] = (*found.get(row.role_id, ()), row.principal_id)
    return found


def insert_assignment(
    connection: Connection, organization_id: str, principal_id: str, role_id: str, now_ms: int, created_by: str
) -> None:
    """Let a user or a group hold a role in the whole organization."""
    connection.execute(
        insert(role_assignments).values(
            principal_id=principal_id,
            role_id=role_id,
            organization_id=organization_id,
            created_at_ms=now_ms,
            created_by=created_by,
        )
    )


def delete_assignment(connection: Connection, organization_id: str, principal_id: str, role_id: str) -> None:
    """Take a role in the whole organization from a user or a group."""
    connection.execute(
        delete(role_assignments).where(
            role_assignments.c.organization_id == organization_id,
            role_assignments.c.principal_id == principal_id,
            role_assignments.c.role_id == role_id,
            role_assignments.c.project_id == "",
        )
    )


def _stored(role: Role) -> str:
    return msgspec.json.encode(role.permissions).decode()


def _role(row: RowMapping) -> Role:
    fields = {field: row[field] for field in Role.__struct_fields__}
    return Role(**fields | {"permissions": msgspec.json.decode(row["permissions"], type=tuple[str, ...])})
