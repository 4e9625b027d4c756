"""`keyhouse calls`, as its script tells it, and for programs."""

import json

from sqlalchemy import Connection, insert

from admin.town import Town
from cli.conftest import SCRIPTS, Run
from cli.script import play
from given import NOON
from given_calls import a_call, a_row
from given_charges import an_exact_call, endings
from keyhouse.store import calls, schema


def test_calls_are_listed_and_one_of_them_is_shown(town: Town, run: Run) -> None:
    town.execute(endings)
    town.execute(an_exact_call)
    play(SCRIPTS / "calls.txt", run)


def test_as_many_as_are_asked_for_are_gathered_from_all_pages(town: Town, run: Run) -> None:
    made = town.execute(lambda c: [a_call(c, NOON - place, place) for place in range(130)])
    listed = json.loads(run(["calls", "list", "--since", "2026-11-01", "--limit", "120", "--json"]).stdout)
    assert [call["id"] for call in listed["data"]] == made[:120]
    assert listed["has_more"] is True
    everything = json.loads(run(["calls", "list", "--since", "2026-11-01", "--limit", "999", "--json"]).stdout)
    assert [call["id"] for call in everything["data"]] == made
    assert everything["has_more"] is False


def test_an_empty_page_is_not_the_end(town: Town, run: Run) -> None:
    def fill(connection: Connection) -> str:
        connection.execute(insert(schema.calls), [a_row(NOON, place) for place in range(calls.ROWS_READ_MAX + 5)])
        return a_call(connection, NOON - 1, status=500)

    failed = town.execute(fill)
    listed = json.loads(run(["calls", "list", "--since", "2026-11-01", "--errors", "--json"]).stdout)
    assert [call["id"] for call in listed["data"]] == [failed]


def test_a_secret_is_not_taken_for_an_id(town: Town, run: Run) -> None:
    ended = run(["calls", "show", town.owner])
    assert ended.returncode == 2
    assert "rotate its key" in ended.stderr
    assert run(["calls", "list", "--key", town.owner]).returncode == 2
