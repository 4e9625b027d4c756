"""The ledger on a real database: admitted to the unit, closed exactly once, and the auditor agrees."""

import asyncio
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select, update

from given import a_need, an_opening
from given_engine import Engine, SqliteEngine
from given_ledger import a_desk, budget
from keyhouse.core.call import Basis, Closing, State
from keyhouse.core.decide import Decision, Operation, Reserve
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.limit import Unit, Window
from keyhouse.core.money import Counts
from keyhouse.ledger.commit import CLOSING_TRIES
from keyhouse.ledger.orphans import close_orphans
from keyhouse.store import schema
from keyhouse.store.books import Books
from keyhouse.store.books_sqlite import SqliteBooks
from keyhouse.store.engine import Unavailable
from keyhouse.store.sqlite import SqliteDatabase


@pytest.mark.asyncio
async def test_of_a_thousand_calls_at_once_exactly_those_that_fit_are_admitted(engine: Engine, tmp_path: Path) -> None:
    async with a_desk(engine, tmp_path, budget(137_000)) as desk:
        results = await asyncio.gather(*(desk.call(f"call_{n}") for n in range(1_000)), return_exceptions=True)
        refused = [result for result in results if isinstance(result, Refusal)]
        assert [result for result in results if result is not None and result not in refused] == []
        assert (len(results) - len(refused), {refusal.code for refusal in refused}) == (137, {Code.LIMIT_QUOTA})
        assert await desk.counters() == [(137_000, 0, 0)]
        assert len(await desk.states()) == 137
        assert (await desk.audit()).passes


@pytest.mark.asyncio
async def test_a_refusal_says_which_limit_what_was_needed_what_is_left_and_when_it_resets(
    engine: Engine, tmp_path: Path
) -> None:
    async with a_desk(engine, tmp_path, budget(1_500_000_000)) as desk:
        await desk.call("call_1", 1_000_000_000)
        with pytest.raises(Refusal) as caught:
            await desk.call("call_2", 1_000_000_000)
        assert caught.value.message == (
            "The API key sk-kh_1...x9Fa is limited to $1.50 a month: $0.50 left, and this call may need $1.00."
        )
        assert (
            caught.value.hint
            == "It resets on 01 December 2026 at 00:00 (Europe/Berlin); an owner can raise it before (limit_1)."
        )
        assert caught.value.facts["left"] == "0.50"
        assert caught.value.retry_after_ms == 1_796_079_600_000 - desk.clock.now_ms()


@pytest.mark.asyncio
async def test_a_minute_is_a_rate_and_the_next_minute_is_free_again(engine: Engine, tmp_path: Path) -> None:
    async with a_desk(engine, tmp_path, budget(2, unit=Unit.REQUESTS, window=Window.MINUTE)) as desk:
        await desk.call("call_1")
        await desk.call("call_2")
        with pytest.raises(Refusal) as caught:
            await desk.call("call_3")
        assert (caught.value.code, caught.value.retry_after_ms) == (Code.LIMIT_RATE, 60_000)
        desk.clock.turn(minutes=1)
        await desk.call("call_4")
        assert (await desk.audit()).passes


@pytest.mark.asyncio
async def test_a_call_settles_in_the_period_it_reserved_in(engine: Engine, tmp_path: Path) -> None:
    async with a_desk(engine, tmp_path, budget(5_000, window=Window.DAY)) as desk:
        async with desk.ledger.hold(an_opening("call_1"), a_need(1_000)) as hold:
            desk.clock.turn(days=1)
            await desk.call("call_2", 2_000)
            hold.settle(Counts(700), status=200)
        assert await desk.counters() == [(700, 0, 0), (2_000, 0, 0)]
        assert (await desk.audit()).passes


@pytest.mark.asyncio
async def test_leaving_without_a_word_is_free_before_sending_and_charged_after(engine: Engine, tmp_path: Path) -> None:
    async with a_desk(engine, tmp_path, budget(10_000)) as desk:
        for call_id, was_sent in (("call_before", False), ("call_after", True)):
            with pytest.raises(ConnectionResetError):
                async with desk.ledger.hold(an_opening(call_id), a_need(1_000, tokens=900)) as hold:
                    if was_sent:
                        hold.sent()
                        hold.watch(lambda: Counts(input=200, output=50))
                    raise ConnectionResetError
        assert await desk.states() == {
            "call_before": (State.RELEASED, None, 0),
            "call_after": (State.SETTLED, Basis.COUNTED, 250),
        }
        assert (await desk.audit()).passes


@pytest.mark.asyncio
async def test_what_was_only_counted_is_never_charged_above_what_was_reserved(engine: Engine, tmp_path: Path) -> None:
    async with a_desk(engine, tmp_path, budget(10_000), budget(10_000, unit=Unit.TOKENS, limit_id="limit_2")) as desk:
        async with desk.ledger.hold(an_opening("call_1"), a_need(1_000, tokens=900)) as hold:
            hold.sent()
            hold.settle(Counts(600, output=9_000), status=200, basis=Basis.COUNTED)
        assert await desk.counters() == [(900, 0, 0), (900, 0, 0)]


@pytest.mark.asyncio
async def test_an_upstream_that_reports_more_than_the_worst_case_is_shown_as_overrun(
    engine: Engine, tmp_path: Path
) -> None:
    async with a_desk(engine, tmp_path, budget(1_000)) as desk:
        await desk.call("call_1", 1_000, used=1_700)
        assert await desk.counters() == [(1_700, 0, 700)]
        assert (await desk.audit()).passes


@pytest.mark.asyncio
async def test_a_caller_that_leaves_while_it_waits_leaves_nothing_reserved(engine: Engine, tmp_path: Path) -> None:
    async with a_desk(engine, tmp_path, budget(100_000)) as desk:
        for turns in range(40):
            waiting = asyncio.create_task(desk.call(f"call_{turns}", used=0))
            for _ in range(turns):
                await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        assert await desk.counters() in ([(0, 0, 0)], [])
        assert State.HELD not in {state for state, _, _ in (await desk.states()).values()}
        assert (await desk.audit()).passes


@pytest.mark.asyncio
async def test_a_hold_cannot_be_closed_twice(engine: Engine, tmp_path: Path) -> None:
    async with a_desk(engine, tmp_path, budget(10_000)) as desk:
        async with desk.ledger.hold(an_opening("call_1"), a_need(1_000)) as hold:
            hold.settle(Counts(10), status=200)
            with pytest.raises(RuntimeError, match="closed twice"):
                hold.release()
        assert await desk.counters() == [(10, 0, 0)]


@pytest.mark.asyncio
async def test_a_key_revoked_a_moment_ago_is_refused_by_the_reserving_transaction(
    engine: Engine, tmp_path: Path
) -> None:
    async with a_desk(engine, tmp_path) as desk:
        await desk.call("call_1")
        revoke = update(schema.keys).values(revoked_at_ms=desk.clock.now_ms())
        await desk.database.write(lambda connection: connection.execute(revoke).rowcount)
        with pytest.raises(Refusal) as caught:
            await desk.call("call_2")
        assert caught.value.code is Code.KEY_REVOKED
        assert list(await desk.states()) == ["call_1"]


@pytest.mark.asyncio
async def test_when_a_key_was_last_used_is_written_once_a_minute_and_never_goes_back(
    engine: Engine, tmp_path: Path
) -> None:
    used = select(schema.keys.c.last_used_at_ms).where(schema.keys.c.id == "key_1")

    async with a_desk(engine, tmp_path) as desk:
        began = desk.clock.now_ms()
        for number, (turned_ms, expected) in enumerate(((0, 0), (59_999, 0), (1, 60_000), (-30_000, 60_000))):
            desk.clock.turn(ms=turned_ms)
            await desk.call(f"call_{number}")
            found = await desk.database.read(lambda connection: connection.execute(used).scalar())
            assert found == began + expected, number


class FailingBooks:
    """Books whose commit fails, before or after it has taken effect; or for a given number of batches."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self.begin, self.beat, self.end = books.begin, books.beat, books.end
        self.held_by_the_dead = books.held_by_the_dead
        self.fail_before = self.fail_after = False
        self.failures = 0
        self.error: Exception = Unavailable("disk full")

    async def run(self, batch: Sequence[Operation]) -> Decision:
        if self.fail_before or self.failures:
            self.failures = max(0, self.failures - 1)
            raise self.error
        decision = await self._books.run(batch)
        if self.fail_after:
            self.fail_after = False
            raise self.error
        return decision


@pytest.mark.asyncio
async def test_nothing_is_admitted_while_the_books_cannot_be_written_and_no_closing_is_lost(
    engine: Engine, tmp_path: Path
) -> None:
    async with a_desk(engine, tmp_path, budget(10_000), wrap=FailingBooks) as desk:
        assert isinstance(desk.books, FailingBooks)
        async with desk.ledger.hold(an_opening("call_1"), a_need(1_000)) as hold:
            desk.books.fail_before = True
            with pytest.raises(Refusal) as caught:
                await desk.call("call_2")
            assert caught.value.code is Code.LEDGER_UNAVAILABLE
            assert desk.is_well() is False
            hold.settle(Counts(300), status=200)
        desk.books.fail_before = False
        assert await desk.states() == {"call_1": (State.SETTLED, Basis.UPSTREAM, 300)}
        await desk.call("call_3")
        assert desk.is_well() is True
        assert (await desk.audit()).passes


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("error", "state", "is_given_up"),
    [(Unavailable("disk full"), State.SETTLED, False), (KeyError("a fault"), State.HELD, True)],
)
async def test_a_closing_outlasts_a_missing_database_but_not_a_fault_of_its_own(
    engine: Engine, tmp_path: Path, error: Exception, state: State, is_given_up: bool
) -> None:
    async with a_desk(engine, tmp_path, budget(10_000), wrap=FailingBooks, pause_seconds=0) as desk:
        assert isinstance(desk.books, FailingBooks)
        async with desk.ledger.hold(an_opening("call_1"), a_need(1_000)) as hold:
            desk.books.failures, desk.books.error = CLOSING_TRIES + 10 * (not is_given_up), error
            hold.settle(Counts(300), status=200)
        assert (await desk.states())["call_1"][0] == state
        assert any("stays held" in report for report in desk.reports) == is_given_up
        assert (await desk.audit()).passes


@pytest.mark.asyncio
async def test_a_database_that_cannot_write_is_unavailable_and_nothing_else(tmp_path: Path) -> None:
    async with a_desk(SqliteEngine(), tmp_path) as desk:
        database = desk.database
        assert isinstance(database, SqliteDatabase)
        await database.on_writer(lambda: database.driver.execute("PRAGMA query_only = ON"))
        with pytest.raises(Unavailable) as caught:
            await desk.books.run([Reserve(an_opening("call_1"), a_need())])
        assert "readonly" in caught.value.internal
        await database.on_writer(lambda: database.driver.execute("PRAGMA query_only = OFF"))
        await desk.call("call_1")


@pytest.mark.asyncio
async def test_a_commit_of_unknown_outcome_is_not_forwarded_and_is_released(engine: Engine, tmp_path: Path) -> None:
    async with a_desk(engine, tmp_path, budget(10_000), wrap=FailingBooks) as desk:
        assert isinstance(desk.books, FailingBooks)
        desk.books.fail_after = True
        with pytest.raises(Refusal) as caught:
            await desk.call("call_1")
        assert caught.value.code is Code.LEDGER_UNAVAILABLE
        assert await desk.states() == {"call_1": (State.RELEASED, None, 0)}
        assert await desk.counters() == [(0, 0, 0)]


@pytest.mark.asyncio
async def test_what_a_dead_gateway_held_is_charged_in_full_at_the_next_start(engine: Engine, tmp_path: Path) -> None:
    async with a_desk(engine, tmp_path, budget(10_000), budget(9, unit=Unit.REQUESTS, limit_id="limit_2")) as desk:
        await desk.ledger.hold(an_opening("call_1"), a_need(1_000)).__aenter__()
        await desk.call("call_2", used=400)
        await desk.commit.settled()
        await desk.books.end()
        heir = engine.books(desk.database, desk.clock)
        await heir.begin()
        assert await close_orphans(heir) == 1
        assert (await desk.states())["call_1"] == (State.ORPHANED, Basis.RESERVED, 1_000)
        assert await desk.counters() == [(1_400, 0, 0), (2, 0, 0)]
        assert (await desk.audit()).passes
        late = Closing("call_1", State.SETTLED, Basis.UPSTREAM, Counts(100), charged_nano_usd=100)
        await heir.run([late])
        await heir.run([late])
        await heir.end()
        assert await desk.counters() == [(500, 0, 0), (2, 0, 0)]
        assert (await desk.audit()).passes


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("dropped", "says"),
    [
        ("counters", "reserved says 0.00, its calls add up to 0.000001"),
        ("rollups", "says nothing, its calls add up to 1 requests, 400 + 0 tokens, $0.0000004"),
    ],
)
async def test_the_auditor_sees_a_statement_that_was_left_out(
    engine: Engine, tmp_path: Path, dropped: str, says: str
) -> None:
    async with a_desk(engine, tmp_path, budget(10_000)) as desk:
        engine.forget(desk.books, dropped)
        if dropped == "rollups":
            await desk.call("call_1", used=400)
        else:
            await desk.ledger.hold(an_opening("call_1"), a_need(1_000)).__aenter__()
        report = await desk.audit()
        assert not report.passes
        assert says in report.disagreements[0]


@pytest.mark.asyncio
async def test_the_auditor_sees_a_counter_that_was_altered(engine: Engine, tmp_path: Path) -> None:
    async with a_desk(engine, tmp_path, budget(10_000)) as desk:
        await desk.call("call_1")
        alter = update(schema.limit_periods).values(settled=schema.limit_periods.c.settled - 1)
        await desk.commit.settled()
        await desk.database.write(lambda connection: connection.execute(alter).rowcount)
        assert not (await desk.audit()).passes


@pytest.mark.asyncio
async def test_rollups_add_up_counts_costs_errors_and_latencies(engine: Engine, tmp_path: Path) -> None:
    async with a_desk(engine, tmp_path) as desk:
        for n, wait_ms in enumerate((5, 30, 70_000)):
            async with desk.ledger.hold(an_opening(f"call_{n}"), a_need(10**6)) as hold:
                hold.sent()
                desk.clock.turn(ms=wait_ms)
                hold.first_byte()
                desk.clock.turn(ms=200)
                hold.settle(Counts(100, 40, 10, 20, 5), status=200)
            desk.clock.turn(ms=-wait_ms - 200)
        async with desk.ledger.hold(an_opening("call_bad"), a_need(10**6)) as hold:
            hold.sent()
            hold.release(status=500)
        async with desk.ledger.hold(an_opening("call_full"), a_need(10**6)) as hold:
            hold.sent()
            hold.release(status=429)
        await desk.commit.settled()
        row = await desk.database.read(lambda connection: connection.execute(select(schema.usage_hour)).one()._mapping)
        assert (row["requests"], row["errors"], row["errors_429"], row["errors_5xx"]) == (3, 2, 1, 1)
        tokens = ("input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")
        assert [row[name] for name in tokens] == [300, 120, 30, 60, 15]
        assert row["cost_nano_usd"] == 360
        assert [row[f"duration_{place}"] for place in (5, 13)] == [2, 1]
        assert [row[f"first_byte_{place}"] for place in (0, 2, 13)] == [1, 1, 1]
        assert row["answering_ms"] == 600
        assert sum(row[f"first_byte_{place}"] for place in range(14)) == 3


@pytest.mark.asyncio
async def test_everything_that_was_counted_is_in_the_row(engine: Engine, tmp_path: Path) -> None:
    names = (
        *("input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens"),
        *("audio_input_tokens", "audio_output_tokens", "images", "audio_seconds", "characters"),
        *("image_input_tokens", "image_output_tokens"),
    )
    counts = Counts(100, 2, 3, 200, 4, 5, 6, 7, 8, 9, 10, 11)
    async with a_desk(engine, tmp_path, budget(10_000)) as desk:
        async with desk.ledger.hold(an_opening("call_1"), a_need(1_000, tokens=1_000)) as hold:
            hold.sent()
            hold.settle(counts, status=200)
        await desk.commit.settled()
        row = select(*(schema.calls.c[name] for name in names))
        found = await desk.database.read(lambda connection: tuple(connection.execute(row).one()))
    assert found == msgspec.structs.astuple(counts)


@pytest.mark.asyncio
async def test_a_call_without_a_price_is_counted_as_unpriced(engine: Engine, tmp_path: Path) -> None:
    async with a_desk(engine, tmp_path) as desk:
        need = msgspec.structs.replace(a_need(), base_pico=None)
        async with desk.ledger.hold(an_opening("call_1", price_id=None), need) as hold:
            hold.sent()
            assert hold.settle(Counts(5), status=200) is None
        assert (await desk.states())["call_1"] == (State.SETTLED, Basis.UPSTREAM, None)
        assert (await desk.audit()).passes


@pytest.mark.asyncio
async def test_what_was_asked_for_before_the_drain_and_admitted_after_it_is_released(
    engine: Engine, tmp_path: Path
) -> None:
    async with a_desk(engine, tmp_path, budget(10_000)) as desk:
        waiting = asyncio.create_task(desk.call("call_1"))
        await asyncio.sleep(0)
        await desk.ledger.drain(0)
        with pytest.raises(Refusal) as caught:
            await waiting
        assert caught.value.code is Code.STOPPING
        assert await desk.states() == {"call_1": (State.RELEASED, None, 0)}
        assert await desk.counters() == [(0, 0, 0)]


@pytest.mark.asyncio
async def test_a_fault_of_our_own_is_not_taken_for_a_database_that_is_away(tmp_path: Path) -> None:
    async with a_desk(SqliteEngine(), tmp_path) as desk:
        assert isinstance(desk.books, SqliteBooks)
        desk.books._sql = desk.books._sql | {"load": "SELECT * FROM nowhere"}
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            await desk.books.run([Reserve(an_opening("call_1"), a_need())])
