"""What became of a call, in a word, and its money in exact text."""

from pathlib import Path
from typing import Any

import pytest

from given import NOON, a_database, some_people
from given_calls import a_call
from keyhouse.console.call_view import exact_usd, single_money, status_of
from keyhouse.store.calls import find_call


@pytest.mark.parametrize(
    ("columns", "look", "word"),
    [
        ({}, "active", "Answered"),
        ({"flags": "client_left"}, "expires", "Cut short"),
        ({"status": 500}, "over", "Failed"),
        ({"state": "held", "basis": None, "status": 0}, "rotating", "Running"),
        ({"state": "orphaned", "status": 0}, "over", "Cut off"),
        ({"state": "released", "status": 429}, "over", "Rate limited"),
        ({"state": "released", "status": 502}, "over", "Failed"),
        ({"state": "released", "status": 0}, "ended", "Not sent"),
    ],
)
def test_each_end_has_its_word(tmp_path: Path, columns: dict[str, Any], look: str, word: str) -> None:
    database = a_database(tmp_path)
    with database._writer.begin() as connection:
        some_people(connection)
        call_id = a_call(connection, NOON, **columns)
        found = find_call(connection, "org-1", call_id)
    database.close_now()
    assert found is not None
    view = status_of(found)
    assert (view.look, view.word) == (look, word)


def test_money_of_a_single_call_has_six_decimals_and_exact_text_all() -> None:
    assert [single_money(691_000), single_money(0), single_money(12_340_000_000)] == ["$0.000691", "$0.00", "$12.34"]
    assert [exact_usd(250_000_000), exact_usd(10**12), exact_usd(-5)] == ["$0.00025", "$1.00", "−$0.000000000005"]  # noqa: RUF001
