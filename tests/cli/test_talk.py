"""What is shown is shown as it is, and nothing of it reaches the terminal's own controls."""

from admin.town import Town
from cli.conftest import Run


def test_names_cannot_steer_the_terminal(town: Town, run: Run) -> None:
    town.execute(lambda c: c.exec_driver_sql("UPDATE api_keys SET name = char(27) || '[2J' || char(10) || 'x'"))
    ended = run(["keys", "list"])
    assert "\x1b" not in ended.stdout
    assert len(ended.stdout.splitlines()) == 2
