"""`keyhouse roles` and `keyhouse projects users`, as their script tells it."""

from cli.conftest import SCRIPTS, Run
from cli.script import play


def test_roles_are_made_given_taken_and_deleted(run: Run) -> None:
    play(SCRIPTS / "roles.txt", run)
