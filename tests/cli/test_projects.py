"""`keyhouse projects`, as its script tells it."""

from admin.town import Town
from cli.conftest import SCRIPTS, Run
from cli.script import play


def test_projects_are_named_by_id_or_by_name(town: Town, run: Run) -> None:
    play(SCRIPTS / "projects.txt", run)
