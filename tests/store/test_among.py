"""Values of a column are told from others on every engine, however many they are."""

from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, select

from given import NOON
from given_engine import Engine
from keyhouse.store import schema
from keyhouse.store.among import among

pytestmark = pytest.mark.asyncio

NAMES = ['"', "'", "{a,b}", "NULL", "é", "\\", ""]


async def test_a_row_is_found_by_its_text_or_its_number_among_others(engine: Engine, tmp_path: Path) -> None:
    database = engine.open(tmp_path)
    name, at_ms = schema.organizations.c.name, schema.organizations.c.created_at_ms

    def ask(connection: Connection) -> list[set[str]]:
        for number, one in enumerate(NAMES):
            row = {"id": f"org-{number}", "name": one, "time_zone": "UTC", "created_at_ms": NOON + number}
            connection.execute(insert(schema.organizations), row)
        conditions = (
            among(name, [*NAMES[:4], *map(str, range(40_000))]),
            among(name, {"é", "\\"}),
            ~among(at_ms, [NOON, NOON + 1, NOON + 2]),
            among(at_ms, ()),
        )
        return [set(connection.execute(select(name).where(one)).scalars()) for one in conditions]

    assert await database.write(ask) == [set(NAMES[:4]), {"é", "\\"}, set(NAMES[3:]), set()]
    await database.close()
