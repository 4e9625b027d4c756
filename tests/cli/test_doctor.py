"""`keyhouse doctor` as a whole."""

import json
from pathlib import Path

from cli.conftest import command

AWAY = {"KEYHOUSE_URL": "http://127.0.0.1:9"}


def test_it_says_in_sentences_what_is_wrong_and_what_to_do_next(tmp_path: Path) -> None:
    made = command(
        ["init", "--email", "ada@example.com", "--organization", "Acme", "--password-stdin", "--json"],
        tmp_path,
        "seven lamps over quiet harbour\n",
    )
    assert made.returncode == 0, made.stderr
    well = command(["doctor", "--json"], tmp_path, environment=AWAY)
    report = json.loads(well.stdout)
    assert (well.returncode, report["passes"]) == (0, True), well.stdout
    found = {each["check"]: each["verdict"] for each in report["findings"]}
    assert (found["database"], found["master key"], found["server"]) == ("ok", "ok", "warning")
    (tmp_path / "data" / "master.key").write_text("00" * 32)
    ill = command(["doctor"], tmp_path, environment=AWAY)
    assert ill.returncode == 1
    assert "PROBLEM  master key: data/master.key: The key given is not the master key of this database." in ill.stdout
    assert "-> Restore it from a backup, or from another gateway." in ill.stdout
    (tmp_path / "keyhouse.toml").write_text("[server]\nprot = 1\n")
    assert "prot" in command(["doctor"], tmp_path, environment=AWAY).stdout


def test_a_fresh_folder_is_no_problem_as_serve_makes_what_is_not_there(tmp_path: Path) -> None:
    fresh = command(["doctor"], tmp_path, environment=AWAY)
    assert fresh.returncode == 0, fresh.stdout
    assert "warning  database: There is none at data/keyhouse.db yet." in fresh.stdout
    assert "PROBLEM" not in fresh.stdout
