"""`keyhouse admin-keys`, as its script tells it."""

from cli.conftest import SCRIPTS, Run
from cli.script import play


def test_an_admin_key_is_made_listed_and_revoked(run: Run) -> None:
    play(SCRIPTS / "admin_keys.txt", run)
