"""The throttle: ten failures in five minutes for a person and for an address, a thousand in all."""

import asyncio

import pytest
from sqlalchemy import func, select

from given import FakeClock
from keyhouse.core.errors import Code, Refusal
from keyhouse.identity.throttle import WINDOW_MS, Throttle
from keyhouse.store import schema
from keyhouse.store.engine import Connection, Database
from keyhouse.store.sessions import insert_attempt

pytestmark = pytest.mark.asyncio


@pytest.fixture
def throttle(database: Database, clock: FakeClock) -> Throttle:
    return Throttle(database, clock)


async def refused(throttle: Throttle, person: str, address: str) -> int:
    """The wait, in milliseconds, that this attempt is refused with."""
    with pytest.raises(Refusal) as caught:
        await throttle.admit(person, address)
    assert caught.value.code is Code.SIGN_IN_THROTTLED
    assert caught.value.retry_after_ms is not None
    return caught.value.retry_after_ms


async def counted(database: Database) -> int:
    return await database.read(
        lambda c: int(c.execute(select(func.count()).select_from(schema.sign_in_attempts)).scalar_one())
    )


async def test_a_person_fails_ten_times_from_anywhere(throttle: Throttle) -> None:
    for place in range(10):
        await throttle.admit("ada@example.com", f"192.0.2.{place}")
    assert await refused(throttle, "ada@example.com", "198.51.100.1") == WINDOW_MS
    assert await refused(throttle, " ADA@example.com", "198.51.100.1") == WINDOW_MS
    await throttle.admit("eve@example.com", "198.51.100.1")


async def test_an_address_fails_ten_times_for_anyone(throttle: Throttle) -> None:
    for place in range(10):
        await throttle.admit(f"person-{place}@example.com", "192.0.2.1")
    await refused(throttle, "ada@example.com", "192.0.2.1")
    await refused(throttle, "ada@example.com", "::ffff:192.0.2.1")
    await throttle.admit("ada@example.com", "192.0.2.2")


async def test_an_ipv6_subscribers_addresses_are_one(throttle: Throttle) -> None:
    for place in range(10):
        await throttle.admit(f"person-{place}@example.com", f"2001:db8:1:1::{place}")
    await refused(throttle, "ada@example.com", "2001:db8:1:1:ffff::1")
    await throttle.admit("ada@example.com", "2001:db8:1:2::1")


async def test_a_thousand_failures_in_all_close_the_door_for_everyone(
    throttle: Throttle, clock: FakeClock, database: Database
) -> None:
    """All but the first and the last are written at once: a thousand transactions prove no more than two."""
    await throttle.admit("first", "10.0.0.1")
    now_ms = clock.now_ms()

    def fail(connection: Connection) -> None:
        for place in range(998):
            insert_attempt(connection, f"person-{place}", f"from-{place}", now_ms)

    await database.write(fail)
    await throttle.admit("last", "10.0.0.2")
    assert await refused(throttle, "ada@example.com", "192.0.2.1") == WINDOW_MS
    clock.turn(ms=WINDOW_MS)
    await throttle.admit("ada@example.com", "192.0.2.1")


async def test_waiting_as_long_as_was_said_is_enough_and_not_a_millisecond_less(
    throttle: Throttle, clock: FakeClock
) -> None:
    for _ in range(10):
        await throttle.admit("ada@example.com", "192.0.2.1")
        clock.turn(seconds=10)
    wait_ms = await refused(throttle, "ada@example.com", "192.0.2.1")
    assert wait_ms == WINDOW_MS - 100_000
    clock.turn(ms=wait_ms - 1)
    assert await refused(throttle, "ada@example.com", "192.0.2.1") == 1
    clock.turn(ms=1)
    await throttle.admit("ada@example.com", "192.0.2.1")


async def test_refused_attempts_do_not_lengthen_the_wait(
    throttle: Throttle, clock: FakeClock, database: Database
) -> None:
    for _ in range(10):
        await throttle.admit("ada@example.com", "192.0.2.1")
    for _ in range(20):
        clock.turn(seconds=14)
        await refused(throttle, "ada@example.com", "192.0.2.1")
    assert await counted(database) == 10
    clock.turn(seconds=20)
    await throttle.admit("ada@example.com", "192.0.2.1")


async def test_attempts_count_before_they_are_verified(throttle: Throttle) -> None:
    attempts = (throttle.admit("ada@example.com", f"192.0.2.{place}") for place in range(50))
    results = await asyncio.gather(*attempts, return_exceptions=True)
    assert sum(isinstance(result, int) for result in results) == 10


async def test_a_success_takes_back_its_own_attempt_only(throttle: Throttle, database: Database) -> None:
    attempts = [await throttle.admit("ada@example.com", "192.0.2.1") for _ in range(10)]
    await throttle.succeeded(attempts[3])
    assert await counted(database) == 9
    await throttle.admit("ada@example.com", "192.0.2.1")
    await refused(throttle, "ada@example.com", "192.0.2.1")


async def test_old_attempts_are_pruned(throttle: Throttle, clock: FakeClock, database: Database) -> None:
    for place in range(5):
        await throttle.admit(f"person-{place}", "192.0.2.1")
    clock.turn(ms=WINDOW_MS)
    await throttle.admit("ada@example.com", "192.0.2.1")
    assert await counted(database) == 1


async def test_two_processes_count_together(throttle: Throttle, clock: FakeClock, database: Database) -> None:
    other = Throttle(database, clock)
    for place in range(10):
        await (throttle, other)[place % 2].admit("ada@example.com", "192.0.2.1")
    await refused(throttle, "ada@example.com", "192.0.2.1")
    await refused(other, "ada@example.com", "192.0.2.1")


async def test_what_was_typed_as_an_address_is_not_kept(throttle: Throttle, database: Database) -> None:
    await throttle.admit("my password in the wrong field", "192.0.2.1")
    rows = await database.read(lambda c: c.execute(select(schema.sign_in_attempts)).all())
    assert "password" not in repr(rows)
