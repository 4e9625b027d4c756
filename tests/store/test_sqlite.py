"""One owner, one writer, and a file that is refused rather than harmed."""

import asyncio
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import create_engine, insert, select, text
from sqlalchemy.exc import OperationalError

from given import NOON, FakeClock, a_database, seeded_entropy
from keyhouse.store import schema
from keyhouse.store.audit import Event
from keyhouse.store.engine import Actor, CannotOpen, Change, Unavailable
from keyhouse.store.sqlite import LOG_BYTES, open_sqlite, read_only

ACTOR = Actor("session", "org-Spoken", "user-1", "ada@example.com", "owner")


def an_organization(name: str = "Acme") -> dict[str, object]:
    return {"id": f"org-{name}", "name": name, "time_zone": "UTC", "created_at_ms": NOON}


def open_again(path: Path) -> None:
    open_sqlite(path, FakeClock(), seeded_entropy()).close_now()


def tables_of(path: Path) -> dict[str, set[str]]:
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    connection.close()
    parts = {name: " ".join(sql.split()).replace(")", ",").split(",") for name, sql in rows}
    return {name: {part.strip() for part in each} for name, each in parts.items()}


def test_a_migrated_database_has_the_schema_that_the_program_knows(tmp_path: Path) -> None:
    a_database(tmp_path).close_now()
    fresh = create_engine(f"sqlite:///{tmp_path / 'fresh.db'}")
    schema.METADATA.create_all(fresh)
    fresh.dispose()
    migrated = tables_of(tmp_path / "keyhouse.db")
    migrated.pop("alembic_version")
    assert migrated == tables_of(tmp_path / "fresh.db")


@pytest.mark.asyncio
async def test_what_was_written_is_there_after_a_restart(tmp_path: Path) -> None:
    database = a_database(tmp_path)
    await database.write(
        lambda connection: connection.execute(insert(schema.organizations), an_organization()).rowcount
    )
    await database.close()
    database = a_database(tmp_path)
    names = await database.read(
        lambda connection: connection.execute(select(schema.organizations.c.name)).scalars().all()
    )
    assert names == ["Acme"]
    await database.close()


@pytest.mark.asyncio
async def test_a_write_that_raises_leaves_nothing(tmp_path: Path) -> None:
    database = a_database(tmp_path)

    def step(connection: object) -> None:
        connection.execute(insert(schema.organizations), an_organization())  # type: ignore[attr-defined]
        raise KeyError

    with pytest.raises(KeyError):
        await database.write(step)
    assert await database.read(lambda connection: connection.execute(select(schema.organizations)).all()) == []
    await database.close()


@pytest.mark.asyncio
async def test_a_change_without_an_audit_entry_does_not_happen(tmp_path: Path) -> None:
    database = a_database(tmp_path)

    def silent(change: Change) -> None:
        change.connection.execute(insert(schema.organizations), an_organization("Silent"))

    def spoken(change: Change) -> None:
        change.connection.execute(insert(schema.organizations), an_organization("Spoken"))
        change.record(Event.ORGANIZATION_CREATED, "org-Spoken", details={"name": "Spoken"})

    with pytest.raises(AssertionError):
        await database.change(ACTOR, silent)
    await database.change(ACTOR, spoken)
    names = await database.read(
        lambda connection: connection.execute(select(schema.organizations.c.name)).scalars().all()
    )
    entries = await database.read(lambda connection: connection.execute(select(schema.audit_events)).all())
    assert names == ["Spoken"]
    assert [(entry.event, entry.actor_id, entry.resource_id) for entry in entries] == [
        ("organization.created", "user-1", "org-Spoken")
    ]
    await database.close()


@pytest.mark.asyncio
async def test_a_reader_cannot_write(tmp_path: Path) -> None:
    database = a_database(tmp_path)
    with pytest.raises(OperationalError, match="readonly"):
        await database.read(
            lambda connection: connection.execute(insert(schema.organizations), an_organization()).rowcount
        )
    await database.close()


@pytest.mark.asyncio
async def test_writes_happen_one_after_the_other_in_the_order_they_were_asked_for(tmp_path: Path) -> None:
    database = a_database(tmp_path)
    order: list[int] = []
    await asyncio.gather(*(database.write(lambda _, n=n: order.append(n)) for n in range(100)))  # type: ignore[misc]
    assert order == list(range(100))
    await database.close()


def test_every_commit_is_synced(tmp_path: Path) -> None:
    database = a_database(tmp_path)
    assert database.driver.execute("PRAGMA synchronous").fetchone() == (2,)
    assert database.driver.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    database.close_now()


def test_a_second_owner_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    database = a_database(tmp_path)
    with pytest.raises(CannotOpen, match=r"in use by process \d+ on "):
        open_again(tmp_path / "keyhouse.db")
    database.close_now()
    open_again(tmp_path / "keyhouse.db")


@pytest.mark.parametrize("content", [b"not a database at all, but long enough to have a header" * 100, b"x"])
def test_a_file_of_another_program_is_refused_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "keyhouse.db"
    path.write_bytes(content)
    with pytest.raises(CannotOpen, match="is not a (readable SQLite|Keyhouse) database"):
        open_again(path)
    assert path.read_bytes() == content
    assert not path.with_name("keyhouse.db-wal").exists()


def test_a_foreign_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "keyhouse.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(CannotOpen, match="not a Keyhouse database"):
        open_again(path)
    assert path.read_bytes() == before


def test_a_damaged_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    a_database(tmp_path).close_now()
    path = tmp_path / "keyhouse.db"
    content = bytearray(path.read_bytes())
    content[4096 * 2 : 4096 * 6] = b"\xa5" * 4096 * 4
    path.write_bytes(content)
    with pytest.raises(CannotOpen, match="damaged|cannot be read|not a readable"):
        open_again(path)
    assert path.read_bytes() == content


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    a_database(tmp_path).close_now()
    path = tmp_path / "keyhouse.db"
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    content = path.read_bytes()
    with pytest.raises(CannotOpen, match="newer Keyhouse"):
        open_again(path)
    assert path.read_bytes() == content


def test_the_books_can_be_read_beside_a_running_server_and_after_a_crash(tmp_path: Path) -> None:
    database = a_database(tmp_path)
    for _ in range(2):
        engine = read_only(tmp_path / "keyhouse.db")
        with engine.connect() as connection:
            assert connection.execute(text("SELECT count(*) FROM calls")).scalar() == 0
        engine.dispose()
    database.close_now()
    engine = read_only(tmp_path / "keyhouse.db")
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM calls")).scalar() == 0
    engine.dispose()
    with pytest.raises(CannotOpen, match="no database"):
        read_only(tmp_path / "elsewhere.db")


@pytest.mark.asyncio
async def test_the_log_is_folded_into_the_file_and_stays_short(tmp_path: Path) -> None:
    database = a_database(tmp_path)
    database.driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    blob = "x" * 400_000
    for number in range(200):
        row = an_organization(f"{number}") | {"name": blob}
        await database.write(lambda connection, row=row: connection.execute(insert(schema.organizations), row).rowcount)  # type: ignore[misc]
    log = tmp_path / "keyhouse.db-wal"
    assert log.stat().st_size < 2 * LOG_BYTES
    await database.close()
    assert not log.exists() or log.stat().st_size == 0


@pytest.mark.asyncio
async def test_a_full_disk_is_unavailable_and_later_it_works_again(tmp_path: Path) -> None:
    database = a_database(tmp_path)
    pages = database.driver.execute("PRAGMA page_count").fetchone()[0]
    database.driver.execute(f"PRAGMA max_page_count = {pages}")
    large = an_organization() | {"name": "x" * 100_000}
    for _ in range(2):
        with pytest.raises(Unavailable) as caught:
            await database.write(lambda connection: connection.execute(insert(schema.organizations), large).rowcount)
        assert "full" in caught.value.internal
    database.driver.execute("PRAGMA max_page_count = 1000000")
    await database.write(lambda connection: connection.execute(insert(schema.organizations), large).rowcount)
    await database.close()


@pytest.mark.asyncio
async def test_a_disk_that_became_read_only_is_unavailable_and_a_mistake_of_ours_is_not(tmp_path: Path) -> None:
    database = a_database(tmp_path)
    await database.on_writer(lambda: database.driver.execute("PRAGMA query_only = ON"))
    with pytest.raises(Unavailable):
        await database.write(lambda c: c.execute(insert(schema.organizations), an_organization()).rowcount)
    await database.on_writer(lambda: database.driver.execute("PRAGMA query_only = OFF"))
    with pytest.raises(OperationalError, match="no such table"):
        await database.write(lambda c: c.execute(text("SELECT * FROM nowhere")).rowcount)
    await database.close()
