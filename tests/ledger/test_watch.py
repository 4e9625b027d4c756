"""Every minute the books are added up again: what disagrees is found, and nothing else is."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, delete, func, select, update

from given import a_need, an_opening, seeded_entropy
from given_engine import Engine
from given_ledger import Desk, a_desk, budget
from keyhouse.core.call import Basis, Closing, State
from keyhouse.core.decide import Reserve
from keyhouse.core.identifiers import call_id
from keyhouse.core.limit import Unit, Window
from keyhouse.core.money import Counts
from keyhouse.ledger.auditor import Report
from keyhouse.ledger.housekeeping import Housekeeping, Kept
from keyhouse.ledger.orphans import close_orphans
from keyhouse.ledger.watch import AGAIN_MS, Watch
from keyhouse.store import schema

LIMITS = (
    budget(10**9, window=Window.TOTAL),
    budget(10**9, unit=Unit.TOKENS, window=Window.MINUTE, scope=("project", "proj_1"), limit_id="limit_2"),
    budget(10**6, unit=Unit.CONCURRENCY, window=Window.TOTAL, scope=("organization", "org-1"), limit_id="limit_3"),
    budget(10**6, unit=Unit.REQUESTS, window=Window.DAY, scope=("user", "user-1"), limit_id="limit_4"),
)


class Post:
    """A desk with an auditor, and calls whose ids say when they began."""

    def __init__(self, desk: Desk, step_calls: int) -> None:
        self.desk = desk
        self.random = seeded_entropy(7)
        self.told: list[tuple[str, ...]] = []
        self.pauses = 0
        self.watch = Watch(desk.database, desk.clock, self.told.append, step_calls=step_calls, pause=self.pause)

    async def pause(self, seconds: float) -> None:
        self.pauses += seconds > 0

    def id(self, *, ago_ms: int = 0) -> str:
        return call_id(self.desk.clock.now_ms() - ago_ms, self.random(10))

    async def call(self, used: int = 400, *, ago_ms: int = 0) -> str:
        name = self.id(ago_ms=ago_ms)
        await self.desk.call(name, used=used)
        await self.desk.commit.settled()
        return name

    async def hold(self) -> str:
        name = self.id()
        await self.desk.books.run([Reserve(an_opening(name), a_need(1_000))])
        return name

    async def close(self, name: str, used: int = 300) -> None:
        await self.desk.books.run([Closing(name, State.SETTLED, Basis.UPSTREAM, Counts(used), used)])

    async def write(self, statement: Any) -> None:
        def run(connection: Connection) -> int:
            return connection.execute(statement).rowcount

        assert await self.desk.database.write(run)

    async def round(self) -> Report:
        await self.desk.commit.settled()
        return await self.watch.round()

    async def agree(self) -> None:
        """Both auditors say the same, and it is that the books agree."""
        assert (await self.round()).disagreements == ()
        assert (await self.desk.audit()).disagreements == ()


@asynccontextmanager
async def a_post(engine: Engine, folder: Path, step_calls: int = 3) -> AsyncIterator[Post]:
    async with a_desk(engine, folder, *LIMITS) as desk:
        yield Post(desk, step_calls)


@pytest.mark.asyncio
async def test_the_books_agree_round_after_round_whatever_calls_do(engine: Engine, tmp_path: Path) -> None:
    async with a_post(engine, tmp_path) as post:
        long = await post.hold()
        for _ in range(30):
            await post.call()
            open_call = await post.hold()
            post.desk.clock.turn(minutes=2)
            await post.agree()
            await post.close(open_call)
            await post.call(ago_ms=90_000)
        assert post.watch._known is not None
        assert long in post.watch._known.held
        assert post.watch._known.calls > 50
        await post.close(long, 1_500)
        await post.agree()
        post.desk.clock.turn(hours=5)
        await post.call()
        await post.agree()
        assert (post.told, post.watch.readings) == ([], 1)


@pytest.mark.asyncio
async def test_an_old_rollup_is_compared_when_all_calls_are_read(engine: Engine, tmp_path: Path) -> None:
    async with a_post(engine, tmp_path) as post:
        for _ in range(4):
            await post.call()
            post.desk.clock.turn(hours=2)
        first = select(func.min(schema.usage_hour.c.starts_at_ms)).scalar_subquery()
        await post.write(update(schema.usage_hour).where(schema.usage_hour.c.starts_at_ms == first).values(requests=9))
        for _ in range(2):
            report = await post.round()
            assert report.disagreements == (await post.desk.audit()).disagreements
            assert len(report.disagreements) == 1
        assert post.watch.readings == 1


@pytest.mark.asyncio
async def test_all_calls_are_read_once_in_small_pieces_and_then_only_new_ones(engine: Engine, tmp_path: Path) -> None:
    async with a_post(engine, tmp_path) as post:
        for _ in range(20):
            await post.call()
        post.desk.clock.turn(minutes=6)
        report = await post.round()
        assert (post.pauses, report.totals.calls) == (6, 20)
        await post.call()
        report = await post.round()
        assert (post.pauses, report.totals.calls) == (6, 21)


def changed(**values: object) -> Callable[[str], Any]:
    return lambda name: update(schema.calls).where(schema.calls.c.id == name).values(values)


PLANTED: dict[str, tuple[Callable[[str], Any], str]] = {
    "a counter is altered": (
        lambda _: update(schema.limit_periods).values(settled=schema.limit_periods.c.settled - 1),
        "settled says",
    ),
    "a reservation is altered": (lambda _: update(schema.limit_periods).values(reserved=5), "reserved says"),
    "more was admitted than allowed": (lambda _: update(schema.limit_periods).values(peak=0), "more than the"),
    "a call is deleted": (lambda name: delete(schema.calls).where(schema.calls.c.id == name), "its calls add up to"),
    "a closed call is altered": (changed(charged_nano_usd=1, input_tokens=1), "its calls add up to"),
    "a call closed without saying how": (changed(basis=None), "is not closed properly"),
    "a rollup is altered": (lambda _: update(schema.usage_hour).values(requests=9), "says 9 requests"),
    "a rollup is deleted": (lambda _: delete(schema.usage_hour), "says nothing"),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("planted", PLANTED)
async def test_what_is_planted_is_found(engine: Engine, tmp_path: Path, planted: str) -> None:
    statement, says = PLANTED[planted]
    async with a_post(engine, tmp_path) as post:
        for _ in range(5):
            await post.call()
        post.desk.clock.turn(minutes=6)
        name = await post.call()
        await post.agree()
        await post.write(statement(name))
        report = await post.round()
        assert any(says in line for line in report.disagreements)
        assert set(report.disagreements) == set((await post.desk.audit()).disagreements)
        assert post.told == [report.disagreements]


@pytest.mark.asyncio
@pytest.mark.parametrize(("what", "says"), [("counters", "reserved says 0.00"), ("rollups", "1 requests, 400 + 0")])
async def test_a_statement_that_was_left_out_is_found(engine: Engine, tmp_path: Path, what: str, says: str) -> None:
    async with a_post(engine, tmp_path) as post:
        await post.agree()
        engine.forget(post.desk.books, what)
        await (post.call() if what == "rollups" else post.hold())
        assert any(says in line for line in (await post.round()).disagreements)


@pytest.mark.asyncio
async def test_it_tells_every_minute_while_they_disagree_and_once_when_they_agree_again(
    engine: Engine, tmp_path: Path
) -> None:
    async with a_post(engine, tmp_path) as post:
        await post.call()
        for settled in (401, 401, 400, 400):
            limit = schema.limit_periods.c.limit_id == "limit_1"
            await post.write(update(schema.limit_periods).where(limit).values(settled=settled))
            await post.round()
        assert [len(told) for told in post.told] == [1, 1, 0]


@pytest.mark.asyncio
async def test_a_change_behind_the_watermark_is_found_by_the_full_verification_and_a_day_later(
    engine: Engine, tmp_path: Path
) -> None:
    async with a_post(engine, tmp_path) as post:
        name = await post.call()
        post.desk.clock.turn(minutes=6)
        await post.agree()
        await post.write(changed(charged_nano_usd=1)(name))
        assert (await post.round()).passes
        assert not (await post.desk.audit()).passes
        post.desk.clock.turn(ms=AGAIN_MS)
        assert not (await post.round()).passes


@pytest.mark.asyncio
async def test_a_call_with_an_id_from_behind_the_watermark_raises_no_alarm(engine: Engine, tmp_path: Path) -> None:
    async with a_post(engine, tmp_path) as post:
        await post.call()
        post.desk.clock.turn(minutes=6)
        await post.agree()
        await post.call(ago_ms=20 * 60_000)
        await post.agree()
        assert post.told == []


@pytest.mark.asyncio
@pytest.mark.parametrize("hours", [-30, 30])
async def test_a_clock_that_jumped_raises_no_alarm(engine: Engine, tmp_path: Path, hours: int) -> None:
    async with a_post(engine, tmp_path) as post:
        for jump in (hours, -hours, 0):
            for _ in range(4):
                await post.call()
                post.desk.clock.turn(minutes=3)
                await post.agree()
            post.desk.clock.turn(hours=jump)
        assert post.told == []


@pytest.mark.asyncio
async def test_an_orphan_that_settles_late_is_taken_into_account(engine: Engine, tmp_path: Path) -> None:
    async with a_post(engine, tmp_path) as post:
        name, other = await post.hold(), await post.hold()
        post.desk.clock.turn(minutes=6)
        await post.agree()
        if engine.name == "postgresql":
            await post.desk.books.end()
        heir = engine.books(post.desk.database, post.desk.clock)
        await heir.begin()
        assert await close_orphans(heir) == 2
        await post.agree()
        await post.call()
        post.desk.clock.turn(minutes=6)
        await post.agree()
        await heir.run([Closing(name, State.SETTLED, Basis.UPSTREAM, Counts(100), charged_nano_usd=100)])
        await post.agree()
        post.desk.clock.turn(hours=4)
        await post.call()
        await heir.run([Closing(other, State.RELEASED)])
        await post.agree()
        assert (post.told, post.watch.readings) == ([], 1)
        await heir.end()


@pytest.mark.asyncio
async def test_pruning_while_it_runs_raises_no_alarm(engine: Engine, tmp_path: Path) -> None:
    async with a_post(engine, tmp_path) as post:
        sweep = Housekeeping(post.desk.database, post.desk.clock, Kept(calls_days=1), at_once=4, pause=post.pause)
        for _ in range(16):
            await post.call()
            name = await post.hold()
            post.desk.clock.turn(hours=3)
            await post.close(name)
            await post.agree()
            await sweep.round()
            await post.agree()
        assert post.watch.readings == 2, "at the start and after a day"
        assert sweep.swept.calls > 10
        assert sweep.swept.periods > 10
        fresh = Watch(post.desk.database, post.desk.clock, post.told.append, step_calls=2, pause=post.pause)
        assert (await fresh.round()).passes
        assert post.told == []


@pytest.mark.asyncio
async def test_calls_that_are_pruned_before_they_were_read_make_it_begin_again(engine: Engine, tmp_path: Path) -> None:
    async with a_post(engine, tmp_path) as post:
        for _ in range(12):
            await post.call()
        post.desk.clock.turn(days=2)
        sweep = Housekeeping(post.desk.database, post.desk.clock, Kept(calls_days=1), pause=post.pause)

        async def prune(seconds: float) -> None:
            await sweep.round()

        watch = Watch(post.desk.database, post.desk.clock, post.told.append, step_calls=3, pause=prune)
        report = await watch.round()
        assert (report.disagreements, report.totals.calls, sweep.swept.calls) == ((), 0, 12)


@pytest.mark.asyncio
async def test_periods_that_no_call_touches_are_looked_at_in_turns(engine: Engine, tmp_path: Path) -> None:
    async with a_post(engine, tmp_path) as post:
        post.watch._periods_in_turn = 2
        for _ in range(6):
            await post.call()
            post.desk.clock.turn(days=1)
        first = schema.limit_periods.c.period == "2026-11-25"
        await post.write(update(schema.limit_periods).where(first).values(settled=7))
        reports = [await post.round() for _ in range(9)]
        assert {len(report.disagreements) for report in reports[5:]} == {1}
