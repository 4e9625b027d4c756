"""`keyhouse admin-keys create --email`: the first admin key, made in the database itself, on both engines."""

import json
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess

import httpx
import pytest

from cli.conftest import command
from cli.test_init import INIT, PASSWORD
from e2e.processes import House

HERE = ["admin-keys", "create", "--name", "first", "--data", "books", "--email"]


@pytest.fixture
def books(tmp_path: Path) -> Path:
    """A folder in which Keyhouse was set up, in `books`."""
    assert command([*INIT, "--json"], tmp_path, PASSWORD).returncode == 0
    return tmp_path


@pytest.fixture
def running(tmp_path: Path, postgres_url: str) -> Iterator[House]:
    """A gateway that runs on PostgreSQL."""
    made = House(tmp_path, database=postgres_url)
    made.init()
    made.start()
    yield made
    made.stop()


def opens(house: House, value: str) -> int:
    """What the Admin API answers to this key."""
    headers = {"authorization": f"Bearer {value}"}
    return httpx.get(f"{house.url}/v1/organization/projects", headers=headers, timeout=30).status_code


def ended(made: "CompletedProcess[str]", status: int, words: str) -> None:
    """It ended so, with these words, and no key."""
    assert (made.returncode, made.stdout) == (status, ""), made.stderr
    assert words in made.stderr


def test_a_key_that_is_made_on_sqlite_opens_the_admin_api(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.init()
    arguments = ("--data", str(house.data), "--email", "Ada@example.com", "--name", "first", "--expires", "90d")
    made = command(["admin-keys", "create", *arguments], tmp_path)
    assert made.returncode == 0, made.stderr
    fields = dict(line.split(maxsplit=1) for line in made.stdout.splitlines())
    assert (fields["name"], fields["owner"]) == ("first", "ada@example.com")
    assert "this is the only time the secret is shown" in made.stderr
    assert command(["audit", "verify", "--data", str(house.data)], tmp_path).returncode == 0
    house.start()
    assert opens(house, fields["secret"]) == 200
    in_use = command(["admin-keys", "create", *arguments], tmp_path)
    house.stop()
    ended(in_use, 1, "is in use by process")


def test_on_postgresql_it_is_made_beside_gateways_that_run(running: House, postgres_url: str, tmp_path: Path) -> None:
    place = ["--database", postgres_url, "--master-key", str(running.data / "master.key")]
    create = ["admin-keys", "create", *place, "--email", "ada@example.com", "--name", "first", "--json"]
    made = command(create, tmp_path)
    assert made.returncode == 0, made.stderr
    shown = json.loads(made.stdout)
    assert shown["object"] == "organization.admin_api_key"
    assert opens(running, shown["value"]) == 200
    assert command(["audit", "verify", *place], tmp_path).returncode == 0


def test_it_is_for_who_may_make_one(books: Path) -> None:
    ended(command([*HERE, "bob@example.com"], books), 3, "Nobody signs in as bob@example.com")
    ended(command([*HERE, "bob"], books), 2, "e-mail address")
    ended(command([*HERE, "ada@example.com", "--expires", "366d"], books), 2, "a year at most")


def test_without_the_right_master_key_nothing_is_made(books: Path) -> None:
    key = books / "books" / "master.key"
    (books / "other.key").write_text("00" * 32)
    ask = [*HERE, "ada@example.com"]
    ended(command([*ask, "--master-key", "other.key"], books), 1, "not the master key of this database")
    key.unlink()
    ended(command(ask, books), 1, "master key")
    assert not key.exists()


def test_where_there_is_no_database_none_is_made(tmp_path: Path) -> None:
    ended(command([*HERE, "ada@example.com"], tmp_path), 1, "There is no database")
    assert list(tmp_path.iterdir()) == []


def test_whose_it_is_and_where_has_to_be_said(books: Path) -> None:
    ended(command(HERE[:-1], books), 2, "--email")
    ended(command([*HERE[:4], "--email", "ada@example.com"], books), 2, "--data or --database")
