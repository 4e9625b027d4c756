"""How many people and keys an organization's projects have, counted by the database."""

from sqlalchemy import Connection, func, select

from keyhouse.store.people import gone_at_ms
from keyhouse.store.schema import keys, memberships, project_members, users


def count_people(connection: Connection, organization_id: str) -> dict[str, int]:
    """The present members of each project, by its id."""
    rows = connection.execute(
        select(project_members.c.project_id, func.count())
        .join(users, users.c.id == project_members.c.user_id)
        .join(
            memberships,
            (memberships.c.user_id == project_members.c.user_id)
            & (memberships.c.organization_id == project_members.c.organization_id),
        )
        .where(project_members.c.organization_id == organization_id, gone_at_ms().is_(None))
        .group_by(project_members.c.project_id)
    )
    return {row[0]: row[1] for row in rows}


def count_living_keys(connection: Connection, organization_id: str) -> dict[str, int]:
    """The keys of each project that are not revoked, by its id."""
    rows = connection.execute(
        select(keys.c.project_id, func.count())
        .where(
            keys.c.organization_id == organization_id, keys.c.revoked_at_ms.is_(None), keys.c.project_id.is_not(None)
        )
        .group_by(keys.c.project_id)
    )
    return {row[0]: row[1] for row in rows}
