"""A database that must not be used is refused by the command itself, plainly, and left as it is."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest

from e2e.processes import Answer, House
from faults.ground import PostgresGround, SqliteGround

UPSTREAM: Final = "http://127.0.0.1:9"
"""Nobody is called here."""

NEWER: Final = "UPDATE alembic_version SET version_num = '9999'"


def started(house: House) -> Answer:
    """What `keyhouse serve` says; it must end by itself."""
    assert house.configuration is not None
    return house.command("serve", "--port", "0", "--data", str(house.data), "--config", str(house.configuration))


def is_refused(answer: Answer, *words: str) -> None:
    assert (answer.status, answer.output) == (1, "")
    for word in words:
        assert word in answer.talk
    assert "Traceback" not in answer.talk


def files(house: House) -> dict[str, bytes]:
    """Every file of the data, but the note of who holds it and what SQLite shares between readers."""
    found = {path.name: path.read_bytes() for path in house.data.iterdir() if path.suffix != ".lock"}
    return {name: content for name, content in found.items() if content and not name.endswith("-shm")}


def ruin(file: Path) -> None:
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 8192] = b"\xff" * 8192
    file.write_bytes(content)


def replace(file: Path) -> None:
    file.unlink()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE theirs (id)")
        connection.commit()


def age(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(NEWER)
        connection.commit()


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (ruin, ["not changed"]),
        (replace, ["not a Keyhouse database", "not changed"]),
        (lambda file: file.write_text("Dear diary,\n" * 100), ["not a readable SQLite database", "not changed"]),
        (age, ["newer"]),
        (lambda file: file.with_name("master.key").unlink(), ["master key", "missing", "backup"]),
    ],
    ids=["damaged", "another program's", "no database", "newer", "no master key"],
)
def test_a_file_that_must_not_be_used_is_refused_and_left_as_it_is(
    tmp_path: Path, sqlite_ground: SqliteGround, harm: Callable[[Path], Any], words: list[str]
) -> None:
    house = sqlite_ground.house(tmp_path, UPSTREAM)
    harm(house.data / "keyhouse.db")
    before = files(house)
    is_refused(started(house), *words)
    assert files(house) == before


def test_a_second_process_on_one_file_is_refused_and_told_who_has_it(
    tmp_path: Path, sqlite_ground: SqliteGround
) -> None:
    house = sqlite_ground.house(tmp_path, UPSTREAM)
    house.start()
    try:
        assert house.child is not None
        is_refused(started(house), "in use", f"process {house.child.process.pid}", "--data")
        assert house.is_ready()
        house.verify()
    finally:
        house.kill()


def content(ground: PostgresGround, house: House) -> dict[str, list[Any]]:
    """Every table with its rows."""
    assert house.database is not None
    name = house.database.rpartition("/")[2]
    tables = ground.cluster.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1", name)
    return {
        row["tablename"]: [str(found) for found in ground.cluster.execute(f'SELECT * FROM "{row["tablename"]}"', name)]  # noqa: S608
        for row in tables
    }


def of_another_program(ground: PostgresGround, house: House) -> None:
    assert house.database is not None
    name = house.database.rpartition("/")[2]
    ground.cluster.execute("DROP SCHEMA public CASCADE", name)
    ground.cluster.execute("CREATE SCHEMA public", name)
    ground.cluster.execute("CREATE TABLE theirs (id int)", name)


def of_a_newer_program(ground: PostgresGround, house: House) -> None:
    assert house.database is not None
    ground.cluster.execute(NEWER, house.database.rpartition("/")[2])


def without_master_key(_ground: PostgresGround, house: House) -> None:
    (house.data / "master.key").unlink()


def with_another_master_key(_ground: PostgresGround, house: House) -> None:
    (house.data / "master.key").write_text("ab" * 32 + "\n")


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (of_another_program, ["another program", "theirs", "Nothing was changed"]),
        (of_a_newer_program, ["newer"]),
        (without_master_key, ["master key", "missing", "backup"]),
        (with_another_master_key, ["not the master key of this database"]),
    ],
)
def test_a_database_that_must_not_be_used_is_refused_and_left_as_it_is(
    tmp_path: Path,
    postgres_ground: PostgresGround,
    harm: Callable[[PostgresGround, House], None],
    words: list[str],
) -> None:
    house = postgres_ground.house(tmp_path, UPSTREAM)
    harm(postgres_ground, house)
    before, key = content(postgres_ground, house), files(house)
    is_refused(started(house), *words)
    assert content(postgres_ground, house) == before
    assert files(house) == key


def test_a_server_that_is_not_there_is_said_plainly_and_without_the_password(
    tmp_path: Path, sqlite_ground: SqliteGround
) -> None:
    house = sqlite_ground.house(tmp_path, UPSTREAM)
    house.reach("postgresql://keyhouse:hidden@127.0.0.1:9/keyhouse")
    answer = started(house)
    is_refused(answer, "127.0.0.1:9", "cannot be opened")
    assert "hidden" not in answer.talk
