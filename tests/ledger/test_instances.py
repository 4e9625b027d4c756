"""A dead gateway's calls are closed by another one; one that was only paused settles late."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest
from sqlalchemy import Engine as Engine_
from sqlalchemy import event, select

from given import FakeClock, a_limit, a_need, an_opening, some_people
from given_engine import Engine, PostgresEngine, SqliteEngine
from keyhouse.core.call import Basis, Closing, State
from keyhouse.core.decide import Adjusted, Admitted, Closed, Reserve
from keyhouse.core.money import Counts
from keyhouse.ledger.auditor import audit
from keyhouse.ledger.commit import GroupCommit
from keyhouse.ledger.instances import BEAT_SECONDS, SILENT_MS, STEADY_BEATS, Instances
from keyhouse.store import schema
from keyhouse.store.books import Books
from keyhouse.store.books_sqlite import SqliteBooks
from keyhouse.store.engine import Connection, Database, Unavailable
from keyhouse.store.sqlite import SqliteDatabase
from postgres import Cluster


class Gateway:
    """One gateway's books, its queue and its heart, which beats when the test says so."""

    def __init__(self, engine: Engine, database: Database, clock: FakeClock) -> None:
        self.database = database
        self.books: Books = engine.books(database, clock)
        self.reports: list[str] = []
        self.commit = GroupCommit(self.books, self.report, pause_seconds=0)
        self.instances = Instances(self.books, self.commit, self.report)

    def report(self, message: str, error: BaseException) -> None:
        self.reports.append(f"{message}: {error!r}")

    async def reserve(self, call_id: str) -> None:
        verdict = await self.commit.submit(Reserve(an_opening(call_id), a_need(1_000)))
        assert isinstance(verdict, Admitted)

    async def beat(self, times: int = 1) -> None:
        for _ in range(times):
            await self.instances.beat()


@pytest.fixture
def engine(cluster: Cluster) -> Engine:
    """Gateways beside each other are PostgreSQL's alone."""
    return PostgresEngine(cluster)


@asynccontextmanager
async def gateways(engine: Engine, folder: Path, clock: FakeClock, count: int = 2) -> AsyncIterator[list[Gateway]]:
    databases = [engine.open(folder, clock) for _ in range(count)]

    def seed(connection: Connection) -> None:
        some_people(connection)
        a_limit(connection, 10_000)

    await databases[0].write(seed)
    made = [Gateway(engine, database, clock) for database in databases]
    for gateway in made:
        await gateway.books.begin()
    running = [asyncio.create_task(gateway.commit.run()) for gateway in made]
    try:
        yield made
    finally:
        for gateway, task in zip(made, running, strict=True):
            gateway.commit.stop()
            await task
            await gateway.books.end()
            await gateway.database.close()
        engine.drop(folder)


async def state(gateway: Gateway, call_id: str) -> str:
    await gateway.commit.settled()
    row = select(schema.calls.c.state).where(schema.calls.c.id == call_id)
    found: str = await gateway.database.read(lambda c: c.execute(row).scalar_one())
    return found


async def instance_rows(gateway: Gateway) -> list[tuple[int, int | None]]:
    rows = select(schema.instances.c.id, schema.instances.c.dead_at_ms).order_by(schema.instances.c.id)
    return await gateway.database.read(lambda c: [(row[0], row[1]) for row in c.execute(rows)])


@pytest.mark.asyncio
async def test_what_a_dead_gateway_held_is_charged_within_45_seconds(engine: Engine, tmp_path: Path) -> None:
    clock = FakeClock()
    async with gateways(engine, tmp_path, clock) as (living, dying):
        await living.beat(STEADY_BEATS)
        await dying.reserve("call_1")
        await dying.beat()
        seconds = 0.0
        while await state(living, "call_1") == State.HELD:
            clock.turn(seconds=int(BEAT_SECONDS))
            seconds += BEAT_SECONDS
            await living.beat()
            assert seconds <= 45
        assert await state(living, "call_1") == State.ORPHANED
        assert seconds > SILENT_MS / 1000
        assert living.instances.orphans == 1
        assert (await living.database.read(audit)).passes


@pytest.mark.asyncio
async def test_a_gateway_that_was_only_paused_registers_anew_and_its_late_settle_corrects_downwards(
    engine: Engine, tmp_path: Path
) -> None:
    clock = FakeClock()
    async with gateways(engine, tmp_path, clock) as (living, paused):
        await living.beat(STEADY_BEATS)
        await paused.reserve("call_1")
        clock.turn(ms=SILENT_MS + 1)
        await living.beat()
        assert await state(living, "call_1") == State.ORPHANED
        late = Closing("call_1", State.SETTLED, Basis.UPSTREAM, Counts(10), charged_nano_usd=100)
        assert isinstance(await paused.commit.close(late), Adjusted)
        # Its next reservation finds out that it was declared dead, before it is admitted under a new number.
        await paused.reserve("call_2")
        rows = await instance_rows(living)
        assert [dead is None for _, dead in rows] == [True, False, True]
        closing = Closing("call_2", State.SETTLED, Basis.UPSTREAM, Counts(10), charged_nano_usd=100)
        assert isinstance(await paused.commit.close(closing), Closed)
        assert (await living.database.read(audit)).passes


@pytest.mark.asyncio
async def test_a_paused_gateway_that_beats_first_registers_anew_too(engine: Engine, tmp_path: Path) -> None:
    clock = FakeClock()
    async with gateways(engine, tmp_path, clock) as (living, paused):
        await living.beat(STEADY_BEATS)
        clock.turn(ms=SILENT_MS + 1)
        await living.beat()
        await paused.beat()
        assert [dead is None for _, dead in await instance_rows(living)] == [True, False, True]


@pytest.mark.asyncio
async def test_a_paused_gateway_whose_heart_and_batch_find_out_together_registers_once(
    engine: Engine, tmp_path: Path
) -> None:
    clock = FakeClock()
    async with gateways(engine, tmp_path, clock) as (living, paused):
        await living.beat(STEADY_BEATS)
        for place in range(5):
            clock.turn(ms=SILENT_MS + 1)
            await living.beat()
            await asyncio.gather(paused.beat(), paused.reserve(f"call_{place}"))
            rows = await instance_rows(living)
            assert [dead is None for _, dead in rows] == [True, *[False] * (place + 1), True]


@pytest.mark.asyncio
async def test_after_the_database_was_away_nobody_is_buried_by_whoever_comes_back_first(
    engine: Engine, tmp_path: Path
) -> None:
    clock = FakeClock()
    async with gateways(engine, tmp_path, clock) as (first, second):
        await first.beat(STEADY_BEATS)
        await second.reserve("call_1")
        beat, away = first.books.beat, asyncio.Event()

        async def unavailable(silent_ms: int | None) -> None:
            away.set()
            raise Unavailable("away")

        pauses: list[float] = []

        async def pause(seconds: float) -> None:
            pauses.append(seconds)
            await asyncio.sleep(0)

        first.books.beat = unavailable  # type: ignore[method-assign]
        first.instances._pause = pause
        running = asyncio.create_task(first.instances.run())
        await away.wait()
        first.books.beat = beat  # type: ignore[method-assign]
        clock.turn(ms=10 * SILENT_MS)
        await second.beat()
        running.cancel()
        await asyncio.wait({running})
        assert "could not say that it lives" in first.reports[0]
        assert [dead is None for _, dead in await instance_rows(first)] == [True, True]
        assert await state(first, "call_1") == State.HELD


@pytest.mark.asyncio
async def test_many_orphans_are_closed_while_calls_go_on(engine: Engine, tmp_path: Path) -> None:
    clock = FakeClock()
    async with gateways(engine, tmp_path, clock) as (living, dying):
        await living.beat(STEADY_BEATS)
        raised = schema.limits.update().values(amount=10**9)
        await living.database.write(lambda c: c.execute(raised).rowcount)
        await asyncio.gather(*(dying.reserve(f"call_{number:04}") for number in range(700)))
        clock.turn(ms=SILENT_MS + 1)
        await living.beat()
        assert living.instances.orphans == 700
        assert (await living.database.read(audit)).passes


@pytest.mark.asyncio
async def test_looking_for_what_the_dead_left_reads_held_calls_and_no_others(tmp_path: Path) -> None:
    database = SqliteEngine().open(tmp_path)
    assert isinstance(database, SqliteDatabase)
    books = SqliteBooks(database, FakeClock())
    await books.begin()
    asked: list[str] = []

    def listen(
        _connection: object, _cursor: object, statement: str, parameters: tuple[object, ...], *_: object
    ) -> None:
        asked.append(statement)

    event.listen(Engine_, "before_cursor_execute", listen)
    try:
        await books.held_by_the_dead("", 10)
    finally:
        event.remove(Engine_, "before_cursor_execute", listen)
    (statement,) = [one for one in asked if "calls" in one]
    plan = await database.read(
        lambda c: [row[3] for row in c.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", ("", 10, 0)).all()]
    )
    assert any("calls_held" in step for step in plan), plan
    await database.close()


@pytest.mark.asyncio
async def test_a_heart_beats_on_after_any_error() -> None:
    class Failing:
        beats = 0

        async def beat(self, _: int | None) -> None:
            self.beats += 1
            raise RuntimeError("what nobody thought of")

    async def pause(_: float) -> None:
        await asyncio.sleep(0)
        if books.beats == 3:
            raise asyncio.CancelledError

    books, said = Failing(), list[BaseException]()
    heart = Instances(cast("Books", books), cast("GroupCommit", None), lambda _, error: said.append(error), pause)
    with pytest.raises(asyncio.CancelledError):
        await heart.run()
    assert len(said) == 3
