"""Texts are in one order on every engine: that of their bytes."""

from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, select

from given import NOON
from given_engine import Engine
from keyhouse.store import schema
from keyhouse.store.ordering import by_bytes

pytestmark = pytest.mark.asyncio

NAMES = ["a", "B", "_", "Z", "z", "é", "-", "10", "9", "aB", "Ab", "\N{GRINNING FACE}", "~"]


async def test_the_order_is_pythons(engine: Engine, tmp_path: Path) -> None:
    database = engine.open(tmp_path)
    column = schema.organizations.c.name

    def ask(connection: Connection) -> tuple[list[str], list[str], list[str]]:
        for name in NAMES:
            row = {"id": f"org-{name}", "name": name, "time_zone": "UTC", "created_at_ms": NOON}
            connection.execute(insert(schema.organizations), row)
        rising = select(column).order_by(by_bytes(column))
        falling = select(column).order_by(by_bytes(column).desc())
        above = select(column).where(by_bytes(column) > "a")
        return (
            list(connection.execute(rising).scalars()),
            list(connection.execute(falling).scalars()),
            list(connection.execute(above).scalars()),
        )

    rising, falling, above = await database.write(ask)
    await database.close()
    assert rising == sorted(NAMES)
    assert falling == sorted(NAMES, reverse=True)
    assert set(above) == {name for name in NAMES if name > "a"}
