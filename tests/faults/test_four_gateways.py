"""Four gateways on one PostgreSQL, 64 clients each: limits on every level are exact, whichever of them is tight."""

import asyncio
import json
from collections.abc import Iterator
from decimal import Decimal
from types import TracebackType
from typing import Any, Final, Self

import pytest

from e2e.admin import Admin
from e2e.configuration import INPUT_NANO_USD, OUTPUT_NANO_USD
from e2e.processes import KEYHOUSE
from e2e.wire import chat, post
from faults.fleet import Fleet
from faults.ground import PostgresGround
from faults.load import Load
from keyhouse.core.money import format_usd

GATEWAYS: Final = 4
CLIENTS: Final = 4 * 64
LEVELS: Final = ("key", "project", "organization")
AMOUNT: Final = 137
AT_ONCE: Final = 7
OUTPUT_TOKENS: Final = 16
"""So short that no limit makes it shorter: a call fits whole or is refused."""


def tight_on(level: str) -> list[Any]:
    """Each level in turn; in the short form only this one, and with another unit another one."""
    return [one if one == level else pytest.param(one, marks=pytest.mark.soak) for one in LEVELS]


@pytest.fixture(scope="module")
def fleet(postgres_ground: PostgresGround, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with Fleet(tmp_path_factory.mktemp("four"), postgres_ground, [KEYHOUSE] * GATEWAYS) as made:
        yield made


class Limited:
    """A key with limits of one unit on three levels, of which one is tight; leaving takes them away."""

    def __init__(self, fleet: Fleet, unit: str, window: str, tight: str, amounts: tuple[str, str]) -> None:
        self._admin = Admin(fleet.first)
        self._limits: list[str] = []
        self.key = self._admin.create_key(f"{unit} on {tight}")
        ids = {"key": self.key["id"], "project": self._admin.project_id, "organization": self._admin.organization_id}
        for level in LEVELS:
            made = self._admin.limit((level, ids[level]), unit, window, amounts[level != tight])
            self._limits.append(made["id"])
            if level == tight:
                self.tight_id = made["id"]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for limit in self._limits:
            self._admin.ask("DELETE", f"/limits/{limit}")
        self._admin.__exit__(kind, error, trace)

    def used(self) -> tuple[Decimal, Decimal]:
        """What the tight limit has used, and what is reserved on it."""
        shown = self._admin.ask("GET", f"/limits/{self.tight_id}")
        return Decimal(shown["used"]), Decimal(shown["reserved"])


async def verified_meanwhile(fleet: Fleet, load: Load) -> int:
    """Let every client come to its end, and check the books all the while; how often they were checked."""
    ending = asyncio.create_task(load.end())
    times = 0
    while not ending.done():
        await asyncio.to_thread(fleet.first.verify)
        times += 1
    await ending
    return times


def refusals_name(load: Load, limit_id: str) -> None:
    refused = [reply for reply in load.replies if reply.status != 200]
    assert {reply.status for reply in refused} == {429}
    assert {reply.error["details"]["limit_id"] for reply in refused if reply.error} == {limit_id}


def nothing_is_wrong(fleet: Fleet, load: Load) -> None:
    fleet.witnesses.wait_until_none_is_held()
    fleet.witnesses.answered |= load.answered
    assert fleet.witnesses.problems() == []
    assert not load.broken


@pytest.mark.asyncio
@pytest.mark.parametrize("tight", tight_on("key"))
async def test_as_many_requests_as_the_tight_limit_allows(fleet: Fleet, tight: str) -> None:
    with Limited(fleet, "requests", "total", tight, (str(AMOUNT), "1000000")) as limited:
        body = json.dumps(chat(max_tokens=OUTPUT_TOKENS)).encode()
        load = Load(
            fleet.urls, [body], [[limited.key["value"]]], clients=CLIENTS, ends=lambda reply: reply.status != 200
        )
        async with load:
            assert await verified_meanwhile(fleet, load)
        nothing_is_wrong(fleet, load)
        rows = fleet.first.calls(limited.key["id"])
        assert load.statuses == {200: AMOUNT, 429: CLIENTS}
        assert load.answered == {row["id"] for row in rows}
        assert load.answered <= set(fleet.witnesses.seen)
        assert limited.used() == (Decimal(AMOUNT), Decimal(0))
        refusals_name(load, limited.tight_id)


async def a_priced_body(fleet: Fleet) -> tuple[bytes, int]:
    """A request of which the upstream reports exactly the worst case, and what that costs in nano-USD."""
    key = fleet.key("probe")

    def body(prompt_tokens: int) -> bytes:
        script = {"prompt_tokens": prompt_tokens, "completion_tokens": OUTPUT_TOKENS}
        return json.dumps(chat(max_tokens=OUTPUT_TOKENS, script=script)).encode()

    assert (await post(fleet.first.url, body(100), key["value"])).status == 200
    (probe,) = fleet.first.calls(key["id"])
    reserved: int = probe["reserved_nano_usd"]
    prompt_tokens, rest = divmod(reserved - OUTPUT_TOKENS * OUTPUT_NANO_USD, INPUT_NANO_USD)
    assert (rest, len(str(prompt_tokens))) == (0, 3)
    return body(prompt_tokens), reserved


@pytest.mark.asyncio
@pytest.mark.parametrize("tight", tight_on("project"))
@pytest.mark.parametrize("missing_nano_usd", [pytest.param(0, marks=pytest.mark.soak), 1])
async def test_as_many_dollars_as_the_tight_limit_allows_to_the_last_nano(
    fleet: Fleet, tight: str, missing_nano_usd: int
) -> None:
    body, cost = await a_priced_body(fleet)
    amount = AMOUNT * cost - missing_nano_usd
    with Limited(fleet, "usd", "month", tight, (format_usd(amount), "1000")) as limited:
        load = Load(
            fleet.urls, [body], [[limited.key["value"]]], clients=CLIENTS, ends=lambda reply: reply.status != 200
        )
        async with load:
            assert await verified_meanwhile(fleet, load)
        nothing_is_wrong(fleet, load)
        admitted = AMOUNT - missing_nano_usd
        rows = fleet.first.calls(limited.key["id"])
        assert load.statuses == {200: admitted, 429: CLIENTS}
        assert sum(row["charged_nano_usd"] for row in rows) == admitted * cost
        assert load.answered == {row["id"] for row in rows}
        assert limited.used() == (Decimal(admitted * cost) / 10**9, Decimal(0))
        refusals_name(load, limited.tight_id)


@pytest.mark.asyncio
@pytest.mark.parametrize("tight", tight_on("organization"))
async def test_never_more_at_once_than_the_tight_limit_allows(fleet: Fleet, tight: str) -> None:
    with Limited(fleet, "concurrency", "total", tight, (str(AT_ONCE), "100000")) as limited:
        script = {"delay_ms": 20, "group": tight}
        body = json.dumps(chat(max_tokens=OUTPUT_TOKENS, script=script)).encode()
        load = Load(fleet.urls, [body], [[limited.key["value"]]], clients=CLIENTS)
        async with load:
            await load.until(lambda _: load.statuses[200] >= 3 * AT_ONCE and load.statuses[429] >= CLIENTS, "no load")
            await asyncio.to_thread(fleet.first.verify)
        nothing_is_wrong(fleet, load)
        assert fleet.witnesses.most_open(tight) <= AT_ONCE
        assert fleet.witnesses.most_open(tight) > 1, "nothing ran beside anything else"
        assert limited.used() == (Decimal(0), Decimal(0))
        refusals_name(load, limited.tight_id)
