"""`keyhouse keys` for programs."""

import json
from typing import Any

from admin.town import NOW, Town
from cli.conftest import SCRIPTS, Run
from cli.script import play
from keyhouse.core.secret import parse


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


def test_more_keys_than_a_page_are_all_listed(town: Town, run: Run) -> None:
    made = {town.project_key()[0] for _ in range(105)} | {"key_1"}
    listed = json.loads(run(["keys", "list", "--json"]).stdout)["data"]
    assert {key["id"] for key in listed} == made
    assert len(listed) == 106


def test_a_key_lives_through_every_verb(town: Town, run: Run) -> None:
    play(SCRIPTS / "keys.txt", run)
