"""The ledger alone, in this process: operations a second by engine and by the size of a batch.

An operation is one reservation or one settlement; every call counts on three limits, and every batch is synced to
disk before it is answered.
"""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
import uvloop

from keyhouse import config
from keyhouse.app import open_books
from keyhouse.control.keys import KeyDraft, Keys
from keyhouse.control.limits import Limits
from keyhouse.core.bound import Need
from keyhouse.core.call import Basis, Closing, Opening, State
from keyhouse.core.decide import Admitted, Reserve
from keyhouse.core.identifiers import call_id
from keyhouse.core.limit import ScopeType, Unit, Window
from keyhouse.core.money import Counts
from keyhouse.core.policy import LimitDraft
from keyhouse.ground import Ground, open_ground
from keyhouse.store.books import Books
from keyhouse.store.engine import Actor

SIZES: Final = (1, 8, 64, 512)
AMOUNT: Final = 10**15
NEED: Final = Need(100, 25, 64, 64, 1, 100_000, 2_000, output_is_bounded=True)


class Pace(msgspec.Struct, frozen=True):
    """How fast one engine is with batches of one size."""

    engine: str
    size: int
    operations_per_second: float
    batch_ms: float


def measure(folder: Path, seconds: float, url: str | None = None) -> list[Pace]:
    """Each size for about so many seconds, on SQLite or on the database of `url`."""
    return uvloop.run(_measure(folder, seconds, url))


async def _measure(folder: Path, seconds: float, url: str | None) -> list[Pace]:
    ground = await open_ground(config.Settings(database=config.Database(url)), folder)
    try:
        opening = await _a_call(ground)
        books = open_books(ground.database, ground.clock)
        await books.begin()
        engine = "SQLite" if url is None else "PostgreSQL"
        paces = []
        for size in SIZES:
            operations, took = await _run(books, opening, ground.clock.now_ms, size, seconds)
            paces.append(Pace(engine, size, operations / took, took / (operations / size) * 1000))
        await books.end()
        return paces
    finally:
        await ground.close()


async def _run(
    books: Books, opening: Opening, now_ms: Callable[[], int], size: int, seconds: float
) -> tuple[int, float]:
    began, operations = time.perf_counter(), 0
    while (took := time.perf_counter() - began) < seconds:
        ids = [call_id(now_ms(), os.urandom(10)) for _ in range(size)]
        decision = await books.run([Reserve(msgspec.structs.replace(opening, id=one), NEED) for one in ids])
        assert all(isinstance(verdict, Admitted) for verdict in decision.verdicts)
        await books.run(
            [Closing(one, State.SETTLED, Basis.UPSTREAM, Counts(12, output=20), 52_000, 200, 40, 900) for one in ids]
        )
        operations += 2 * size
        await asyncio.sleep(0)
    return operations, took


async def _a_call(ground: Ground) -> Opening:
    """A call on three limits: its key's, its project's and its organization's."""
    made = await ground.setup.establish(
        organization="Bench", email="bench@example.com", password="a long passphrase for the benchmark", time_zone="UTC"
    )
    actor = Actor("session", made.organization_id, made.user_id, "bench@example.com", "owner")
    keys = Keys(ground.database, ground.clock, ground.entropy, ground.keyring.pepper, lambda _: None)
    issued = await keys.create(actor, KeyDraft(name="bench", project_id=made.project_id))
    limits = Limits(ground.database, ground.clock, ground.entropy)
    for scope, scope_id, unit, window in (
        (ScopeType.KEY, issued.key.id, Unit.USD, Window.MONTH),
        (ScopeType.PROJECT, made.project_id, Unit.REQUESTS, Window.MINUTE),
        (ScopeType.ORGANIZATION, made.organization_id, Unit.TOKENS, Window.DAY),
    ):
        await limits.set(actor, scope, scope_id, LimitDraft(unit, window, AMOUNT))
    return Opening(
        id="",
        request_id="req_1",
        attempt=1,
        organization_id=made.organization_id,
        time_zone="UTC",
        project_id=made.project_id,
        owner_id=made.user_id,
        key_id=issued.key.id,
        secret_version=1,
        redacted="",
        model="bench-plain",
        upstream="plain",
        endpoint="/v1/chat/completions",
        price_id=1,
    )
