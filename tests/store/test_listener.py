"""What one gateway changes, every other one hears; and after a silence everything is read anew."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from given import AUDIT_KEY, FakeClock, seeded_entropy, some_people
from keyhouse.store.audit import Event
from keyhouse.store.engine import Actor, Change, Unavailable
from keyhouse.store.listener import CHANNEL, Listener
from keyhouse.store.postgres import ANNOUNCED_MAX, PostgresDatabase
from postgres import Cluster

pytestmark = pytest.mark.asyncio

ACTOR = Actor("session", "org-1", "user-1", "ada@example.com", "owner")
EVERYTHING = "everything"


class Ear:
    """A gateway's memory: what it was told to forget, in order."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[str] = asyncio.Queue()

    def forget(self, key_id: str) -> None:
        self.heard.put_nowait(key_id)

    def forget_all(self) -> None:
        self.heard.put_nowait(EVERYTHING)

    async def next(self) -> str:
        return await asyncio.wait_for(self.heard.get(), 10)


class Pair:
    """Two gateways on one database; `ear` is the second one's."""

    def __init__(self, url: str) -> None:
        self.first, self.second = (PostgresDatabase(url, FakeClock(), seeded_entropy()) for _ in range(2))
        self.first.chain_with(AUDIT_KEY)
        self.ear = Ear()

    async def announce(self, *key_ids: str) -> None:
        def step(change: Change) -> None:
            change.record(Event.API_KEY_UPDATED, "key_1")
            for key_id in key_ids:
                change.announce(key_id)

        await self.first.change(ACTOR, step)


@pytest_asyncio.fixture
async def pair(postgres_url: str) -> AsyncIterator[Pair]:
    made = Pair(postgres_url)
    await made.first.write(some_people)
    made.second.listen(made.ear.forget, made.ear.forget_all)
    assert await made.ear.next() == EVERYTHING
    yield made
    await made.first.close()
    await made.second.close()


async def test_a_change_on_one_gateway_is_heard_on_another_once_for_each_key(pair: Pair) -> None:
    await pair.announce("key_1", "key_2", "key_1")
    assert [await pair.ear.next() for _ in range(2)] == ["key_1", "key_2"]
    await pair.announce("key_3")
    assert await pair.ear.next() == "key_3"


async def test_very_many_keys_are_announced_as_everything(pair: Pair) -> None:
    await pair.announce(*(f"key_{number}" for number in range(ANNOUNCED_MAX)))
    assert {await pair.ear.next() for _ in range(ANNOUNCED_MAX)} == {f"key_{n}" for n in range(ANNOUNCED_MAX)}
    await pair.announce(*(f"key_{number}" for number in range(ANNOUNCED_MAX + 1)))
    assert await pair.ear.next() == EVERYTHING
    assert pair.ear.heard.empty()


async def test_what_was_rolled_back_is_not_heard(pair: Pair) -> None:
    def unrecorded(change: Change) -> None:
        change.announce("key_1")

    with pytest.raises(AssertionError):
        await pair.first.change(ACTOR, unrecorded)
    await pair.announce("key_2")
    assert await pair.ear.next() == "key_2"


async def test_after_a_lost_connection_everything_is_read_anew_and_what_follows_is_heard(
    pair: Pair, cluster: Cluster
) -> None:
    ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
    for _ in range(2):
        await asyncio.to_thread(cluster.execute, ended)
        assert await pair.ear.next() == EVERYTHING
        await pair.announce("key_1")
        assert await pair.ear.next() == "key_1"


class SilentConnection:
    """A connection through which nothing comes any more, though nobody closed it."""

    def __init__(self) -> None:
        self.channels: list[str] = []
        self.asked = 0
        self.is_terminated = False

    def add_termination_listener(self, _callback: object) -> None:
        """It never ends by itself."""

    async def add_listener(self, channel: str, _callback: object) -> None:
        self.channels.append(channel)

    async def execute(self, _statement: str) -> None:
        self.asked += 1
        if self.asked == 2:
            raise TimeoutError

    def terminate(self) -> None:
        self.is_terminated = True


async def test_a_connection_that_is_silently_dead_is_noticed_and_replaced() -> None:
    ear = Ear()
    made: list[SilentConnection] = []
    refusals = iter((False, True))

    async def connect() -> SilentConnection:
        if next(refusals, False):
            raise Unavailable("refused")
        made.append(SilentConnection())
        return made[-1]

    task = asyncio.create_task(Listener(connect, ear.forget, ear.forget_all, heartbeat_seconds=0.001).run())
    assert [await ear.next() for _ in range(3)] == [EVERYTHING] * 3
    task.cancel()
    await asyncio.wait({task})
    assert (made[0].channels, made[0].asked, made[1].asked) == ([CHANNEL], 2, 2)
    assert all(connection.is_terminated for connection in made)
