"""PostgreSQL as the engine: what it opens, what it refuses, and how it outlives the loss of connections."""

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import Connection, insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from given import AUDIT_KEY, NOON, FakeClock, seeded_entropy, some_people
from keyhouse.core.errors import Code, Refusal
from keyhouse.store import migrations, postgres, schema
from keyhouse.store.audit import Event
from keyhouse.store.engine import Actor, CannotOpen, Change, Unavailable
from keyhouse.store.postgres import SERVER_VERSION_MIN, PostgresDatabase, open_postgres, read_only
from postgres import Cluster, a_cluster

pytestmark = pytest.mark.asyncio

ACTOR = Actor("session", "org-Spoken", "user-1", "ada@example.com", "owner")
WHO = text("SELECT pg_backend_pid()")


def a_database(url: str) -> PostgresDatabase:
    database = PostgresDatabase(url, FakeClock(), seeded_entropy())
    database.chain_with(AUDIT_KEY)
    return database


@pytest_asyncio.fixture
async def database(postgres_url: str) -> AsyncIterator[PostgresDatabase]:
    made = a_database(postgres_url)
    yield made
    await made.close()


def an_organization(name: str = "Acme") -> dict[str, object]:
    return {"id": f"org-{name}", "name": name, "time_zone": "UTC", "created_at_ms": NOON}


def insert_organization(connection: Connection, name: str = "Acme") -> None:
    connection.execute(insert(schema.organizations), an_organization(name))


def names(connection: Connection) -> list[str]:
    return list(connection.execute(select(schema.organizations.c.name).order_by(schema.organizations.c.id)).scalars())


async def opened(url: str, version_min: int = SERVER_VERSION_MIN) -> None:
    await (await open_postgres(url, FakeClock(), seeded_entropy(), version_min)).close()


async def test_what_was_written_is_there_for_the_next_one_who_opens_it(postgres_url: str) -> None:
    for _ in range(2):
        database = await open_postgres(postgres_url, FakeClock(), seeded_entropy())
        if not await database.read(names):
            await database.write(insert_organization)
        await database.close()
    database = a_database(postgres_url)
    assert await database.read(names) == ["Acme"]
    await database.close()


async def test_a_write_that_raises_leaves_nothing(database: PostgresDatabase) -> None:
    def step(connection: Connection) -> None:
        insert_organization(connection)
        raise KeyError

    with pytest.raises(KeyError):
        await database.write(step)
    assert await database.read(names) == []


async def test_a_change_without_an_audit_entry_does_not_happen(database: PostgresDatabase) -> None:
    def silent(change: Change) -> None:
        insert_organization(change.connection, "Silent")

    def spoken(change: Change) -> None:
        insert_organization(change.connection, "Spoken")
        change.record(Event.ORGANIZATION_CREATED, "org-Spoken", details={"name": "Spoken"})

    with pytest.raises(AssertionError):
        await database.change(ACTOR, silent)
    await database.change(ACTOR, spoken)
    assert await database.read(names) == ["Spoken"]
    entries = await database.read(lambda c: c.execute(select(schema.audit_events)).all())
    assert [(entry.event, entry.actor_id, entry.resource_id) for entry in entries] == [
        ("organization.created", "user-1", "org-Spoken")
    ]


async def test_a_reader_cannot_write(database: PostgresDatabase) -> None:
    # Not `Unavailable`, which would say that it can later.
    with pytest.raises(DBAPIError, match="read-only"):
        await database.read(insert_organization)


async def test_a_reader_sees_one_snapshot(database: PostgresDatabase) -> None:
    loop = asyncio.get_running_loop()

    def twice(connection: Connection) -> list[list[str]]:
        before = names(connection)
        # From inside the reader's transaction, let another one write.
        writing = asyncio.run_coroutine_threadsafe(database.write(insert_organization), loop)
        while not writing.done():
            connection.execute(text("SELECT pg_sleep(0.01)"))
        return [before, names(connection)]

    assert await database.read(twice) == [[], []]
    assert await database.read(names) == ["Acme"]


async def test_every_connection_is_set_up_for_promises_that_hold(database: PostgresDatabase) -> None:
    expected = {
        "application_name": "keyhouse",
        "synchronous_commit": "on",
        "lock_timeout": "5s",
        "idle_in_transaction_session_timeout": "10s",
    }

    def settings(connection: Connection) -> dict[str, str]:
        return {name: connection.execute(text(f"SHOW {name}")).scalar_one() for name in expected}

    assert await database.read(settings) == expected
    isolation = text("SHOW transaction_isolation")
    assert await database.read(lambda c: c.execute(isolation).scalar_one()) == "repeatable read"
    assert await database.write(lambda c: c.execute(isolation).scalar_one()) == "read committed"
    own = await database.connect()
    assert {name: await own.fetchval(f"SHOW {name}") for name in expected} == expected
    await own.close()


async def test_many_at_once_share_a_few_connections(database: PostgresDatabase) -> None:
    await asyncio.gather(*(database.write(partial(insert_organization, name=f"{n:02}")) for n in range(40)))
    assert len(await database.read(names)) == 40
    count = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
    assert await database.read(lambda c: c.execute(count).scalar_one()) <= postgres.POOL_SIZE


async def test_a_caller_that_is_cancelled_stops_waiting_and_the_write_is_done(database: PostgresDatabase) -> None:
    def slow(connection: Connection) -> None:
        connection.execute(text("SELECT pg_sleep(0.1)"))
        insert_organization(connection)

    task = asyncio.create_task(database.write(slow))
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await database.close()
    assert await database.read(names) == ["Acme"]


async def test_of_two_that_deadlock_both_are_done(database: PostgresDatabase) -> None:
    for name in ("a", "b"):
        await database.write(partial(insert_organization, name=name))
    tries: list[str] = []
    table = schema.organizations

    def rename(first: str, second: str) -> Callable[[Connection], None]:
        def step(connection: Connection) -> None:
            tries.append(first)
            connection.execute(table.update().where(table.c.id == first).values(name=first))
            connection.execute(text("SELECT pg_sleep(0.2)"))
            connection.execute(table.update().where(table.c.id == second).values(name=first))

        return step

    await asyncio.gather(database.write(rename("org-a", "org-b")), database.write(rename("org-b", "org-a")))
    assert len(tries) >= 3
    assert len(set(await database.read(names))) == 1


async def test_a_lock_that_is_not_given_up_makes_it_unavailable(postgres_url: str, database: PostgresDatabase) -> None:
    await database.write(insert_organization)
    holder = await database.connect()
    transaction = holder.transaction()
    await transaction.start()
    await holder.execute("SELECT * FROM organizations FOR UPDATE")

    def wait(connection: Connection) -> None:
        connection.execute(text("SET LOCAL lock_timeout = '50ms'"))
        connection.execute(select(schema.organizations).with_for_update())

    with pytest.raises(Unavailable) as caught:
        await database.write(wait)
    assert (caught.value.code, caught.value.retry_after_ms) == (Code.LEDGER_UNAVAILABLE, 1_000)
    assert "lock timeout" in caught.value.internal
    await transaction.rollback()
    await holder.close()


async def test_a_mistake_of_ours_is_not_taken_for_an_absent_database(database: PostgresDatabase) -> None:
    with pytest.raises(DBAPIError, match="does not exist"):
        await database.read(lambda c: c.execute(text("SELECT * FROM nowhere")))
    await database.write(insert_organization)
    with pytest.raises(IntegrityError):
        await database.write(insert_organization)


async def test_a_character_that_cannot_be_kept_is_refused(database: PostgresDatabase) -> None:
    with pytest.raises(Refusal) as caught:
        await database.write(lambda c: insert_organization(c, "nul\0"))
    assert caught.value.code is Code.PARAMETER_INVALID


async def test_connections_that_were_ended_are_replaced(database: PostgresDatabase, cluster: Cluster) -> None:
    await asyncio.gather(*(database.read(lambda c: c.execute(text("SELECT pg_sleep(0.05)"))) for _ in range(8)))
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'keyhouse'"
    before = await database.read(lambda c: c.execute(WHO).scalar_one())
    cluster.execute(end)
    assert await database.read(lambda c: c.execute(WHO).scalar_one()) != before
    await asyncio.to_thread(cluster.execute, end)
    await database.write(insert_organization)


async def test_a_connection_lost_before_the_commit_is_tried_again(database: PostgresDatabase) -> None:
    processes: list[int] = []

    def step(connection: Connection) -> None:
        processes.append(connection.execute(WHO).scalar_one())
        insert_organization(connection)
        if len(processes) == 1:
            connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    await database.write(step)
    assert len(processes) == 2
    assert await database.read(names) == ["Acme"]


async def test_a_server_that_is_gone_is_unavailable_until_it_is_back() -> None:
    with a_cluster(is_durable=True) as cluster:
        await opened(cluster.url("postgres"))
        database = a_database(cluster.url("postgres"))
        await database.write(insert_organization)
        for end in (cluster.stop, cluster.kill):
            await asyncio.to_thread(end)
            for attempt in (database.read(names), database.write(some_people), database.connect()):
                with pytest.raises(Unavailable):
                    await attempt
            await asyncio.to_thread(cluster.start)
            assert await database.read(names) == ["Acme"]
        await database.close()


async def test_a_new_database_gets_its_schema_once_however_many_open_it(empty_postgres_url: str) -> None:
    await asyncio.gather(*(opened(empty_postgres_url) for _ in range(4)))
    assert await read_only(empty_postgres_url, migrations.revision) == migrations.HEAD


async def test_a_question_of_any_length_is_asked_without_a_gateway(postgres_url: str) -> None:
    unlimited = text("SHOW transaction_read_only")
    assert await read_only(postgres_url, lambda c: c.execute(unlimited).scalar_one()) == "on"


async def refusal_to_open(url: str, version_min: int = SERVER_VERSION_MIN) -> str:
    """Why it is not opened; it must be the same for everyone, and hold no password."""
    said = set()
    for attempt in (opened(url, version_min), read_only(url, names, version_min)):
        with pytest.raises(CannotOpen) as caught:
            await attempt
        said.add(str(caught.value))
    (message,) = said
    assert "hunter2" not in message
    return message


async def test_another_programs_database_is_refused_and_left_as_it_is(
    cluster: Cluster, empty_postgres_url: str
) -> None:
    database = empty_postgres_url.rpartition("/")[2]
    cluster.execute("CREATE TABLE alembic_version (version_num text)", database)
    cluster.execute("CREATE TABLE recipes (name text)", database)
    assert "another program, such as" in await refusal_to_open(empty_postgres_url)
    tables = cluster.execute("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace", database)
    assert sorted(row[0] for row in tables) == ["alembic_version", "recipes"]


async def test_a_newer_schema_is_refused(cluster: Cluster, postgres_url: str) -> None:
    cluster.execute("UPDATE alembic_version SET version_num = '9999'", postgres_url.rpartition("/")[2])
    with pytest.raises(CannotOpen, match="newer Keyhouse"):
        await opened(postgres_url)


async def test_an_old_server_is_refused(cluster: Cluster, postgres_url: str) -> None:
    found = int(cluster.execute("SHOW server_version_num")[0][0]) // 10_000
    assert f"is PostgreSQL {found}: Keyhouse needs {found + 1}" in await refusal_to_open(postgres_url, found + 1)


async def test_what_cannot_be_reached_is_said_without_its_password(cluster: Cluster) -> None:
    closed = "postgresql://ada:hunter2@127.0.0.1:1/keyhouse"
    assert (await refusal_to_open(closed)).startswith("postgresql://ada@127.0.0.1:1/keyhouse cannot be opened: Conn")
    missing = cluster.url("missing").replace("@", ":hunter2@")
    assert 'database "missing" does not exist' in await refusal_to_open(missing)
    assert "cannot be read" in await refusal_to_open("postgresql://ada:hunter2@127.0.0.1:x/keyhouse")


async def test_a_wrong_password_is_said_without_it(cluster: Cluster) -> None:
    rules = cluster.folder / "data" / "pg_hba.conf"
    before = rules.read_text(encoding="utf-8")
    rules.write_text("host all ada 127.0.0.1/32 scram-sha-256\n" + before, encoding="utf-8")
    cluster.execute("CREATE ROLE ada LOGIN PASSWORD 'another'")
    cluster.execute("SELECT pg_reload_conf()")
    try:
        url = f"postgresql://ada:hunter2@127.0.0.1:{cluster.port}/postgres"
        assert 'password authentication failed for user "ada"' in await refusal_to_open(url)
    finally:
        rules.write_text(before, encoding="utf-8")
        cluster.execute("DROP ROLE ada")
        cluster.execute("SELECT pg_reload_conf()")


async def test_a_database_without_unicode_is_refused(cluster: Cluster) -> None:
    cluster.execute("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE_PROVIDER libc LOCALE 'C'")
    try:
        assert "LATIN1" in await refusal_to_open(cluster.url("latin"))
    finally:
        cluster.execute("DROP DATABASE latin")


def catalog(connection: Connection) -> dict[str, Any]:
    """Every column, constraint and index, as PostgreSQL itself writes them down."""
    questions = {
        "columns": """
            SELECT table_name, column_name, data_type, is_nullable, column_default, is_identity
            FROM information_schema.columns WHERE table_schema = 'public'""",
        "constraints": """
            SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
            FROM pg_constraint WHERE connamespace = 'public'::regnamespace""",
        "indexes": "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
        "storage": """
            SELECT relname, reloptions::text FROM pg_class
            WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'""",
    }
    return {
        name: sorted(tuple(row) for row in connection.execute(text(question)) if "alembic_version" not in str(row[0]))
        for name, question in questions.items()
    }


async def test_a_migrated_database_has_the_schema_that_the_program_knows(
    postgres_url: str, empty_postgres_url: str
) -> None:
    migrated, fresh = a_database(postgres_url), a_database(empty_postgres_url)
    await fresh.write(schema.METADATA.create_all)
    assert await migrated.read(catalog) == await fresh.read(catalog)
    await migrated.close()
    await fresh.close()
