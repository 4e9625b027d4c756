"""`keyhouse spend-limits` and `keyhouse spend-alerts`, as their script tells it."""

from cli.conftest import SCRIPTS, Run
from cli.script import play


def test_a_spend_limit_and_an_alert_are_set_shown_and_deleted(run: Run) -> None:
    play(SCRIPTS / "spending.txt", run)
