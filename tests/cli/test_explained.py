"""A charge explained from the books themselves: the same words and the same JSON as from the server."""

import asyncio
import json
from pathlib import Path

from admin.town import Town
from cli.conftest import SCRIPTS, Run, command
from cli.script import play
from given import some_people
from given_charges import an_exact_call, endings
from given_engine import Engine, PostgresEngine
from keyhouse.cli.explained import aligned


def test_every_ending_is_explained(town: Town, run: Run) -> None:
    town.execute(endings)
    play(SCRIPTS / "explain.txt", run)


def test_the_books_and_the_server_say_the_same(town: Town, run: Run) -> None:
    made = {**town.execute(endings), "exact": town.execute(an_exact_call)}
    for call_id in (made["exact"], made["late"], made["capped"]):
        for form in ([], ["--json"]):
            shown, explained = run(["calls", "show", call_id, *form]), run(["ledger", "explain", call_id, *form])
            assert explained.returncode == 2, "no database is named"
            explained = run(["ledger", "explain", call_id, "--database", "sqlite:///keyhouse.db", *form])
            assert (explained.stdout, explained.stderr) == (shown.stdout, "")
    assert json.loads(shown.stdout)["object"] == "organization.call"


def test_a_charge_is_explained_on_each_engine_whatever_its_organization(engine: Engine, tmp_path: Path) -> None:
    database = engine.open_for_any_loop(tmp_path)
    asyncio.run(database.write(some_people))
    call_id = asyncio.run(database.write(an_exact_call))
    url = engine.url(tmp_path) if isinstance(engine, PostgresEngine) else f"sqlite:///{tmp_path}/keyhouse.db"
    ended = command(["ledger", "explain", call_id, "--database", url], tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "rounded up by                                   0.00000000075\n" in ended.stdout
    database.close_now()


def test_what_came_over_the_network_cannot_steer_the_terminal(town: Town, run: Run) -> None:
    call_id = town.execute(an_exact_call)
    town.execute(lambda c: c.exec_driver_sql("UPDATE calls SET agent = char(27) || '[2J' || char(10), flags = char(7)"))
    for ended in (run(["calls", "show", call_id]), run(["ledger", "explain", call_id, "--data", "."])):
        assert ended.returncode == 0
        assert not {"\x1b", "\x07"} & set(ended.stdout)


def test_points_stand_below_each_other() -> None:
    assert aligned(["1.5", "10.25", "-3", "7"]) == ["1.5 ", "10.25", "-3  ", "7  "]
    assert aligned([]) == []
