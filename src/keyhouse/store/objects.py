"""Objects: what upstreams keep, such as responses, and whose they are. All projects share an upstream's credential,
so this is what keeps them apart.
"""

from collections.abc import Collection, Sequence

import msgspec
from sqlalchemy import Connection, delete, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from keyhouse.store.schema import objects


class Object(msgspec.Struct, frozen=True):
    """Something that an upstream keeps for a project. `kind` is what it is: `response`, or an `item` of one."""

    id: str
    upstream: str
    kind: str
    organization_id: str
    project_id: str
    key_id: str
    created_at_ms: int


def insert_objects(connection: Connection, found: Sequence[Object]) -> None:
    """Keep whose these are. An id that an upstream gave before stays with whom it was given to first."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    # In one order everywhere, so that no two transactions wait for each other.
    rows = [msgspec.structs.asdict(one) for one in sorted(found, key=lambda one: (one.id, one.upstream))]
    if rows:
        connection.execute(insert(objects).on_conflict_do_nothing(), rows)


def list_objects(connection: Connection, project_id: str, ids: Collection[str]) -> list[Object]:
    """The objects with these ids that are this project's; an id may be there once for each upstream."""
    chosen = select(objects).where(objects.c.id.in_(ids), objects.c.project_id == project_id)
    rows = connection.execute(chosen.order_by(objects.c.id, objects.c.created_at_ms.desc(), objects.c.upstream))
    return [Object(**row) for row in rows.mappings()]


def page_of_objects(
    connection: Connection, project_id: str, kind: str, after: Object | None, limit: int, *, is_descending: bool
) -> list[Object]:
    """At most `limit` of this project's objects of this kind, by their age; those that follow `after`, if given."""
    place = (objects.c.created_at_ms, objects.c.id)
    chosen = select(objects).where(objects.c.project_id == project_id, objects.c.kind == kind)
    if after is not None:
        here, there = tuple_(*place), tuple_(after.created_at_ms, after.id)
        chosen = chosen.where(here < there if is_descending else here > there)
    order = [column.desc() if is_descending else column.asc() for column in place]
    rows = connection.execute(chosen.order_by(*order).limit(limit))
    return [Object(**row) for row in rows.mappings()]


def delete_object(connection: Connection, project_id: str, object_id: str, upstream: str) -> None:
    """Forget this object of this project's; nothing if there is none."""
    connection.execute(
        delete(objects).where(
            objects.c.id == object_id, objects.c.upstream == upstream, objects.c.project_id == project_id
        )
    )
