"""`keyhouse db`: what the schema is, and bringing it up to date, on both engines."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import command
from given import a_database
from keyhouse.store import migrations
from postgres import Cluster


def asked(folder: Path, *arguments: str) -> tuple[dict[str, Any], str]:
    """What the command says in JSON, and what it says to people."""
    ended = command(["db", *arguments, "--json"], folder)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout), ended.stderr


def body(revision: str | None, *, needs_upgrade: bool) -> dict[str, Any]:
    return {
        "object": "database.status",
        "revision": revision,
        "newest": migrations.HEAD,
        "needs_upgrade": needs_upgrade,
    }


def test_an_empty_database_is_upgraded_once(tmp_path: Path, empty_postgres_url: str) -> None:
    place = ("--database", empty_postgres_url)
    assert asked(tmp_path, "status", *place) == (body(None, needs_upgrade=True), "")
    done, said = asked(tmp_path, "upgrade", *place)
    assert done == body(migrations.HEAD, needs_upgrade=False)
    assert "upgraded from an empty database" in said
    assert asked(tmp_path, "upgrade", *place) == (done, "")
    assert asked(tmp_path, "status", *place) == (done, "")


def test_a_file_is_looked_at_and_not_made(tmp_path: Path) -> None:
    for verb in ("status", "upgrade"):
        ended = command(["db", verb, "--data", "."], tmp_path)
        assert (ended.returncode, ended.stdout) == (1, "")
        assert "There is no database" in ended.stderr
    a_database(tmp_path).close_now()
    assert asked(tmp_path, "status", "--data", ".") == (body(migrations.HEAD, needs_upgrade=False), "")
    ended = command(["db", "status", "--data", "."], tmp_path)
    assert ended.stdout.split() == f"revision {migrations.HEAD} newest known {migrations.HEAD} needs upgrade no".split()


def test_a_file_in_use_is_not_upgraded(tmp_path: Path) -> None:
    database = a_database(tmp_path)
    ended = command(["db", "upgrade", "--data", "."], tmp_path)
    database.close_now()
    assert ended.returncode == 1
    assert "in use by process" in ended.stderr


@pytest.mark.parametrize("verb", ["status", "upgrade"])
def test_a_newer_schema_is_told_and_left_alone(tmp_path: Path, cluster: Cluster, postgres_url: str, verb: str) -> None:
    cluster.execute("UPDATE alembic_version SET version_num = '9999'", postgres_url.rpartition("/")[2])
    if verb == "status":
        assert asked(tmp_path, verb, "--database", postgres_url) == (body("9999", needs_upgrade=False), "")
        return
    ended = command(["db", verb, "--database", postgres_url], tmp_path)
    assert ended.returncode == 1
    assert "newer Keyhouse" in ended.stderr


@pytest.mark.parametrize("given", ["0019", "9999"])
def test_the_books_of_another_schema_are_not_read_but_what_to_do_is_said(tmp_path: Path, given: str) -> None:
    a_database(tmp_path).close_now()
    with closing(sqlite3.connect(tmp_path / "keyhouse.db")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (given,))
        connection.execute("DROP TABLE usage_hour")
        connection.commit()
    for verb in (["ledger", "verify"], ["ledger", "explain", "call_035388PKZfldAlvlZiwc2S"]):
        ended = command([*verb, "--data", "."], tmp_path)
        assert (ended.returncode, ended.stdout) == (1, ""), ended.stderr
        assert f"schema {given}" in ended.stderr
        assert ("keyhouse db upgrade" if given == "0019" else "Install that version") in ended.stderr
        assert "Nothing was changed" in ended.stderr.replace("nothing", "Nothing")


def test_the_books_of_an_empty_database_are_not_read(tmp_path: Path, empty_postgres_url: str) -> None:
    ended = command(["ledger", "verify", "--database", empty_postgres_url], tmp_path)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "no schema yet" in ended.stderr
    assert "keyhouse db upgrade" in ended.stderr
