"""`keyhouse users`, as its script tells it."""

from cli.conftest import SCRIPTS, Run
from cli.script import play


def test_users_are_listed_changed_and_taken_out(run: Run) -> None:
    play(SCRIPTS / "users.txt", run)
