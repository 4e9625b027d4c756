"""Calls as they are read back, on each engine: which are found, in what order, and how much is read for it."""

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection, event, insert

from given import NOON, a_database, a_limit, some_people
from given_calls import a_call, a_period, a_row, id_at
from given_engine import ClosableDatabase, Engine
from keyhouse.core.call import Basis, State
from keyhouse.core.decide import Adjusted, Reserved
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.limit import ScopeType, Unit, Window
from keyhouse.core.money import Counts
from keyhouse.store import calls, schema
from keyhouse.store.calls import Call, CallPage, CallSelection
from keyhouse.store.sqlite import SqliteDatabase

HOUR = 3_600_000
EVERYTHING = CallSelection(0)


@pytest.fixture
def database(engine: Engine, tmp_path: Path) -> Iterator[ClosableDatabase]:
    made = engine.open_for_any_loop(tmp_path)
    asyncio.run(made.write(two_organizations))
    yield made
    made.close_now()


def two_organizations(connection: Connection) -> None:
    for suffix in ("1", "2"):
        some_people(connection, suffix=suffix)


def write(database: ClosableDatabase | SqliteDatabase, step: Any) -> Any:
    return asyncio.run(database.write(step))


def read(database: ClosableDatabase | SqliteDatabase, question: Any) -> Any:
    return asyncio.run(database.read(question))


def ids(
    database: ClosableDatabase, selection: CallSelection = EVERYTHING, after: str | None = None, limit: int = 100
) -> list[str]:
    page: CallPage = read(database, lambda c: calls.list_calls(c, "org-1", selection, after, limit))
    return [call.id for call in page.calls]


def test_a_call_is_read_back_with_everything_that_was_written(database: ClosableDatabase) -> None:
    def fill(connection: Connection) -> str:
        call_id = a_call(
            connection,
            period_ids="[3,9]",
            reserved_images=2,
            reserved_audio_seconds=3,
            reserved_characters=4,
            state="orphaned",
            basis="reserved",
            cache_write_tokens=5,
            reasoning_tokens=6,
            audio_input_tokens=7,
            audio_output_tokens=8,
            image_input_tokens=12,
            image_output_tokens=13,
            images=9,
            audio_seconds=10,
            characters=11,
            flags="orphaned odd",
            tier="flex",
        )
        given = {"nano_usd": -1, "requests": -2, "tokens": -3, "tokens_estimate": -4, "images": -5}
        given |= {"audio_seconds": -6, "characters": -7}
        connection.execute(
            insert(schema.adjustments).values(call_id=call_id, at_ms=NOON + HOUR, reason="settled late", **given)
        )
        return call_id

    call_id = write(database, fill)
    found: Call = read(database, lambda c: calls.find_call(c, "org-1", call_id))
    assert found.reserved == Reserved(5_000_000, 1_500, 600, (3, 9), 2, 3, 4)
    assert found.counts == Counts(1_000, 300, 5, 250, 6, 7, 8, 9, 10, 11, 12, 13)
    assert (found.state, found.basis, found.flags, found.tier) == (
        State.ORPHANED,
        Basis.RESERVED,
        ("orphaned", "odd"),
        "flex",
    )
    assert found.adjustment == calls.Adjustment(NOON + HOUR, Adjusted(-1, -2, -3, -4, -5, -6, -7), "settled late")
    assert (found.charged_nano_usd, found.cost_nano_usd) == (1_350_000, 1_349_999)
    assert (found.address, found.agent, found.instance_id, found.secret_version) == (
        "192.0.2.7",
        "OpenAI/Python 2.1.0",
        7,
        1,
    )
    assert (found.created_at_ms, found.first_byte_ms, found.duration_ms, found.closed_at_ms) == (
        NOON,
        120,
        None,
        NOON + 900,
    )


def test_a_running_call_has_no_end_and_no_cost(database: ClosableDatabase) -> None:
    ending: dict[str, Any] = dict.fromkeys(
        ("basis", "charged_nano_usd", "first_byte_ms", "duration_ms", "closed_at_ms")
    )
    call_id = write(database, lambda c: a_call(c, state="held", **ending))
    found: Call = read(database, lambda c: calls.find_call(c, "org-1", call_id))
    assert (found.basis, found.cost_nano_usd, found.duration_ms, found.closed_at_ms) == (None, None, None, None)


def test_another_organizations_calls_are_not_there(database: ClosableDatabase) -> None:
    call_id = write(database, lambda c: a_call(c, organization_id="org-2"))
    assert read(database, lambda c: calls.find_call(c, "org-1", call_id)) is None
    assert ids(database) == []
    assert ids(database, CallSelection(0, key_ids=("key_1",))) == []
    assert read(database, lambda c: calls.find_organization_id(c, call_id)) == "org-2"
    assert read(database, lambda c: calls.find_organization_id(c, "call_x")) is None


def test_every_filter_lets_through_only_what_it_names(database: ClosableDatabase) -> None:
    odd: tuple[dict[str, Any], ...] = (
        {"project_id": "proj_x"},
        {"owner_id": "svc_acct_x"},
        {"key_id": "key_x"},
        {"model": "model-x"},
        {"upstream": "upstream-x"},
        {"endpoint": "/v1/embeddings"},
        {"state": "held"},
        {"status": 429},
        {"state": "orphaned", "status": 0},
    )
    made = [write(database, lambda c, p=p, o=o: a_call(c, place=p, **o)) for p, o in enumerate(odd)]
    plain = write(database, lambda c: a_call(c, place=99))
    selections = (
        CallSelection(0, project_ids=("proj_x", "proj_y")),
        CallSelection(0, owner_ids=("svc_acct_x",)),
        CallSelection(0, key_ids=("key_x", "key_y")),
        CallSelection(0, models=("model-x",)),
        CallSelection(0, upstreams=("upstream-x",)),
        CallSelection(0, endpoints=("/v1/embeddings",)),
        CallSelection(0, states=(State.HELD,)),
    )
    for call_id, selection in zip(made, selections, strict=False):
        assert ids(database, selection) == [call_id]
    assert ids(database, CallSelection(0, errors_only=True)) == [made[8], made[7]]
    assert ids(database, CallSelection(0, key_ids=("key_1",), errors_only=True)) == [made[8], made[7]]
    assert ids(database, CallSelection(0, models=("nothing",))) == []
    assert ids(database) == [plain, *reversed(made)]


def test_a_time_is_inclusive_at_its_start_and_exclusive_at_its_end(database: ClosableDatabase) -> None:
    first, second, third = (write(database, lambda c, t=t: a_call(c, t, 2**79)) for t in (NOON, NOON + 1, NOON + 2))
    assert ids(database, CallSelection(NOON + 1, NOON + 2)) == [second]
    assert ids(database, CallSelection(NOON, NOON + 2)) == [second, first]
    assert ids(database, CallSelection(NOON + 1)) == [third, second]
    assert ids(database, CallSelection(NOON, NOON + 2), after=third) == [second, first]


@pytest.mark.parametrize("keys", [(), ("key_1",), ("key_0", "key_1", "key_2")])
@pytest.mark.parametrize("chunk", [1, 2, 7, 2_000])
def test_pages_one_behind_the_other_hold_every_call_once(tmp_path: Path, keys: tuple[str, ...], chunk: int) -> None:
    reading = {"rows_max": 2 * chunk, "chunk": chunk}
    database = a_database(tmp_path)
    for place in range(40):
        columns = {"key_id": f"key_{place % 4}", "status": 500 if place % 3 else 200}
        write(database, lambda c, p=place, o=columns: a_call(c, NOON - p, p, **o))
    for errors_only in (False, True):
        selection = CallSelection(0, key_ids=keys, errors_only=errors_only)
        wanted = [
            id_at(NOON - place, place)
            for place in range(40)
            if (not keys or f"key_{place % 4}" in keys) and (not errors_only or place % 3)
        ]
        for limit in (1, 3, 50):
            seen: list[str] = []
            after: str | None = None
            for _ in range(100):
                page: CallPage = read(
                    database,
                    lambda c, s=selection, a=after, n=limit: calls.list_calls(c, "org-1", s, a, n, **reading),
                )
                assert len(page.calls) <= limit
                seen += [call.id for call in page.calls]
                if page.go_on_after is None:
                    break
                after = page.go_on_after
            assert seen == wanted
    database.close_now()


def test_what_the_filters_hide_does_not_make_a_page_read_on_for_ever(tmp_path: Path) -> None:
    database = a_database(tmp_path)
    rows = [a_row(NOON + place, status=200) for place in range(1, calls.ROWS_READ_MAX + 10)]

    def fill(connection: Connection) -> None:
        connection.execute(insert(schema.calls), [a_row(NOON, status=500), *rows])

    write(database, fill)
    selection = CallSelection(0, errors_only=True)
    first: CallPage = read(database, lambda c: calls.list_calls(c, "org-1", selection, None, 20))
    assert first.calls == ()
    assert first.go_on_after is not None
    second: CallPage = read(database, lambda c: calls.list_calls(c, "org-1", selection, first.go_on_after, 20))
    assert [call.status for call in second.calls] == [500]
    assert second.go_on_after is None
    database.close_now()


@pytest.mark.parametrize("keys", [(), ("key_1",)])
def test_a_page_does_as_little_work_as_it_says_however_many_calls_there_are(
    tmp_path: Path, keys: tuple[str, ...]
) -> None:
    """Counted in steps of SQLite's machine, some ten of which look at a row."""
    database = a_database(tmp_path)
    rows = [a_row(NOON + place) for place in range(20_000)]
    write(database, lambda c: c.execute(insert(schema.calls), rows).rowcount)

    def steps(connection: Connection) -> int:
        counted = 0

        def count() -> int:
            nonlocal counted
            counted += 100
            return 0

        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        driver.set_progress_handler(count, 100)
        selection = CallSelection(NOON, key_ids=keys, errors_only=True)
        page = calls.list_calls(connection, "org-1", selection, None, 20, rows_max=1_000, chunk=100)
        driver.set_progress_handler(None, 0)
        assert page.go_on_after == id_at(NOON + 19_000)
        return counted

    assert read(database, steps) < 1_000 * 50
    database.close_now()


def test_a_page_is_a_range_of_an_index_and_never_a_scan(tmp_path: Path) -> None:
    database = a_database(tmp_path)

    def plans(connection: Connection) -> list[str]:
        asked: list[tuple[str, Any]] = []

        def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
            asked.append((statement, parameters))

        event.listen(connection, "before_cursor_execute", note)
        calls.list_calls(connection, "org-1", CallSelection(NOON, models=("tiny-1",)), id_at(NOON + 9), 20)
        calls.list_calls(connection, "org-1", CallSelection(NOON, NOON + HOUR, key_ids=("key_1",)), None, 20)
        event.remove(connection, "before_cursor_execute", note)
        return [
            str(row[3])
            for statement, parameters in asked
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]

    seen = read(database, plans)
    assert [line for line in seen if "calls USING PRIMARY KEY (id>? AND id<?)" in line]
    assert [line for line in seen if "calls_by_key (key_id=? AND id>? AND id<?)" in line]
    assert not [line for line in seen if line.startswith(("SCAN", "USE TEMP B-TREE"))]
    database.close_now()


def test_too_many_keys_at_once_are_refused(database: ClosableDatabase) -> None:
    keys = tuple(f"key_{place}" for place in range(calls.KEYS_MAX + 1))
    with pytest.raises(Refusal) as refused:
        ids(database, CallSelection(0, key_ids=keys))
    assert (refused.value.code, refused.value.param) == (Code.PARAMETER_INVALID, "api_key_ids")
    assert ids(database, CallSelection(0, key_ids=keys[1:])) == []


def test_the_periods_a_call_counted_on_are_found_in_its_order_and_what_is_gone_is_left_out(
    database: ClosableDatabase,
) -> None:
    def fill(connection: Connection) -> tuple[int, int]:
        a_limit(connection, 5, unit=Unit.REQUESTS, window=Window.TOTAL, limit_id="limit_1")
        a_limit(connection, 7_000, scope=("organization", "org-1"), limit_id="limit_2", model="tiny-1")
        connection.execute(schema.limits.update().where(schema.limits.c.id == "limit_2").values(deleted_at_ms=NOON + 5))
        return (
            a_period(connection, "limit_1", "total", starts_at_ms=0),
            a_period(connection, "limit_2", "2026-11", ends_at_ms=NOON + HOUR),
        )

    one, two = write(database, fill)
    found = read(database, lambda c: calls.list_counted_periods(c, "org-1", (two, 999_999, one)))
    assert [period.period_id for period in found] == [two, one]
    month, total = found
    assert (month.limit.scope_type, month.limit.unit, month.limit.amount, month.limit.model) == (
        ScopeType.ORGANIZATION,
        Unit.USD,
        7_000,
        "tiny-1",
    )
    assert (month.period, month.ends_at_ms, month.deleted_at_ms) == ("2026-11", NOON + HOUR, NOON + 5)
    assert (total.period, total.starts_at_ms, total.ends_at_ms, total.deleted_at_ms) == ("total", 0, None, None)
    assert read(database, lambda c: calls.list_counted_periods(c, "org-1", ())) == ()
    assert read(database, lambda c: calls.list_counted_periods(c, "org-2", (one,))) == ()


def test_a_cost_is_what_was_charged_less_what_was_given_back() -> None:
    fields: dict[str, Any] = dict.fromkeys(Call.__struct_fields__) | {"charged_nano_usd": 10}
    call = Call(**fields)
    assert call.cost_nano_usd == 10
    late = calls.Adjustment(NOON, Adjusted(-4, 0, 0, 0), "settled late")
    assert msgspec.structs.replace(call, adjustment=late).cost_nano_usd == 6
