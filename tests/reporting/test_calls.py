"""Calls explained as a real ledger left them: how each came to its end, and what it was charged."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Connection, delete

from given import NOON, a_need, an_opening
from given_calls import a_call, id_at
from given_control import House, refused
from given_engine import Engine
from given_ledger import Desk, a_desk, budget
from keyhouse.core.bound import Ask, Need, worst_case
from keyhouse.core.call import Basis, Closing, State
from keyhouse.core.errors import Code
from keyhouse.core.limit import Unit, Window
from keyhouse.core.money import Counts, Price, Rate
from keyhouse.ledger.book import Ledger
from keyhouse.reporting.calls import DAY_MS, CallQuestions, explained_anywhere
from keyhouse.reporting.explanations import ExplainedCall, Outcome
from keyhouse.store import schema
from keyhouse.store.calls import CallSelection
from keyhouse.store.prices import get_price

pytestmark = pytest.mark.asyncio

PRICE = Price(
    1,
    (
        Rate(1_000_001, 500_000, 1_250_000, 2_000_000),
        Rate(2_000_000, 1_000_000, 2_500_000, 3_000_000, from_input_tokens=100),
        Rate(4_000_000, 2_000_000, 5_000_000, 8_000_000, tier="priority"),
    ),
)


class Books(msgspec.Struct):
    """A ledger with a price, and the questions."""

    desk: Desk
    ledger: Ledger
    questions: CallQuestions

    async def one(self, call_id: str) -> ExplainedCall:
        await self.desk.commit.settled()
        return await self.questions.one("org-1", call_id)


LIMITS = (
    budget(10**9, limit_id="limit_usd"),
    budget(10**6, limit_id="limit_rate", unit=Unit.TOKENS, window=Window.MINUTE, scope=("project", "proj_1")),
    budget(3, limit_id="limit_running", unit=Unit.CONCURRENCY, window=Window.TOTAL, scope=("user", "user-1")),
)


@asynccontextmanager
async def books(engine: Engine, folder: Path) -> AsyncIterator[Books]:
    async with a_desk(engine, folder, *LIMITS) as desk:
        price = await desk.database.write(lambda c: get_price(c, "tiny-1", "local", PRICE, "test", NOON))
        assert price == PRICE
        yield Books(desk, Ledger(desk.commit, desk.clock, {1: price}), CallQuestions(desk.database, desk.clock))


def need(input_bytes: int = 40, output_tokens: int = 100) -> Need:
    return worst_case(Ask("tiny-1", input_bytes, output_tokens_max=output_tokens, service_tier="priority"), PRICE)


async def test_by_the_upstreams_report(engine: Engine, tmp_path: Path) -> None:
    async with books(engine, tmp_path) as at:
        async with at.ledger.hold(an_opening("call_1"), need()) as hold:
            hold.sent()
            hold.first_byte()
            at.desk.clock.turn(ms=300)
            charged = hold.settle(Counts(33, cached_input=30, output=7), status=200)
        found = await at.one("call_1")
        assert found.charge.outcome is Outcome.EXACT
        assert [(line.item, line.pico_usd) for line in found.charge.lines] == [
            ("input", 3_000_003),
            ("cached_input", 15_000_000),
            ("output", 14_000_000),
        ]
        assert (found.charge.rounding_pico_usd, found.charge.charged_nano_usd) == (997, 32_001)
        assert charged == 32_001
        on = {counted.period.limit.id: counted for counted in found.limits}
        assert list(on) == ["limit_usd", "limit_running", "limit_rate"]
        assert (on["limit_usd"].reserved, on["limit_usd"].charged) == (found.call.reserved.nano_usd, 32_001)
        assert (on["limit_rate"].reserved, on["limit_rate"].charged) == (10 + 100, 40)
        assert (on["limit_running"].reserved, on["limit_running"].charged) == (1, 0)
        assert on["limit_rate"].period.period == "2026-11-24T12:00Z"
        assert (found.call.first_byte_ms, found.call.duration_ms) == (0, 300)
        assert await at.desk.counters() == [(40, 0, 0), (0, 0, 0), (32_001, 0, 0)]


async def test_on_a_tier_and_with_a_long_prompt(engine: Engine, tmp_path: Path) -> None:
    async with books(engine, tmp_path) as at:
        for call_id, counts, tier in (("call_1", Counts(10), "priority"), ("call_2", Counts(120), "default")):
            async with at.ledger.hold(an_opening(call_id), need(200)) as hold:
                hold.sent()
                hold.settle(counts, status=200, tier=tier)
        dear, long = await at.one("call_1"), await at.one("call_2")
        assert (dear.charge.outcome, dear.charge.charged_nano_usd) == (Outcome.EXACT, 40_000)
        assert dear.charge.rate == PRICE.rates[2]
        assert (long.charge.outcome, long.charge.charged_nano_usd) == (Outcome.EXACT, 240_000)
        assert long.charge.rate == PRICE.rates[1]


async def test_counted_by_the_gateway_and_capped(engine: Engine, tmp_path: Path) -> None:
    async with books(engine, tmp_path) as at:
        async with at.ledger.hold(an_opening("call_1"), need()) as hold:
            hold.sent()
            hold.settle(Counts(20, output=5), status=200, basis=Basis.COUNTED, flags="client_left")
        # Its tokens fit, its money does not: the cap is on what was reserved.
        async with at.ledger.hold(an_opening("call_2"), a_need(1_000, tokens=100)) as hold:
            hold.sent()
            hold.settle(Counts(100), status=200, basis=Basis.COUNTED)
        counted, capped = await at.one("call_1"), await at.one("call_2")
        assert (counted.charge.outcome, counted.call.flags) == (Outcome.EXACT, ("client_left",))
        assert (capped.charge.outcome, capped.charge.charged_nano_usd) == (Outcome.CAPPED, 1_000)
        assert capped.charge.rounded_nano_usd == 200_000


async def test_more_than_the_worst_case(engine: Engine, tmp_path: Path) -> None:
    async with books(engine, tmp_path) as at:
        async with at.ledger.hold(an_opening("call_1"), a_need(1_000, tokens=100)) as hold:
            hold.sent()
            hold.settle(Counts(99), status=200)
        found = await at.one("call_1")
        assert (found.charge.outcome, found.charge.overrun_nano_usd) == (Outcome.EXACT, 99_001 - 1_000)


async def test_released_and_unpriced_and_running(engine: Engine, tmp_path: Path) -> None:
    async with books(engine, tmp_path) as at:
        async with at.ledger.hold(an_opening("call_1"), need()) as hold:
            hold.release(status=502)
        async with at.ledger.hold(an_opening("call_3"), need()) as hold:
            running = await at.one("call_3")
            assert (running.charge.outcome, running.call.cost_nano_usd) == (Outcome.RUNNING, None)
            assert [counted.charged for counted in running.limits] == [None, None, None]
            hold.release()
        released = await at.one("call_1")
        assert (released.charge.outcome, released.call.cost_nano_usd, released.call.status) == (
            Outcome.RELEASED,
            0,
            502,
        )
        await at.desk.database.write(_without_budgets)
        free = worst_case(Ask("other", 40, output_tokens_max=9), None)
        async with at.ledger.hold(an_opening("call_2", model="other", price_id=None), free) as hold:
            hold.sent()
            hold.settle(Counts(9, output=1), status=200)
        unpriced = await at.one("call_2")
        assert (unpriced.charge.outcome, unpriced.call.cost_nano_usd) == (Outcome.UNPRICED, None)
        assert [(counted.period.limit.id, counted.charged) for counted in unpriced.limits] == [
            ("limit_running", 0),
            ("limit_rate", 10),
        ]


def _without_budgets(connection: Connection) -> None:
    limits = schema.limits
    connection.execute(limits.update().where(limits.c.id == "limit_usd").values(deleted_at_ms=NOON))


async def test_orphaned_and_then_told_late(engine: Engine, tmp_path: Path) -> None:
    async with books(engine, tmp_path) as at:
        hold = at.ledger.hold(an_opening("call_1"), need())
        await hold.__aenter__()
        hold.sent()
        orphan = Closing("call_1", State.ORPHANED, Basis.RESERVED, flags="orphaned")
        await at.desk.books.run([orphan])
        dead = await at.one("call_1")
        reserved = dead.call.reserved.nano_usd
        assert (dead.charge.outcome, dead.call.cost_nano_usd) == (Outcome.RESERVED, reserved)
        assert {c.period.limit.id: c.charged for c in dead.limits} == {
            "limit_usd": reserved,
            "limit_running": 0,
            "limit_rate": 110,
        }
        charged = hold.settle(Counts(20, output=5), status=200)
        assert charged is not None
        hold.abandon()
        late = await at.one("call_1")
        assert (late.charge.outcome, late.call.cost_nano_usd) == (Outcome.RESERVED, charged)
        assert [(c.charged or 0) + c.adjusted for c in late.limits] == [charged, 0, 25]
        assert await at.desk.counters() == [(25, 0, 0), (0, 0, 0), (charged, 0, 0)]


async def test_a_minute_that_is_no_longer_kept_is_only_counted(engine: Engine, tmp_path: Path) -> None:
    async with books(engine, tmp_path) as at:
        async with at.ledger.hold(an_opening("call_1"), need()) as hold:
            hold.sent()
            hold.settle(Counts(9), status=200)
        await at.desk.commit.settled()
        periods = schema.limit_periods
        await at.desk.database.write(
            lambda c: c.execute(delete(periods).where(periods.c.limit_id == "limit_rate")).rowcount
        )
        found = await at.one("call_1")
        assert [counted.period.limit.id for counted in found.limits] == ["limit_usd", "limit_running"]
        assert found.forgotten_limits == 1


async def test_another_organizations_call_and_one_that_never_was_read_as_missing(house: House) -> None:
    questions = CallQuestions(house.database, house.clock)
    theirs = await house.database.write(lambda c: a_call(c, organization_id="org-2"))
    for call_id in (theirs, id_at(NOON + 1)):
        refusal = await refused(questions.one("org-1", call_id), Code.NOT_FOUND)
        assert call_id in refusal.message
    assert (await questions.one("org-2", theirs)).call.id == theirs
    assert (await house.database.read(lambda c: explained_anywhere(c, theirs))).call.organization_id == "org-2"
    await refused(house.database.read(lambda c: explained_anywhere(c, "call_x")), Code.NOT_FOUND)


async def test_a_list_goes_back_a_day_unless_it_is_told_otherwise(house: House) -> None:
    questions = CallQuestions(house.database, house.clock)
    assert questions.since(None) == NOON - DAY_MS
    assert questions.since(NOON - DAY_MS) == NOON - 2 * DAY_MS
    assert questions.since(5) == 0
    made = await house.database.write(lambda c: [a_call(c, NOON, place) for place in range(3)])
    page = await questions.list("org-1", CallSelection(questions.since(None)), after=None, limit=2)
    assert [call.id for call in page.calls] == [made[2], made[1]]
    assert page.go_on_after == made[1]
    rest = await questions.list("org-1", CallSelection(0), after=made[1], limit=2)
    assert ([call.id for call in rest.calls], rest.go_on_after) == ([made[0]], None)
