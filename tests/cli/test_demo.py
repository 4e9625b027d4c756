"""`keyhouse demo seed`, on a database of its own and on one that is in use."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from cli.conftest import command

SEED = ["demo", "seed", "--data", "books", "--calls", "200", "--keys", "10", "--days", "5"]


def test_it_makes_an_organization_to_sign_in_to_and_is_never_done_twice(tmp_path: Path) -> None:
    first = command([*SEED, "--json"], tmp_path)
    made = json.loads(first.stdout)
    assert (first.returncode, made["keys"], made["sign in as"]) == (0, 10, "mira@meridian.example")
    assert made["calls"] > 150
    assert len(made["password"]) >= 20
    assert "calls" in first.stderr
    with closing(sqlite3.connect(tmp_path / "books" / "keyhouse.db")) as books:
        # Pages are quick from the first start on.
        assert books.execute("SELECT count(*) FROM folded_days").fetchone()[0] >= 4
    verified = command(["ledger", "verify", "--data", "books"], tmp_path)
    assert (verified.returncode, "agree" in verified.stdout) == (0, True)
    again = command(SEED, tmp_path)
    assert (again.returncode, again.stdout) == (5, "")
    assert "has calls" in again.stderr


@pytest.mark.parametrize(("arguments", "word"), [(["--calls", "0"], "--calls"), (["--days", "400"], "--days")])
def test_an_amount_that_cannot_be_made_is_refused_before_anything_is_opened(
    tmp_path: Path, arguments: list[str], word: str
) -> None:
    ended = command([*SEED, *arguments], tmp_path)
    assert ended.returncode == 2
    assert word in ended.stderr
    assert not (tmp_path / "books").exists()
