"""`keyhouse limits`, as its script tells it."""

from admin.town import Town
from cli.conftest import SCRIPTS, Run
from cli.script import play


def test_limits_are_set_listed_and_deleted(town: Town, run: Run) -> None:
    play(SCRIPTS / "limits.txt", run)
