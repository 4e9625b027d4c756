"""One address, one database, whichever engine it is."""

from pathlib import Path

import pytest
from sqlalchemy import select

from given import FakeClock, seeded_entropy, some_people
from keyhouse.store import migrations, schema
from keyhouse.store.engine import CannotOpen
from keyhouse.store.opening import address_of, look, open_database
from keyhouse.store.postgres import PostgresDatabase
from keyhouse.store.sqlite import SqliteDatabase

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize("kind", [SqliteDatabase, PostgresDatabase])
async def test_what_was_opened_can_be_looked_at_beside_it(
    tmp_path: Path, empty_postgres_url: str, kind: type[object]
) -> None:
    url = address_of(tmp_path) if kind is SqliteDatabase else empty_postgres_url
    database = await open_database(url, FakeClock(), seeded_entropy())
    assert isinstance(database, kind)
    await database.write(some_people)
    assert await look(url, migrations.revision) == migrations.HEAD
    names = select(schema.organizations.c.name)
    assert await look(url, lambda connection: connection.execute(names).scalars().all()) == ["Acme"]
    await database.close()


@pytest.mark.parametrize("url", ["mysql://ada:hunter2@db/keyhouse", "/var/lib/keyhouse.db", ""])
async def test_another_address_is_refused_without_showing_it(url: str) -> None:
    for attempt in (open_database(url, FakeClock(), seeded_entropy()), look(url, migrations.revision)):
        with pytest.raises(CannotOpen, match="neither sqlite:///") as caught:
            await attempt
        assert "hunter2" not in str(caught.value)
