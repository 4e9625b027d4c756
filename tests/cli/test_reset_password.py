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
