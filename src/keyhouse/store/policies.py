"""Organizations' policies on keys: one row each, once one was set."""

import msgspec
from sqlalchemy import Connection, insert, select, update

from keyhouse.core.policy import NONE, Policy
from keyhouse.store.schema import policies


def find_policy(connection: Connection, organization_id: str) -> Policy:
    """The organization's policy; one that says nothing if none was set."""
    statement = select(policies.c.settings).where(policies.c.organization_id == organization_id)
    found = connection.execute(statement).scalar_one_or_none()
    return NONE if found is None else msgspec.json.decode(found, type=Policy)


def list_policies(connection: Connection) -> dict[str, Policy]:
    """Every policy that was set, by organization."""
    rows = connection.execute(select(policies.c.organization_id, policies.c.settings))
    return {row[0]: msgspec.json.decode(row[1], type=Policy) for row in rows}


def update_policy(connection: Connection, organization_id: str, policy: Policy, now_ms: int) -> None:
    """Put a policy in place of the present one. The caller holds the organization's row."""
    values = {"settings": msgspec.json.encode(policy).decode(), "updated_at_ms": now_ms}
    changed = connection.execute(update(policies).where(policies.c.organization_id == organization_id).values(values))
    if not changed.rowcount:
        connection.execute(insert(policies).values(values | {"organization_id": organization_id}))
