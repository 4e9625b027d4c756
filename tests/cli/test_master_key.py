"""`keyhouse master-key rotate`, with the server stopped: the new file opens everything, the old one nothing."""

import json
from pathlib import Path

from cli.conftest import command
from cli.test_init import INIT, PASSWORD

ROTATE = ["master-key", "rotate", "--data", "books", "--to", "new.key"]


def test_a_new_master_key_takes_the_place_of_the_present_one(tmp_path: Path) -> None:
    present, new = tmp_path / "books" / "master.key", tmp_path / "new.key"
    assert command([*INIT, "--json"], tmp_path, PASSWORD).returncode == 0
    made = command([*ROTATE, "--json"], tmp_path)
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout) == {
        "object": "master_key.rotated",
        "file": "new.key",
        "replaces": "books/master.key",
    }
    assert new.stat().st_mode & 0o777 == 0o600
    verify = ["audit", "verify", "--data", "books"]
    old = command(verify, tmp_path)
    assert (old.returncode, "not the master key of this database" in old.stderr) == (1, True)
    again = command(ROTATE, tmp_path)
    assert (again.returncode, "not the master key of this database" in again.stderr) == (1, True)
    new.rename(present)
    assert command(verify, tmp_path).returncode == 0
    (tmp_path / "new.key").write_text(present.read_text())
    same = command(ROTATE, tmp_path)
    assert (same.returncode, "is the present one" in same.stderr) == (5, True)


def test_nothing_is_rotated_before_the_set_up(tmp_path: Path) -> None:
    ended = command(ROTATE, tmp_path)
    assert (ended.returncode, "not set up yet" in ended.stderr) == (5, True)
