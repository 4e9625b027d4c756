"""The command as people and programs meet it: a process with arguments, exit codes, stdout and stderr."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from admin.town import Town
from cli.conftest import SCRIPTS, Run, command, used
from cli.script import play
from e2e.processes import KEYHOUSE, clean_environment

COMMANDS = (
    *(("projects", verb) for verb in ("list", "create", "show", "update", "archive")),
    *(("keys", verb) for verb in ("create", "list", "show", "update", "rotate", "disable", "enable", "revoke")),
    *(("projects", "users", verb) for verb in ("list", "add", "update", "remove")),
    *(("projects", "groups", verb) for verb in ("list", "add", "remove")),
    *(("users", verb) for verb in ("list", "show", "update", "delete")),
    *(("invites", verb) for verb in ("list", "create", "show", "delete")),
    *(("groups", verb) for verb in ("list", "create", "show", "update", "delete", "users", "add", "remove")),
    *(("roles", verb) for verb in ("list", "create", "show", "update", "delete", "assign", "unassign")),
    *(("rate-limits", verb) for verb in ("list", "set")),
    *(("spend-limits", verb) for verb in ("show", "set", "delete")),
    *(("spend-alerts", verb) for verb in ("list", "create", "show", "update", "delete")),
    *(("models", verb) for verb in ("list", "show", "create", "update", "delete")),
    *(("upstreams", verb) for verb in ("list", "show", "create", "update", "delete", "test")),
    *(("models", "permissions", verb) for verb in ("show", "set", "delete")),
    *(("admin-keys", verb) for verb in ("list", "create", "show", "revoke")),
    *(("service-accounts", verb) for verb in ("create", "list", "show", "update", "add-key", "delete")),
    *(("limits", verb) for verb in ("set", "list", "delete")),
    *(("calls", verb) for verb in ("list", "show")),
    *(("ledger", verb) for verb in ("verify", "explain")),
    ("usage",),
    ("costs",),
    ("init",),
    ("serve",),
)


def test_what_is_typed_wrong_is_refused_with_what_was_expected(town: Town, run: Run) -> None:
    play(SCRIPTS / "wrong.txt", run)


def test_every_command_prints_json(town: Town, run: Run) -> None:
    used(town)
    limit_set = ["limits", "set", "--organization", "--unit", "usd", "--window", "day", "--amount", "1", "--json"]
    limit = json.loads(run(limit_set).stdout)
    assert limit["scope"] == {"type": "organization", "id": "org-1"}
    account = json.loads(run(["service-accounts", "create", "--name", "bot", "--json"]).stdout)
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
        "service-accounts list",
        f"service-accounts delete {account['id']}",
        "limits list",
        f"limits delete {limit['id']}",
        "usage --since 2026-11-20 --until 2026-11-24",
        "costs --since 2026-11-20 --until 2026-11-24",
        "calls list --since 2026-11-20",
    ):
        ended = run([*words.split(), "--json"])
        assert (ended.returncode, ended.stderr) == (0, ""), words
        assert json.loads(ended.stdout)["object"], words


def test_every_command_on_people_and_what_they_may_prints_json(town: Town, run: Run) -> None:
    def told(words: str) -> dict[str, Any]:
        ended = run([*words.split(), "--json"])
        assert (ended.returncode, ended.stderr) == (0, ""), words
        said: dict[str, Any] = json.loads(ended.stdout)
        return said

    invite = told("invites create bob@example.com")
    assert invite["url"].startswith(town.url)
    assert told("groups create --name crew")["name"] == "crew"
    assert told("roles create --name clerk")["object"] == "role"
    alert = told("spend-alerts create --amount 1 --tell ada@example.com")
    for words in (
        *("users list", "users show user-member", "users update user-member --role reader"),
        *("invites list", f"invites show {invite['id']}", f"invites delete {invite['id']}"),
        *("groups list", "groups show crew", "groups add crew user-member", "groups users crew"),
        *("roles list", "roles show clerk", "roles assign clerk --group crew", "roles list --group crew"),
        *("roles unassign clerk --group crew", "roles update clerk --name scribe", "roles delete scribe"),
        *("projects groups add Main crew", "projects groups list Main", "projects groups remove Main crew"),
        *("projects users add Main user-member", "projects users list Main"),
        *("projects users update Main user-member --role owner", "projects users remove Main user-member"),
        *("groups remove crew user-member", "groups update crew --name team", "groups delete team"),
        *("spend-alerts list", f"spend-alerts show {alert['id']}", f"spend-alerts update {alert['id']} --amount 2"),
        *(f"spend-alerts delete {alert['id']}", "spend-limits set --amount 1", "spend-limits show"),
        *("spend-limits delete", "rate-limits set tiny-1 --tokens-per-minute 9", "rate-limits list"),
        *("models permissions set --deny tiny-1", "models permissions show", "models permissions delete"),
        *("admin-keys list", "users delete user-member"),
    ):
        told(words)


def test_whoever_stops_reading_is_not_complained_to(town: Town, run: Run) -> None:
    for _ in range(3):
        town.project_key()
    reading, writing = os.pipe()
    os.close(reading)
    environment = clean_environment() | {"KEYHOUSE_URL": town.url, "KEYHOUSE_ADMIN_KEY": town.owner}
    process = subprocess.Popen([*KEYHOUSE, "keys", "list"], stdout=writing, stderr=subprocess.PIPE, env=environment)
    os.close(writing)
    _, said = process.communicate(timeout=30)
    assert said == b""
    assert process.returncode == 1


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_shows_an_example_that_is_a_command(tmp_path: Path, words: tuple[str, ...]) -> None:
    ended = command([*words, "--help"], tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    examples = [line.strip() for line in ended.stdout.splitlines() if line.startswith(" keyhouse ")]
    assert examples
    assert all(example.startswith(" ".join(("keyhouse", *words))) for example in examples)


def test_the_command_as_it_is_installed_says_what_a_forked_one_does(tmp_path: Path) -> None:
    environment = clean_environment() | {"COLUMNS": "200"}
    for arguments in (["--version"], ["--help"], ["keys", "list"], ["ledger", "verify", "--data", "nothing"]):
        started = subprocess.run(
            [Path(sys.executable).with_name("keyhouse"), *arguments],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment,
            check=False,
        )
        forked = command(arguments, tmp_path)
        assert (started.returncode, started.stdout, started.stderr) == (
            forked.returncode,
            forked.stdout,
            forked.stderr,
        )
        assert started.stdout or started.returncode
