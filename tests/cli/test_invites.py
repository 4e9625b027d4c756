"""`keyhouse invites`, as its script tells it."""

from cli.conftest import SCRIPTS, Run
from cli.script import play


def test_an_invite_is_made_with_its_link_listed_and_taken_back(run: Run) -> None:
    play(SCRIPTS / "invites.txt", run)
