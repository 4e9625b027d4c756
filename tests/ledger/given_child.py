"""A child key in the books."""

from sqlalchemy import Connection, insert

from given import NOON
from keyhouse.store import schema


def a_child(connection: Connection) -> None:
    """`key_child`, made by `key_1`."""
    key: dict[str, object] = {
        "kind": "user",
        "organization_id": "org-1",
        "project_id": "proj_1",
        "owner_id": "user-1",
        "name": "child",
    }
    key |= {"permissions": '"all"', "created_by": "user-1", "parent_id": "key_1", "expires_at_ms": NOON + 10**10}
    connection.execute(insert(schema.keys).values(id="key_child", created_at_ms=NOON, **key))
    secret = {"version": 1, "pepper_version": 1, "last_four": "x9Fa", "created_at_ms": NOON, "created_by": "user-1"}
    connection.execute(insert(schema.key_secrets).values(key_id="key_child", digest=b"child", **secret))
