"""The command as people and programs meet it: a process with arguments, exit codes, stdout and stderr."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from admin.town import Town
from cli.conftest import COMMAND, SCRIPTS, Run, command, used
from cli.script import play

COMMANDS = (
    *(("projects", verb) for verb in ("list", "create", "show", "update", "archive")),
    *(("keys", verb) for verb in ("create", "list", "show", "update", "rotate", "disable", "enable", "revoke")),
    *(("service-accounts", verb) for verb in ("create", "list", "delete")),
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
