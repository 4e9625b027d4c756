"""`keyhouse groups` and `keyhouse projects groups`, as their script tells it."""

from cli.conftest import SCRIPTS, Run
from cli.script import play


def test_groups_are_made_filled_put_into_a_project_and_deleted(run: Run) -> None:
    play(SCRIPTS / "groups.txt", run)
