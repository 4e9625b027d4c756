"""`keyhouse service-accounts`, as its script tells it."""

from cli.conftest import SCRIPTS, Run
from cli.script import play


def test_a_service_account_is_created_with_a_key_listed_and_deleted(run: Run) -> None:
    play(SCRIPTS / "service_accounts.txt", run)
