"""Texts are in one order on every engine, that of their bytes, and are found alike."""

from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, select

from given import NOON
from given_engine import Engine
from keyhouse.store import schema
from keyhouse.store.ordering import by_bytes, holds

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


@pytest.mark.parametrize(
    ("part", "found"),
    [
        ("ab", {"xABx", "ab"}),
        ("%", {"100%"}),
        ("_", {"a_b"}),
        ("/", {"a/b"}),
        ("x%x", set()),
        ("", {"xABx", "ab", "100%", "a_b", "a/b"}),
        ("'; DROP TABLE organizations; --", set()),
    ],
)
async def test_a_part_is_found_in_capitals_or_not_and_wildcards_are_only_themselves(
    engine: Engine, tmp_path: Path, part: str, found: set[str]
) -> None:
    database = engine.open(tmp_path)
    column = schema.organizations.c.name

    def ask(connection: Connection) -> set[str]:
        for name in ("xABx", "ab", "100%", "a_b", "a/b"):
            row = {"id": f"org-{name}", "name": name, "time_zone": "UTC", "created_at_ms": NOON}
            connection.execute(insert(schema.organizations), row)
        return set(connection.execute(select(column).where(holds(column, part))).scalars())

    assert await database.write(ask) == found
    await database.close()
