"""What shares a commit: a batch costs much whatever its size, and nobody may wait for nothing."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import select

from given import a_need, an_opening
from given_engine import Engine
from given_ledger import Desk, a_desk, budget
from keyhouse.core.call import Closing, State
from keyhouse.core.decide import Decision, Operation, Reserve
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.money import UNKNOWN_TIER, Counts
from keyhouse.ledger.book import CALL_NANO_USD_MAX, CALL_TOKENS_MAX
from keyhouse.ledger.commit import BATCH_MAX, FEW
from keyhouse.store import schema
from keyhouse.store.books import Books


class CountingBooks:
    """Books that note of each batch how many reservations and how many closings it had."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self.begin, self.beat, self.end = books.begin, books.beat, books.end
        self.held_by_the_dead = books.held_by_the_dead
        self.batches: list[tuple[int, int]] = []

    async def run(self, batch: Sequence[Operation]) -> Decision:
        closings = sum(isinstance(operation, Closing) for operation in batch)
        self.batches.append((len(batch) - closings, closings))
        return await self._books.run(batch)


def batches(desk: Desk) -> list[tuple[int, int]]:
    assert isinstance(desk.books, CountingBooks)
    return desk.books.batches


@pytest.mark.asyncio
async def test_a_closing_that_nobody_waits_for_is_committed_with_the_next_reservation(
    engine: Engine, tmp_path: Path
) -> None:
    async with a_desk(engine, tmp_path, budget(10_000), wrap=CountingBooks) as desk:
        for number in range(3):
            await desk.call(f"call_{number}")
        await desk.commit.settled()
        assert batches(desk) == [(1, 0), (1, 1), (1, 1), (0, 1)]


@pytest.mark.asyncio
async def test_calls_that_come_in_turns_of_one_loop_share_a_commit(engine: Engine, tmp_path: Path) -> None:
    async def after(turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        async with desk.ledger.hold(an_opening(f"call_{turns}"), a_need(1)) as hold:
            hold.sent()
            hold.settle(Counts(1), status=200)

    async with a_desk(engine, tmp_path, budget(10_000), wrap=CountingBooks) as desk:
        await asyncio.gather(*(after(turns) for turns in range(8)))
        assert batches(desk)[0] == (8, 0)


@pytest.mark.asyncio
@pytest.mark.parametrize(("turns", "calls", "first"), [(1, FEW + 2, FEW + 1), (3, FEW + 2, FEW + 2), (3, 2, 1)])
async def test_on_one_core_a_batch_of_some_size_waits_for_the_loop_to_come_to_rest(
    engine: Engine, tmp_path: Path, turns: int, calls: int, first: int
) -> None:
    """The last call comes two turns after the others; few do not wait for it."""
    async with a_desk(engine, tmp_path, budget(10_000), wrap=CountingBooks, turns=turns) as desk:
        asked = [asyncio.create_task(desk.call(f"call_{number}", 1)) for number in range(calls - 1)]
        for _ in range(3):
            await asyncio.sleep(0)
        await asyncio.gather(*asked, desk.call("call_last", 1))
        assert batches(desk)[0] == (first, 0)


class PoisonedBooks(CountingBooks):
    """Books that cannot take one call: neither its reservation nor its closing, nor whatever is in a batch with it."""

    async def run(self, batch: Sequence[Operation]) -> Decision:
        if any(isinstance(one, Reserve) and one.opening.id == "call_7" for one in batch):
            raise ValueError("call_7 cannot be written")
        return await super().run(batch)


@pytest.mark.asyncio
async def test_what_cannot_be_written_fails_alone(engine: Engine, tmp_path: Path) -> None:
    async with a_desk(engine, tmp_path, budget(10_000), wrap=PoisonedBooks) as desk:
        made = await asyncio.gather(*(desk.call(f"call_{number}", 1) for number in range(20)), return_exceptions=True)
        assert [isinstance(one, Refusal) for one in made] == [number == 7 for number in range(20)]
        await desk.commit.settled()
        assert desk.commit.is_well


@pytest.mark.asyncio
@pytest.mark.parametrize("size", [1, 5, 33, 300])
async def test_a_batch_of_any_size_is_written_whole_and_with_nothing_beside_it(
    engine: Engine, tmp_path: Path, size: int
) -> None:
    async with a_desk(engine, tmp_path, budget(10_000), wrap=CountingBooks) as desk:
        await asyncio.gather(*(desk.call(f"call_{number}", 1) for number in range(size)))
        states = await desk.states()
        assert batches(desk)[0] == (size, 0)
        assert states == {f"call_{number}": ("settled", "upstream", 1) for number in range(size)}
        assert (await desk.audit()).passes


@pytest.mark.asyncio
async def test_what_is_waited_for_does_not_wait_for_a_reservation(engine: Engine, tmp_path: Path) -> None:
    async with a_desk(engine, tmp_path, budget(10_000), wrap=CountingBooks) as desk:
        closings = [Closing(f"call_{number}", State.RELEASED) for number in range(BATCH_MAX + 8)]
        await asyncio.gather(*(desk.commit.close(closing) for closing in closings))
        assert batches(desk) == [(0, BATCH_MAX), (0, 8)]


@pytest.mark.asyncio
async def test_what_no_call_costs_is_refused_before_it_is_in_the_books(engine: Engine, tmp_path: Path) -> None:
    async with a_desk(engine, tmp_path) as desk:
        for need in (a_need(CALL_NANO_USD_MAX + 1), a_need(1, tokens=CALL_TOKENS_MAX + 1)):
            with pytest.raises(Refusal) as found:
                desk.ledger.hold(an_opening("call_1"), need)
            assert found.value.code is Code.PARAMETER_INVALID


@pytest.mark.asyncio
async def test_a_tier_that_cannot_be_written_is_called_unknown(engine: Engine, tmp_path: Path) -> None:
    async with a_desk(engine, tmp_path) as desk:
        async with desk.ledger.hold(an_opening("call_1"), a_need(10)) as hold:
            hold.sent()
            hold.settle(Counts(1), status=200, tier="\0")
        await asyncio.wait_for(desk.commit.settled(), 10)
        (row,) = await desk.database.read(lambda connection: connection.execute(select(schema.calls)).all())
    assert (row.state, row.tier) == ("settled", UNKNOWN_TIER)
