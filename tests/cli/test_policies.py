"""`keyhouse policies`."""

from cli.conftest import SCRIPTS, Run
from cli.script import play


def test_a_policy_is_set_and_holds_for_new_keys(run: Run) -> None:
    play(SCRIPTS / "policies.txt", run)
