"""`keyhouse rate-limits` and `keyhouse models permissions`, as their script tells it."""

from cli.conftest import SCRIPTS, Run
from cli.script import play


def test_what_a_project_may_call_is_set_listed_and_lifted(run: Run) -> None:
    play(SCRIPTS / "rate_limits.txt", run)
