"""Speed that cannot rot: how many of our own Python functions are entered for one call, counted, not timed.

A count is the same on any machine, loaded or not, so that what makes each call dearer is seen in the change that does
it. Every entry of a function or a coroutine's turn counts, in Keyhouse's own files alone. Each ceiling is what was
counted when it was set, plus a twentieth. Whoever needs more raises it, and says in the commit for what; whoever made
it less lowers it.
"""

import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType

import msgspec
import pytest

import keyhouse
from gateway.scripted import USAGE, Wire, a_budget, a_street, chunk, streaming
from given import FakeClock, a_database, a_limit, a_need, an_opening, some_people
from keyhouse.core.call import Basis, Closing, State
from keyhouse.core.decide import Reserve
from keyhouse.core.limit import Unit, Window
from keyhouse.core.money import Counts
from keyhouse.store.books_sqlite import SqliteBooks

CALL_MAX = 195
STREAM_PIECE_MAX = 9
LEDGER_MAX = 42

OWN = str(Path(keyhouse.__file__).parent)
ROUNDS = 12
BATCH = 64


@contextmanager
def entries() -> Iterator[Counter[int]]:
    """What was entered so far, by thread: of this one, and of those that begin within the block."""
    found: Counter[int] = Counter()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(OWN):
            found[threading.get_ident()] += 1

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        yield found
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


async def answer(wire: Wire) -> None:
    await wire.answer({"id": "chatcmpl-1", "choices": [{"message": {"content": "hi"}}], "usage": USAGE})


@pytest.mark.asyncio
async def test_a_call_enters_no_more_functions_than_it_did(tmp_path: Path) -> None:
    """Three limits, plain; with the fewest of some rounds, because a timer of the house may fall into one."""
    limits = (a_budget(10**12), a_budget(10**9, unit=Unit.REQUESTS, window=Window.MINUTE, limit_id="limit_2"))
    more = a_budget(10**12, unit=Unit.TOKENS, window=Window.DAY, limit_id="limit_3")
    async with a_street(tmp_path, answer, *limits, more) as street:
        for _ in range(3):
            await street.ask()
        counts = []
        with entries() as found:
            for _ in range(ROUNDS):
                before = found[threading.get_ident()]
                assert (await street.ask()).status_code == 200
                counts.append(found[threading.get_ident()] - before)
    assert min(counts) <= CALL_MAX, f"a call enters {min(counts)} functions"


@pytest.mark.asyncio
async def test_a_piece_of_a_stream_enters_no_more_functions_than_it_did(tmp_path: Path) -> None:
    """The difference of a long stream and a short one, both in single pieces."""

    async def entered(folder: Path, pieces: int) -> int:
        async with a_street(folder, streaming(*[chunk("a")] * pieces, "data: [DONE]\n\n")) as street:
            await street.stream()
            counts = []
            with entries() as found:
                for _ in range(3):
                    before = found[threading.get_ident()]
                    await street.stream()
                    counts.append(found[threading.get_ident()] - before)
        return min(counts)

    few, many = tmp_path / "few", tmp_path / "many"
    few.mkdir()
    many.mkdir()
    each = (await entered(many, 150) - await entered(few, 50)) / 100
    assert each <= STREAM_PIECE_MAX, f"a piece enters {each} functions"


@pytest.mark.asyncio
async def test_the_ledger_enters_no_more_functions_for_a_call_than_it_did(tmp_path: Path) -> None:
    with entries() as found:
        database = a_database(tmp_path, clock := FakeClock())
        books = SqliteBooks(database, clock)
        await database.write(some_people)
        for number, unit in enumerate((Unit.USD, Unit.REQUESTS, Unit.TOKENS)):
            await database.write(partial(a_limit, amount=10**15, unit=unit, limit_id=f"limit_{number}"))
        await books.begin()
        counts = []
        for number in range(3):
            before = found.total()
            ids = [f"call_{number}_{place}" for place in range(BATCH)]
            await books.run([Reserve(msgspec.structs.replace(an_opening(""), id=one), a_need(1)) for one in ids])
            used = Counts(1, output=2)
            await books.run([Closing(one, State.SETTLED, Basis.UPSTREAM, used, 5, 200, 4, 9) for one in ids])
            counts.append((found.total() - before) / BATCH)
        await database.close()
    assert min(counts) <= LEDGER_MAX, f"the ledger enters {min(counts)} functions for a call"
