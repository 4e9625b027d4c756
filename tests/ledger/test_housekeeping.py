"""What may go goes, in small pieces; the books still add up, and nothing grows without end."""

from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import Connection, func, insert, select, text

from given import NOON, a_need, an_opening, seeded_entropy
from given_engine import Engine, PostgresEngine
from given_ledger import Desk, a_desk, budget
from keyhouse.core.call import Basis, Closing, State
from keyhouse.core.decide import Operation, Reserve
from keyhouse.core.identifiers import call_id
from keyhouse.core.limit import Unit, Window
from keyhouse.core.money import Counts
from keyhouse.ledger.housekeeping import AT_ONCE, DAY_MS, Housekeeping, Kept
from keyhouse.ledger.orphans import close_orphans
from keyhouse.ledger.watch import Watch
from keyhouse.store import schema
from keyhouse.store.postgres import PostgresDatabase
from keyhouse.store.sqlite import LOG_BYTES
from keyhouse.store.turns import NAMESPACE, Turn
from postgres import Cluster

MINUTE: Final = budget(10**9, unit=Unit.REQUESTS, window=Window.MINUTE)


async def no_pause(seconds: float) -> None:
    assert seconds > 0


def a_sweep(desk: Desk, kept: Kept | None = None, at_once: int = AT_ONCE) -> Housekeeping:
    return Housekeeping(desk.database, desk.clock, kept or Kept(), pause=no_pause, at_once=at_once)


async def count(desk: Desk, table: Any) -> int:
    rows = select(func.count()).select_from(table)
    return await desk.database.read(lambda connection: int(connection.execute(rows).scalar_one()))


async def column(desk: Desk, wanted: Any) -> list[Any]:
    rows = select(wanted).order_by(wanted)
    return await desk.database.read(lambda connection: list(connection.execute(rows).scalars()))


@pytest.mark.asyncio
async def test_minute_periods_go_an_hour_after_they_ended_unless_something_is_held_there(
    engine: Engine, tmp_path: Path
) -> None:
    async with a_desk(engine, tmp_path, MINUTE, budget(10**9, limit_id="limit_2")) as desk:
        await desk.books.run([Reserve(an_opening("call_held"), a_need())])
        for number in range(5):
            desk.clock.turn(minutes=1)
            await desk.call(f"call_{number}")
        desk.clock.turn(minutes=59)
        assert (await a_sweep(desk).round()).periods == 2
        assert (await desk.audit()).passes
        desk.clock.turn(minutes=30)
        await a_sweep(desk).round()
        await desk.books.run([Closing("call_held", State.SETTLED, Basis.UPSTREAM, Counts(5), 5)])
        assert (await desk.audit()).passes
        kept = await column(desk, schema.limit_periods.c.period)
        assert kept == ["2026-11", "2026-11-24T12:00Z", "2026-11-24T12:05Z"]


@pytest.mark.asyncio
async def test_a_minute_on_which_a_running_call_reserved_nothing_stays(engine: Engine, tmp_path: Path) -> None:
    images = budget(100, unit=Unit.IMAGES, window=Window.MINUTE)
    async with a_desk(engine, tmp_path, images) as desk:
        await desk.books.run([Reserve(an_opening("call_held"), a_need())])
        desk.clock.turn(minutes=5)
        await desk.call("call_1")
        await desk.commit.settled()
        desk.clock.turn(hours=2)
        assert (await a_sweep(desk).round()).periods == 0
        await desk.books.run([Closing("call_held", State.SETTLED, Basis.UPSTREAM, Counts(5), 5)])
        assert (await a_sweep(desk).round()).periods == 1
        assert (await desk.audit()).passes


@pytest.mark.asyncio
async def test_a_number_of_a_period_is_never_given_again(engine: Engine, tmp_path: Path) -> None:
    async with a_desk(engine, tmp_path, MINUTE) as desk:
        seen: set[int] = set()
        for number in range(4):
            await desk.call(f"call_{number}")
            await desk.commit.settled()
            (newest,) = set(await column(desk, schema.limit_periods.c.id)) - seen
            seen.add(newest)
            desk.clock.turn(hours=3)
            await a_sweep(desk).round()
            assert (await desk.audit()).passes
        assert await count(desk, schema.limit_periods) == 1


@pytest.mark.asyncio
async def test_usage_by_the_minute_goes_after_its_days_and_by_the_hour_stays(engine: Engine, tmp_path: Path) -> None:
    async with a_desk(engine, tmp_path) as desk:
        for number in range(10):
            await desk.call(f"call_{number}")
            desk.clock.turn(minutes=7)
        await desk.commit.settled()
        desk.clock.turn(days=7, minutes=-35)
        swept = await a_sweep(desk, at_once=2).round()
        assert swept.minutes == 10 - await count(desk, schema.usage_minute)
        assert set(await column(desk, schema.usage_minute.c.starts_at_ms)) == {
            NOON + minutes * 60_000 for minutes in (35, 42, 49, 56, 63)
        }
        assert await count(desk, schema.usage_hour) == 2
        assert (await desk.audit()).passes


@pytest.mark.asyncio
async def test_calls_are_kept_for_ever_unless_the_policy_says_how_long(engine: Engine, tmp_path: Path) -> None:
    async with a_desk(engine, tmp_path) as desk:
        await desk.call("call_1")
        await desk.commit.settled()
        desk.clock.turn(days=3_000)
        assert (await a_sweep(desk).round()).calls == 0
        assert (await a_sweep(desk, Kept(calls_days=2_999)).round()).calls == 0


def an_id(desk: Desk, number: int) -> str:
    return call_id(desk.clock.now_ms(), number.to_bytes(10))


@pytest.mark.asyncio
async def test_what_deleted_calls_counted_stays_in_the_books(engine: Engine, tmp_path: Path) -> None:
    seeds = (
        budget(10**9, window=Window.TOTAL),
        budget(10**6, unit=Unit.CONCURRENCY, window=Window.TOTAL, limit_id="limit_2"),
        budget(10**9, unit=Unit.TOKENS, scope=("project", "proj_1"), limit_id="limit_3"),
    )
    async with a_desk(engine, tmp_path, *seeds) as desk:
        for number in range(7):
            await desk.call(an_id(desk, number), used=100 + number)
        await desk.commit.settled()
        orphan, running = an_id(desk, 8), an_id(desk, 9)
        await desk.books.run([Reserve(an_opening(orphan), a_need(1_000)), Reserve(an_opening(running), a_need(700))])
        await desk.books.end()
        heir = engine.books(desk.database, desk.clock)
        await heir.begin()
        await close_orphans(heir)
        await heir.run([Closing(orphan, State.SETTLED, Basis.UPSTREAM, Counts(10), 10)])
        await heir.run([Reserve(an_opening(an_id(desk, 10)), a_need(500))])
        desk.clock.turn(days=2)
        await heir.run([Closing(an_id(desk, 11), State.RELEASED)])
        counters = await desk.counters()
        sweep = a_sweep(desk, Kept(calls_days=1), at_once=4)
        await sweep.round()
        assert sweep.swept.calls == 9
        assert await count(desk, schema.calls) == 1
        assert await count(desk, schema.adjustments) == 0
        assert await desk.counters() == counters
        pruned = select(schema.limit_periods.c.pruned).order_by(schema.limit_periods.c.limit_id)
        found = await desk.database.read(lambda connection: list(connection.execute(pruned).scalars()))
        assert found[:2] == [counters[0][0], 0]
        assert (await desk.audit()).passes
        late = await heir.run([Closing(running, State.SETTLED, Basis.UPSTREAM, Counts(1), 1)])
        assert late.changed == ()
        assert (await desk.audit()).passes
        await heir.end()


@pytest.mark.asyncio
async def test_the_auditor_sees_pruning_that_forgets_what_calls_counted(engine: Engine, tmp_path: Path) -> None:
    async with a_desk(engine, tmp_path, budget(10**9)) as desk:
        await desk.call(an_id(desk, 1))
        await desk.commit.settled()
        desk.clock.turn(days=2)
        await a_sweep(desk, Kept(calls_days=1)).round()
        forgotten = schema.limit_periods.update().values(pruned=0)
        await desk.database.write(lambda connection: connection.execute(forgotten).rowcount)
        assert not (await desk.audit()).passes


@pytest.mark.asyncio
async def test_sessions_and_attempts_go_once_nothing_depends_on_them(engine: Engine, tmp_path: Path) -> None:
    def seed(connection: Connection) -> None:
        for number, (expires_ms, ended_ms) in enumerate([(0, None), (10 * DAY_MS, 0), (10 * DAY_MS, None)]):
            connection.execute(
                insert(schema.sessions).values(
                    id_hash=bytes([number]),
                    user_id="user-1",
                    organization_id="org-1",
                    csrf_token="",
                    created_at_ms=NOON,
                    authenticated_at_ms=NOON,
                    last_seen_at_ms=NOON,
                    expires_at_ms=NOON + expires_ms,
                    address="",
                    agent="",
                    ended_at_ms=None if ended_ms is None else NOON + ended_ms,
                )
            )
        for hours in (0, 24):
            connection.execute(
                insert(schema.sign_in_attempts).values(at_ms=NOON + hours * 3_600_000, person="", address="")
            )

    async with a_desk(engine, tmp_path, seed) as desk:
        assert await a_sweep(desk).round() == a_sweep(desk).swept
        desk.clock.turn(hours=24, minutes=1)
        swept = await a_sweep(desk).round()
        assert (swept.sessions, swept.attempts) == (2, 1)


@pytest.mark.asyncio
async def test_of_several_gateways_one_does_the_work(cluster: Cluster, tmp_path: Path) -> None:
    engine = PostgresEngine(cluster)
    async with a_desk(engine, tmp_path, MINUTE) as desk:
        await desk.call("call_1")
        desk.clock.turn(minutes=2)
        await desk.call("call_2")
        await desk.commit.settled()
        desk.clock.turn(hours=2)
        assert isinstance(desk.database, PostgresDatabase)
        other = await desk.database.connect()
        async with other.transaction():
            await other.execute("SELECT pg_advisory_xact_lock($1, $2)", NAMESPACE, int(Turn.HOUSEKEEPING))
            assert (await a_sweep(desk).round()).periods == 0
        assert (await a_sweep(desk).round()).periods == 1
        await other.close()
    engine.close()


CALLS_A_STEP: Final = 10


class Week:
    """A week of calls under limits of several windows: some at each step of so many minutes."""

    def __init__(self, desk: Desk, step_minutes: int) -> None:
        self.desk = desk
        self.step_minutes = step_minutes
        self.random = seeded_entropy(11)
        self.open: list[str] = []
        self.calls = 0
        self.told: list[tuple[str, ...]] = []
        self.watch = Watch(desk.database, desk.clock, self.told.append, step_calls=5_000, pause=no_pause)
        self.sweep = a_sweep(desk, Kept(minutes_days=1, calls_days=2), at_once=500)

    async def step(self) -> None:
        """One batch: what ran ends, and as much begins."""
        ids = [call_id(self.desk.clock.now_ms() + n, self.random(10)) for n in range(CALLS_A_STEP)]
        batch: list[Operation] = [
            Closing(name, State.SETTLED, Basis.UPSTREAM, Counts(40), 40, 200, duration_ms=100) for name in self.open
        ]
        batch += [Reserve(an_opening(name), a_need(1_000)) for name in ids]
        await self.desk.books.run(batch)
        self.open = ids
        self.calls += len(ids)
        self.desk.clock.turn(minutes=self.step_minutes)

    async def day(self) -> None:
        for step in range(1, 24 * 60 // self.step_minutes + 1):
            await self.step()
            if step % 15 == 0:
                await self.sweep.round()
                assert (await self.watch.round()).passes


def pages(connection: Connection) -> int:
    """How large a SQLite database is, wherever its pages are."""
    return int(connection.execute(text("PRAGMA page_count")).scalar_one())


@pytest.mark.asyncio
@pytest.mark.timeout(300)
@pytest.mark.parametrize("step_minutes", [16, pytest.param(4, marks=pytest.mark.soak)])
async def test_a_week_of_calls_leaves_a_database_that_does_not_grow(
    engine: Engine, tmp_path: Path, step_minutes: int
) -> None:
    seeds = (
        budget(10**12, window=Window.TOTAL),
        budget(10**9, unit=Unit.TOKENS, window=Window.MINUTE, scope=("project", "proj_1"), limit_id="limit_2"),
        budget(10**6, unit=Unit.REQUESTS, window=Window.DAY, scope=("user", "user-1"), limit_id="limit_3"),
    )
    async with a_desk(engine, tmp_path, *seeds) as desk:
        week = Week(desk, step_minutes)
        calls_a_day = 24 * 60 // step_minutes * CALLS_A_STEP
        sizes: list[int] = []
        for _ in range(7):
            await week.day()
            assert (await desk.audit()).disagreements == ()
            assert await count(desk, schema.limit_periods) < 60 // step_minutes + 40
            assert await count(desk, schema.calls) <= calls_a_day * 2 + CALLS_A_STEP * 16
            if engine.name == "sqlite":
                sizes.append(await desk.database.read(pages))
                assert (tmp_path / "keyhouse.db-wal").stat().st_size < 2 * LOG_BYTES
        assert week.told == []
        assert week.calls == calls_a_day * 7
        assert week.sweep.swept.calls > week.calls * 0.6
        if sizes:
            assert sizes[6] < sizes[3] * 1.1
