"""`keyhouse reset-password`: a link, made by reading alone."""

import json
from pathlib import Path

from cli.conftest import command
from cli.test_init import INIT, PASSWORD

ASK = ["reset-password", "--data", "books", "--email"]


def test_it_prints_a_link_for_whom_there_is_and_says_who_there_is_not(tmp_path: Path) -> None:
    assert command([*INIT, "--json"], tmp_path, PASSWORD).returncode == 0
    made = command([*ASK, "Ada@example.com", "--url", "https://keys.example.com/"], tmp_path)
    assert made.returncode == 0, made.stderr
    assert made.stdout.startswith("https://keys.example.com/new-password/")
    assert "within 30 minutes" in made.stderr
    shown = json.loads(command([*ASK, "ada@example.com", "--json"], tmp_path).stdout)
    assert (shown["email"], "/new-password/" in shown["url"]) == ("ada@example.com", True)
    nobody = command([*ASK, "nobody@example.com"], tmp_path)
    assert (nobody.returncode, nobody.stdout) == (3, "")
    assert "Nobody signs in as nobody@example.com" in nobody.stderr


def test_without_the_master_key_there_is_no_link(tmp_path: Path) -> None:
    assert command([*INIT, "--json"], tmp_path, PASSWORD).returncode == 0
    (tmp_path / "books" / "master.key").unlink()
    ended = command([*ASK, "ada@example.com"], tmp_path)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "master key" in ended.stderr


def test_where_there_is_no_database_it_says_so_and_not_that_a_key_is_missing(tmp_path: Path) -> None:
    ended = command([*ASK, "ada@example.com"], tmp_path)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "keyhouse: There is no database at books/keyhouse.db.\n"


def test_the_link_leads_to_where_keyhouse_is_by_all_that_is_known(tmp_path: Path) -> None:
    assert command([*INIT, "--json"], tmp_path, PASSWORD).returncode == 0

    def led(**environment: str) -> tuple[str, bool]:
        made = command([*ASK, "ada@example.com"], tmp_path, environment=environment)
        return made.stdout.partition("/new-password/")[0], "name it by --url" in made.stderr

    configured = {"KEYHOUSE_SERVER__PORT": "9000"}
    assert led() == ("http://127.0.0.1:8080", True)
    assert led(**configured) == ("http://127.0.0.1:9000", True)
    assert led(**configured, KEYHOUSE_URL="http://127.0.0.1:9001/") == ("http://127.0.0.1:9001", False)
    public = {"KEYHOUSE_SERVER__PUBLIC_URL": "https://keys.example.com"}
    assert led(**public, KEYHOUSE_URL="http://127.0.0.1:9001") == ("https://keys.example.com", False)


def test_without_a_folder_the_configured_database_is_asked(tmp_path: Path) -> None:
    assert command([*INIT, "--json"], tmp_path, PASSWORD).returncode == 0
    ask = ["reset-password", "--email", "ada@example.com"]
    assert "no database at data/keyhouse.db" in command(ask, tmp_path).stderr
    place = {
        "KEYHOUSE_DATABASE__URL": "sqlite:///books/keyhouse.db",
        "KEYHOUSE_SECRETS__MASTER_KEY_FILE": "books/master.key",
    }
    assert command(ask, tmp_path, environment=place).returncode == 0
