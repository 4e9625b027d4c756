"""The command as people and programs meet it: a process with arguments, exit codes, stdout and stderr."""

import json
import os
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from admin.town import NOW, Town
from cli.conftest import COMMAND, Run, command
from cli.script import play
from keyhouse.core.secret import parse
from keyhouse.store import schema

SCRIPTS = Path(__file__).parent / "scripts"
PASSWORD = "a long passphrase for tests"
COMMANDS = (
    *(("projects", verb) for verb in ("list", "create", "show", "update", "archive")),
    *(("keys", verb) for verb in ("create", "list", "show", "update", "rotate", "disable", "enable", "revoke")),
    *(("limits", verb) for verb in ("set", "list", "delete")),
    ("usage",),
    ("costs",),
    ("init",),
    ("serve",),
)
INIT = ["init", "--data", "books", "--email", "ada@example.com", "--organization", "Acme", "--password-stdin"]


def used(town: Town) -> None:
    """Three calls of `key_1` and one of `key_2` on the day before the town's clock."""
    shared = {
        "starts_at_ms": (NOW - 31 * 3600) * 1000,
        "organization_id": "org-1",
        "project_id": "proj_1",
        "owner_id": "user-1",
        "upstream": "local",
        "endpoint": "/v1/chat/completions",
    }
    rows = (
        {"key_id": "key_1", "model": "tiny-1", "requests": 3, "errors": 1, "input_tokens": 300, "output_tokens": 150}
        | {"cached_input_tokens": 30, "cost_nano_usd": 123_456_789},
        {"key_id": "key_2", "model": "tiny-2", "requests": 1, "input_tokens": 100, "output_tokens": 50}
        | {"cost_nano_usd": 1},
    )
    for row in rows:
        town.execute(lambda c, r=row: c.execute(insert(schema.usage_hour).values(shared | r)))  # type: ignore[misc]


@pytest.mark.parametrize("script", sorted(SCRIPTS.glob("*.txt")), ids=lambda path: path.stem)
def test_the_script_says_what_happens(town: Town, run: Run, script: Path) -> None:
    used(town)
    play(script, run)


def test_json_is_the_apis_own_object_and_the_only_thing_on_stdout(town: Town, run: Run) -> None:
    made = run(["keys", "create", "--name", "app", "--budget", "0.5/day", "--tokens-per-minute", "40000", "--json"])
    assert (made.returncode, made.stderr) == (0, "")
    key: dict[str, Any] = json.loads(made.stdout)
    secret = parse(key.pop("value"))
    assert secret is not None
    assert secret.key_id == key["id"]
    assert {(limit["unit"], limit["window"], limit["amount"]) for limit in key["limits"]} == {
        ("usd", "day", "0.50"),
        ("tokens", "minute", "40000"),
    }
    shown = run(["keys", "show", key["id"], "--json"])
    assert json.loads(shown.stdout) == key
    listed = json.loads(run(["keys", "list", "--json"]).stdout)
    assert key in listed["data"]
    rotated = json.loads(run(["keys", "rotate", key["id"], "--overlap", "0", "--json"]).stdout)
    assert rotated["previous_secret_expires_at"] == NOW
    assert json.loads(run(["keys", "revoke", key["id"], "--json"]).stdout)["deleted"] is True


def test_every_command_prints_json(town: Town, run: Run) -> None:
    used(town)
    limit_set = ["limits", "set", "--organization", "--unit", "usd", "--window", "day", "--amount", "1", "--json"]
    limit = json.loads(run(limit_set).stdout)
    assert limit["scope"] == {"type": "organization", "id": "org-1"}
    project = json.loads(run(["projects", "create", "--name", "Research", "--json"]).stdout)
    for words in (
        "projects list",
        "projects show Research",
        "projects update Research --name Studies",
        f"projects archive {project['id']}",
        "keys list",
        "keys show key_1",
        "keys update key_1 --name x",
        "keys disable key_1",
        "keys enable key_1",
        "limits list",
        f"limits delete {limit['id']}",
        "usage --since 2026-11-20 --until 2026-11-24",
        "costs --since 2026-11-20 --until 2026-11-24",
    ):
        ended = run([*words.split(), "--json"])
        assert (ended.returncode, ended.stderr) == (0, ""), words
        assert json.loads(ended.stdout)["object"], words


def test_usage_as_json_is_all_pages_in_one(town: Town, run: Run) -> None:
    used(town)
    ended = run(["usage", "--since", "2026-09-01", "--until", "2026-11-25", "--json"])
    page = json.loads(ended.stdout)
    assert len(page["data"]) == 85
    assert sum(result["num_model_requests"] for bucket in page["data"] for result in bucket["results"]) == 4
    assert page["has_more"] is False


def test_more_keys_than_a_page_are_all_listed(town: Town, run: Run) -> None:
    made = {town.project_key()[0] for _ in range(105)} | {"key_1"}
    listed = json.loads(run(["keys", "list", "--json"]).stdout)["data"]
    assert {key["id"] for key in listed} == made
    assert len(listed) == 106


def test_without_an_admin_key_the_command_says_where_it_comes_from(town: Town, run: Run) -> None:
    ended = run(["keys", "list"], environment={"KEYHOUSE_ADMIN_KEY": None})
    assert (ended.returncode, ended.stdout) == (4, "")
    assert "KEYHOUSE_ADMIN_KEY" in ended.stderr
    assert "KEYHOUSE_ADMIN_KEY_FILE" in ended.stderr


def test_the_admin_key_is_read_from_a_file(town: Town, run: Run, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(town.owner + "\n")
    ended = run(["keys", "list"], environment={"KEYHOUSE_ADMIN_KEY": None, "KEYHOUSE_ADMIN_KEY_FILE": "key"})
    assert ended.returncode == 0
    ended = run(["keys", "list"], environment={"KEYHOUSE_ADMIN_KEY": None, "KEYHOUSE_ADMIN_KEY_FILE": "none"})
    assert ended.returncode == 4
    assert "KEYHOUSE_ADMIN_KEY_FILE" in ended.stderr


@pytest.mark.parametrize("key", ["nonsense", "sk-admin-kh_x", "a b", "sk-\nx", "ключ"])
def test_a_key_that_is_none_is_denied(town: Town, run: Run, key: str) -> None:
    ended = run(["keys", "list"], environment={"KEYHOUSE_ADMIN_KEY": key})
    assert (ended.returncode, ended.stdout) == (4, "")
    assert "Traceback" not in ended.stderr


def test_a_reader_may_look_and_is_denied_changes(town: Town, run: Run) -> None:
    environment = {"KEYHOUSE_ADMIN_KEY": town.reader}
    assert run(["keys", "list"], environment=environment).returncode == 0
    ended = run(["keys", "create", "--name", "x"], environment=environment)
    assert ended.returncode == 4
    assert "owner" in ended.stderr


def test_a_server_that_is_not_there_is_a_reason_to_try_again(town: Town, run: Run) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    ended = run(["keys", "list"], environment={"KEYHOUSE_URL": url})
    assert (ended.returncode, ended.stdout) == (75, "")
    assert url in ended.stderr
    assert "keyhouse serve" in ended.stderr
    assert "KEYHOUSE_URL" in ended.stderr


@pytest.mark.parametrize("url", ["ftp://x", "nonsense", "http://", "http://[::1", "127.0.0.1:8080"])
def test_an_address_that_is_none_is_refused(town: Town, run: Run, url: str) -> None:
    ended = run(["keys", "list"], environment={"KEYHOUSE_URL": url})
    assert ended.returncode == 2
    assert "KEYHOUSE_URL" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_address_may_end_where_openais_does(town: Town, run: Run) -> None:
    for url in (f"{town.url}/", f"{town.url}/v1", f"{town.url}/v1/"):
        assert run(["projects", "list"], environment={"KEYHOUSE_URL": url}).returncode == 0


def test_whoever_stops_reading_is_not_complained_to(town: Town, run: Run) -> None:
    for _ in range(3):
        town.project_key()
    reading, writing = os.pipe()
    os.close(reading)
    environment = os.environ | {"KEYHOUSE_URL": town.url, "KEYHOUSE_ADMIN_KEY": town.owner}
    process = subprocess.Popen([*COMMAND, "keys", "list"], stdout=writing, stderr=subprocess.PIPE, env=environment)
    os.close(writing)
    _, said = process.communicate(timeout=30)
    assert said == b""
    assert process.returncode == 1


def test_names_cannot_steer_the_terminal(town: Town, run: Run) -> None:
    town.execute(lambda c: c.exec_driver_sql("UPDATE api_keys SET name = char(27) || '[2J' || char(10) || 'x'"))
    ended = run(["keys", "list"])
    assert "\x1b" not in ended.stdout
    assert len(ended.stdout.splitlines()) == 2


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_shows_an_example_that_is_a_command(tmp_path: Path, words: tuple[str, ...]) -> None:
    ended = command([*words, "--help"], tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    examples = [line.strip() for line in ended.stdout.splitlines() if line.startswith(" keyhouse ")]
    assert examples
    assert all(example.startswith(" ".join(("keyhouse", *words))) for example in examples)


def test_help_and_version_need_no_server(tmp_path: Path) -> None:
    assert "serve" in command(["--help"], tmp_path).stdout
    assert command(["--version"], tmp_path).stdout.strip()


def test_init_makes_the_first_organization_and_an_admin_key_once(tmp_path: Path) -> None:
    first = command([*INIT, "--time-zone", "Europe/Berlin", "--json"], tmp_path, PASSWORD + "\n")
    assert (first.returncode, first.stderr) == (0, "")
    made = json.loads(first.stdout)
    assert set(made) == {"organization_id", "project_id", "user_id", "admin_key"}
    assert parse(made["admin_key"]) is not None
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
