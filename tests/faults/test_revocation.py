"""A key is revoked while four gateways are hammered with it: nothing that starts afterwards reaches the upstream."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from e2e.admin import Admin
from e2e.processes import KEYHOUSE
from e2e.wire import call, chat
from faults.fleet import Fleet
from faults.ground import PostgresGround
from faults.link import Link
from faults.load import Load, now_ms
from faults.planted import planted

CLIENTS: Final = 64
TEAR: Final = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND query IN ('SELECT 1', 'LISTEN "keyhouse_keys"')
"""
AFTER_SECONDS: Final = 0.5
"""How long the key is used on after its end was acknowledged: on each gateway many calls."""


@pytest.fixture(scope="module")
def fleet(postgres_ground: PostgresGround, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Four gateways, of which the second never hears of a change."""
    made = Fleet(tmp_path_factory.mktemp("revocation"), postgres_ground, [KEYHOUSE] * 4)
    assert made.first.database is not None
    with Link(made.first.database) as link:
        link.is_deaf = True
        made.houses[1].reach(link.through(made.first.database))
        with made:
            yield made
        assert link.deafened, "the second gateway did not try to listen"


def hammered(fleet: Fleet, key: dict[str, Any]) -> Load:
    body = json.dumps(chat(max_tokens=20)).encode()
    return Load(fleet.urls, [body], [[key["value"]]], clients=CLIENTS)


async def until_each_has_answered(fleet: Fleet, load: Load) -> None:
    await load.until(
        lambda replies: {reply.url for reply in replies if reply.status == 200} == set(fleet.urls), "not every gateway"
    )


@asynccontextmanager
async def torn(fleet: Fleet, ground: PostgresGround) -> AsyncIterator[None]:
    """Meanwhile whoever listens loses the connection again and again."""
    assert fleet.first.database is not None
    name = fleet.first.database.rpartition("/")[2]
    done = asyncio.Event()

    async def tear() -> int:
        times = 0
        while not done.is_set():
            times += len(await asyncio.to_thread(ground.cluster.execute, TEAR, name))
        return times

    tearing = asyncio.create_task(tear())
    try:
        yield
    finally:
        done.set()
        assert await tearing, "nobody listened"


async def ended(fleet: Fleet, key: dict[str, Any], verb: str) -> tuple[Load, float]:
    """Use the key everywhere, revoke or disable it at the first gateway, and use it on; when that was acknowledged."""
    load = hammered(fleet, key)
    async with load:
        await until_each_has_answered(fleet, load)
        with Admin(fleet.first) as admin:
            await asyncio.to_thread(getattr(admin, verb), key["id"])
        acknowledged_ms = now_ms()
        await asyncio.sleep(AFTER_SECONDS)
    return load, acknowledged_ms


def too_late(fleet: Fleet, key: dict[str, Any], load: Load, acknowledged_ms: float) -> list[str]:
    """What started after the acknowledgement and was admitted all the same, in words."""
    seen = set(fleet.witnesses.seen)
    rows = fleet.first.rows("SELECT id, created_at_ms FROM calls WHERE key_id = ?", key["id"])
    late = [row for row in rows if row["created_at_ms"] > acknowledged_ms]
    found = [f"late: {row['id']} was admitted, {'and' if row['id'] in seen else 'not'} forwarded" for row in late]
    return found + [
        f"late: {reply}" for reply in load.replies if reply.began_ms > acknowledged_ms and reply.status != 401
    ]


@pytest.mark.asyncio
@pytest.mark.parametrize("verb", ["revoke", "disable"])
async def test_no_call_that_starts_after_the_acknowledgement_is_admitted(fleet: Fleet, verb: str) -> None:
    key = fleet.key(verb)
    load, acknowledged_ms = await ended(fleet, key, verb)
    assert too_late(fleet, key, load, acknowledged_ms) == []
    refused = [reply for reply in load.replies if reply.began_ms > acknowledged_ms]
    assert {reply.url for reply in refused} == set(fleet.urls), "not every gateway was asked afterwards"
    fleet.witnesses.answered |= load.answered
    fleet.witnesses.wait_until_none_is_held()
    assert fleet.witnesses.problems() == []


@pytest.mark.asyncio
async def test_nor_is_one_while_nobody_keeps_a_connection_to_listen_on(
    fleet: Fleet, postgres_ground: PostgresGround
) -> None:
    key = fleet.key("torn")
    async with torn(fleet, postgres_ground):
        load, acknowledged_ms = await ended(fleet, key, "revoke")
    assert too_late(fleet, key, load, acknowledged_ms) == []
    fleet.witnesses.wait_until_none_is_held()
    assert fleet.witnesses.problems() == []


@pytest.mark.asyncio
async def test_nor_does_it_list_the_models_at_any_gateway(fleet: Fleet) -> None:
    """What is not reserved for is not read again by the ledger: the gateway must not answer from memory."""
    key = fleet.key("lists")
    credentials = [("authorization", f"Bearer {key['value']}")]

    async def statuses() -> list[int]:
        found = []
        for url in fleet.urls:
            calling = await call(url, b"", credentials, path="/v1/models", method="GET")
            found.append((await calling.reply()).status)
            calling.hang_up()
        return found

    load = hammered(fleet, key)
    async with load:
        await until_each_has_answered(fleet, load)
    assert await statuses() == [200] * 4
    with Admin(fleet.first) as admin:
        admin.revoke(key["id"])
    assert await statuses() == [401] * 4


@pytest.mark.asyncio
async def test_a_gateway_that_believes_what_it_remembers_is_noticed(
    tmp_path: Path, postgres_ground: PostgresGround
) -> None:
    serve: Sequence[Sequence[str]] = [KEYHOUSE, planted("deaf", "revocation-not-read-again")]
    with Fleet(tmp_path, postgres_ground, serve) as fleet:
        key = fleet.key("revoked")
        load, acknowledged_ms = await ended(fleet, key, "revoke")
        found = too_late(fleet, key, load, acknowledged_ms)
    assert any("and forwarded" in problem for problem in found), found
