"""The table of planted bugs is whole: every row of a claim has one, and each can still be planted.

That they are noticed is what `tests/guards` shows.
"""

import ast
import re

import pytest

from guards.table import TABLES, Bug, bugs, claims
from house.source import ROOT


def of_row(table: str, row: str) -> list[Bug]:
    return [bug for name, bug in bugs().items() if name.startswith(f"{table}/") and bug.row == row]


@pytest.mark.parametrize("table", TABLES)
def test_every_row_has_a_planted_bug_and_no_bug_another_row(table: str) -> None:
    assert claims(table), "no such table"
    named = {bug.row for name, bug in bugs().items() if name.startswith(f"{table}/")}
    assert named == set(claims(table))


@pytest.mark.parametrize("table", [name for name, (page, _) in TABLES.items() if page == "security.md"])
def test_every_test_that_a_row_names_notices_one_of_its_bugs_and_no_other_does(table: str) -> None:
    for row, cell in claims(table).items():
        files = set(re.findall(r"`(tests/[a-z_0-9/]+\.py)[`:]", cell))
        tests = set(re.findall(r"`(tests/[a-z_0-9/]+\.py::\w+)`", cell))
        notice = {test.partition("[")[0] for bug in of_row(table, row) for test in bug.noticed_by}
        assert {test.partition("::")[0] for test in notice} == files, row
        assert tests - notice == set(), row


@pytest.mark.parametrize("name", bugs())
def test_a_planted_bug_is_one_place_of_a_file_that_can_still_be_read_without_it(name: str) -> None:
    bug = bugs()[name]
    planted = bug.planted_in(bug.text())
    assert planted != bug.text()
    if bug.file.endswith(".py"):
        ast.parse(planted)


@pytest.mark.parametrize("name", bugs())
def test_the_tests_that_must_notice_a_planted_bug_are_there(name: str) -> None:
    for test in bugs()[name].noticed_by:
        file, _, rest = test.partition("::")
        function, _, parameter = rest.partition("[")
        text = (ROOT / file).read_text(encoding="utf-8")
        assert f"def {function}(" in text, test
        assert parameter.removesuffix("]") in text, test
