"""What a call costs as the house fills up: more limits on its way, more keys beside it, more calls behind it.

Each variant is a Keyhouse of its own on SQLite, all of them running, idle but for the one that is measured. Rounds
are interleaved, and each figure is a median of ratios of the same round, so that what the machine does besides
hits both sides alike.
"""

import asyncio
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Final
from urllib.request import urlopen

import msgspec

from bench.keyhouse import THREE_LIMITS, Keyhouse, Limit, Serving
from bench.load import drive
from bench.processes import CannotRun, free_port
from bench.servers import body_file, mock
from bench.target import LOAD_CORE, SERVER_CORE
from keyhouse.demo.seed import Plan, seed
from keyhouse.ground import SystemClock
from keyhouse.store.master_key import open_keyring
from keyhouse.store.opening import address_of, open_database

FLAT: Final = 0.15
"""How much dearer a call may become."""

CLIENTS: Final = 64
FEW_KEYS: Final = 1_000
MANY_KEYS: Final = 1_000_000
MANY_CALLS: Final = 10_000_000

ONE_LIMIT: Final = THREE_LIMITS[:1]
TWELVE_LIMITS: Final = (
    *THREE_LIMITS,
    Limit("key", "usd", "day"),
    Limit("key", "requests", "minute"),
    Limit("key", "tokens", "minute"),
    Limit("user", "usd", "month"),
    Limit("user", "requests", "day"),
    Limit("project", "usd", "week"),
    Limit("project", "tokens", "minute"),
    Limit("organization", "usd", "month"),
    Limit("organization", "requests", "minute"),
)


AUDIT_SECONDS_MAX: Final = 1_200
_AUDITED: Final = re.compile(r"^keyhouse_ledger_audited_timestamp_seconds (\S+)$", re.MULTILINE)


class Variant(msgspec.Struct, frozen=True):
    """One way the house can be filled."""

    name: str
    limits: tuple[Limit, ...] = THREE_LIMITS
    keys: int = FEW_KEYS
    calls: int = 0


class Flatness(msgspec.Struct, frozen=True):
    """What one variant costs beside the plain one, as ratios; `cpu_us` is the server's processor time a call."""

    name: str
    cpu_us: float
    cpu_ratio: float
    rate_ratio: float


PLAIN: Final = Variant("3 limits, 1,000 keys, no past calls")
VARIANTS: Final = (
    PLAIN,
    Variant("1 limit", limits=ONE_LIMIT),
    Variant("12 limits", limits=TWELVE_LIMITS),
    Variant("1,000,000 keys", keys=MANY_KEYS),
    Variant("10,000,000 past calls", calls=MANY_CALLS),
)


def measure(folder: Path, rounds: int, requests: int, say: Callable[[str], None]) -> list[Flatness]:
    """All variants beside the plain one."""
    with _running(folder, say) as (body, running):
        for serving, key in running:
            _drive(serving, key, body, requests)
        rates: list[list[float]] = [[] for _ in running]
        costs: list[list[float]] = [[] for _ in running]
        for number in range(rounds):
            say(f"scale, round {number + 1} of {rounds}")
            for place, (serving, key) in enumerate(running):
                before = serving.process.cpu_seconds
                rates[place].append(_drive(serving, key, body, requests))
                costs[place].append((serving.process.cpu_seconds - before) / requests * 1e6)
    return [
        Flatness(
            variant.name,
            median(costs[place]),
            median(mine / plain for mine, plain in zip(costs[place], costs[0], strict=True)),
            median(plain / mine for mine, plain in zip(rates[place], rates[0], strict=True)),
        )
        for place, variant in enumerate(VARIANTS)
    ]


@contextmanager
def _running(folder: Path, say: Callable[[str], None]) -> Iterator[tuple[Path, list[tuple[Serving, str]]]]:
    with ExitStack() as stack:
        port = free_port()
        stack.enter_context(mock(folder / "scale-mock", port))
        running: dict[int, tuple[Serving, str]] = {}
        # Most calls first: its auditor reads them while the others are filled.
        for place, variant in sorted(enumerate(VARIANTS), key=lambda pair: -pair[1].calls):
            house = Keyhouse(folder / f"scale-{place}", {"plain": port})
            began = time.perf_counter()
            fill(house.data, variant.keys, variant.calls)
            say(f"{variant.name}: filled in {time.perf_counter() - began:.0f} s")
            serving = stack.enter_context(house.serving(SERVER_CORE))
            running[place] = serving, house.make_key(serving, variant.limits)
        say("waiting for the auditors, which read all calls after a start")
        for serving, _ in running.values():
            _wait_until_audited(serving)
        yield body_file(folder, "plain"), [running[place] for place in range(len(VARIANTS))]


def _wait_until_audited(serving: Serving) -> None:
    deadline = time.perf_counter() + AUDIT_SECONDS_MAX
    while time.perf_counter() < deadline:
        with urlopen(f"http://127.0.0.1:{serving.port}/metrics", timeout=30) as page:
            found = _AUDITED.search(page.read().decode())
        if found is not None and float(found[1]) > 0:
            return
        time.sleep(1)
    raise CannotRun("the first audit was not over in time")


def _drive(serving: Serving, key: str, body: Path, requests: int) -> float:
    headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
    return drive(LOAD_CORE, serving.url, body, headers, clients=CLIENTS, requests=requests).rate


def fill(data: Path, keys: int, calls: int) -> None:
    """Keys and past calls as `keyhouse demo seed` makes them, without limits: those are the variants' own."""

    async def seeded() -> None:
        clock = SystemClock()
        database = await open_database(address_of(data), clock, os.urandom)
        try:
            keyring = await open_keyring(data / "master.key", database, clock, os.urandom)
            database.chain_with(keyring.audit)
            plan = Plan(calls=calls, keys=keys, with_limits=False)
            await seed(database, plan, clock.now_ms(), lambda _written, _whole: None)
        finally:
            await database.close()

    asyncio.run(seeded())
