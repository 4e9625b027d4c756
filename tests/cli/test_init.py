"""`keyhouse init`, on a database of its own."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from admin.town import Town
from cli.conftest import command
from keyhouse.core.secret import parse

PASSWORD = "a long passphrase for tests"


INIT = ["init", "--data", "books", "--email", "ada@example.com", "--organization", "Acme", "--password-stdin"]


def test_init_makes_the_first_organization_and_an_admin_key_once(tmp_path: Path) -> None:
    first = command([*INIT, "--time-zone", "Europe/Berlin", "--json"], tmp_path, PASSWORD + "\n")
    assert (first.returncode, first.stderr) == (0, "")
    made = json.loads(first.stdout)
    assert set(made) == {"organization_id", "project_id", "user_id", "admin_key"}
    assert parse(made["admin_key"]) is not None
    with closing(sqlite3.connect(tmp_path / "books" / "keyhouse.db")) as books:
        (stored,) = books.execute("SELECT password_hash FROM users").fetchone()
    assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    again = command([*INIT, "--json"], tmp_path, PASSWORD)
    assert (again.returncode, again.stdout) == (5, "")
    assert "set up" in again.stderr


def test_init_without_json_shows_the_same_for_people(tmp_path: Path) -> None:
    ended = command(INIT, tmp_path, PASSWORD)
    assert ended.returncode == 0
    assert "sk-admin-kh_" in ended.stdout
    assert "only time" in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "given", "word"),
    [
        (INIT[:-1], PASSWORD, "--password-stdin"),
        (INIT, "", "password"),
        (INIT, "short", "password"),
        ([*INIT, "--time-zone", "Mars/Olympus"], PASSWORD, "time zone"),
        ([*INIT[:3], "--email", "nobody", "--organization", "Acme", "--password-stdin"], PASSWORD, "e-mail"),
        ([*INIT, "--password", PASSWORD], "", "--password"),
    ],
)
def test_init_refuses_what_is_wrong_and_sets_nothing_up(
    tmp_path: Path, arguments: list[str], given: str, word: str
) -> None:
    ended = command(arguments, tmp_path, given)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert word in ended.stderr
    assert PASSWORD not in ended.stderr
    assert command(INIT, tmp_path, PASSWORD).returncode == 0


def test_init_leaves_a_database_in_use_alone(town: Town, tmp_path: Path) -> None:
    ended = command(["init", "--data", ".", *INIT[3:]], tmp_path, PASSWORD)
    assert ended.returncode == 1
    assert "in use" in ended.stderr


def test_a_bad_configuration_stops_init_with_the_fields_name(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("[server]\ncolour = 'blue'\n")
    ended = command([*INIT, "--config", "bad.toml"], tmp_path, PASSWORD)
    assert ended.returncode == 1
    assert "colour" in ended.stderr


def test_init_works_on_postgresql_and_the_master_key_stays_a_file(tmp_path: Path, postgres_url: str) -> None:
    url = {"KEYHOUSE_DATABASE__URL": postgres_url}
    first = command([*INIT, "--json"], tmp_path, PASSWORD, url)
    assert (first.returncode, first.stderr) == (0, "")
    assert [path.name for path in (tmp_path / "books").iterdir()] == ["master.key"]
    assert command(INIT, tmp_path, PASSWORD, url).returncode == 5
    # Another gateway needs the same key, and does not make one of its own.
    elsewhere = command(["init", "--data", "elsewhere", *INIT[3:]], tmp_path, PASSWORD, url)
    assert elsewhere.returncode == 1
    assert "copy it from another gateway" in elsewhere.stderr
    assert not (tmp_path / "elsewhere").exists()
