"""Signing in and out, on a real database with real hashes."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from argon2 import PasswordHasher
from sqlalchemy import update

from given import QUICK_HASHER, FakeClock, a_database, quick_passwords, seeded_entropy
from given_control import House, a_house, refused
from keyhouse.control.sign_in import SignIn
from keyhouse.core.errors import Code
from keyhouse.identity.passwords import Passwords
from keyhouse.identity.sessions import Sessions
from keyhouse.identity.throttle import FAILURES_PER_ADDRESS, FAILURES_PER_PERSON, WINDOW_MS, Throttle
from keyhouse.store import schema

pytestmark = pytest.mark.asyncio

EMAIL, PASSWORD, ADDRESS, AGENT = "user-1@example.com", "tracks lemon fjord", "192.0.2.1", "Browser/1.0"
YESTERDAYS = PasswordHasher(time_cost=2, memory_cost=8, parallelism=1)


class Counting(Passwords):
    """Real passwords that note what was verified."""

    def __init__(self) -> None:
        super().__init__(ThreadPoolExecutor(2), QUICK_HASHER)
        self.verified: list[bool] = []

    async def verify(self, password_hash: str | None, password: str) -> bool:
        self.verified.append(password_hash is not None)
        return await super().verify(password_hash, password)


class Door(msgspec.Struct):
    """A house with a way in."""

    house: House
    passwords: Counting
    sessions: Sessions
    sign_in: SignIn

    async def enter(self, *, email: str = EMAIL, password: str = PASSWORD, address: str = ADDRESS) -> str:
        """Try to sign in."""
        return await self.sign_in.sign_in(email, password, address, AGENT)


@pytest_asyncio.fixture
async def door(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Door]:
    async with a_house(tmp_path, clock) as house:
        passwords = Counting()
        sessions = Sessions(house.database, clock, seeded_entropy(9))
        throttle = Throttle(house.database, clock)
        stored = await passwords.hash(PASSWORD)
        await house.execute(update(schema.users).where(schema.users.c.id == "user-1").values(password_hash=stored))
        yield Door(house, passwords, sessions, SignIn(house.database, clock, passwords, sessions, throttle))


async def test_the_right_password_begins_a_session(door: Door) -> None:
    cookie = await door.enter(email=" USER-1@example.com ")
    session = await door.sessions.find(cookie)
    assert session is not None
    assert (session.user_id, session.organization_id, session.role) == ("user-1", "org-1", "owner")
    (entry,) = await door.house.rows("audit_events")
    assert (entry["event"], entry["actor_id"], entry["address"]) == ("login.succeeded", "user-1", ADDRESS)


async def test_a_wrong_password_and_an_unknown_person_are_the_same_refusal(door: Door) -> None:
    refusals = [
        await refused(door.enter(password="wrong wrong wrong"), Code.SIGN_IN_WRONG),
        await refused(door.enter(email="nobody@example.com"), Code.SIGN_IN_WRONG),
        await refused(door.enter(email="not an address"), Code.SIGN_IN_WRONG),
        await refused(door.enter(email="user-2@example.com"), Code.SIGN_IN_WRONG),
    ]
    assert len({(refusal.text, refusal.param, refusal.internal) for refusal in refusals}) == 1
    # A hash was verified each time, a person's or nobody's: the work is the same.
    assert door.passwords.verified == [True, False, False, False]
    assert await door.house.rows("sessions") == []


async def test_failures_are_recorded_without_what_was_typed(door: Door) -> None:
    await refused(door.enter(password="wrong wrong wrong"), Code.SIGN_IN_WRONG)
    await refused(door.enter(email="tracks lemon fjord"), Code.SIGN_IN_WRONG)
    entries = await door.house.rows("audit_events")
    assert [(entry["event"], entry["actor_id"]) for entry in entries] == [
        ("login.failed", "user-1"),
        ("login.failed", ""),
    ]
    tables = repr(await door.house.everything())
    assert "wrong wrong wrong" not in tables
    assert "tracks lemon fjord" not in tables


@pytest.mark.parametrize(
    "loss",
    [
        update(schema.users).values(disabled_at_ms=1),
        update(schema.memberships).values(removed_at_ms=1),
        update(schema.users).values(password_hash=None),
    ],
    ids=["disabled", "removed", "no password"],
)
async def test_who_is_gone_or_has_no_password_cannot_sign_in(door: Door, loss: Any) -> None:
    await door.house.execute(loss)
    await refused(door.enter(), Code.SIGN_IN_WRONG)
    assert await door.house.rows("sessions") == []


async def test_who_is_disabled_while_the_password_is_verified_does_not_get_in(door: Door) -> None:
    class Slow(Counting):
        async def verify(self, password_hash: str | None, password: str) -> bool:
            is_right = await super().verify(password_hash, password)
            await door.house.execute(update(schema.users).values(disabled_at_ms=1))
            return is_right

    throttle = Throttle(door.house.database, door.house.clock)
    slow = SignIn(door.house.database, door.house.clock, Slow(), door.sessions, throttle)
    await refused(slow.sign_in(EMAIL, PASSWORD, ADDRESS, AGENT), Code.SIGN_IN_WRONG)
    assert await door.house.rows("sessions") == []


async def test_the_eleventh_failure_for_a_person_is_throttled_and_five_minutes_later_forgotten(door: Door) -> None:
    for place in range(FAILURES_PER_PERSON):
        await refused(door.enter(password="wrong wrong wrong", address=f"198.51.100.{place}"), Code.SIGN_IN_WRONG)
    refusal = await refused(door.enter(address="203.0.113.9"), Code.SIGN_IN_THROTTLED)
    assert refusal.retry_after_ms == WINDOW_MS
    assert len(door.passwords.verified) == FAILURES_PER_PERSON
    door.house.clock.turn(ms=WINDOW_MS - 1)
    assert (await refused(door.enter(address="203.0.113.9"), Code.SIGN_IN_THROTTLED)).retry_after_ms == 1
    door.house.clock.turn(ms=1)
    await door.enter(address="203.0.113.9")


async def test_a_hundred_guesses_at_once_are_ten_guesses(door: Door) -> None:
    guesses = [door.enter(password=f"guess number {place}", address=f"198.51.100.{place}") for place in range(100)]
    results = await asyncio.gather(*guesses, return_exceptions=True)
    codes = [getattr(result, "code", None) for result in results]
    assert codes.count(Code.SIGN_IN_WRONG) == FAILURES_PER_PERSON
    assert codes.count(Code.SIGN_IN_THROTTLED) == 100 - FAILURES_PER_PERSON
    assert len(door.passwords.verified) == FAILURES_PER_PERSON


async def test_signing_in_successfully_again_and_again_is_not_throttled(door: Door) -> None:
    for _ in range(FAILURES_PER_ADDRESS + 2):
        await door.enter()
    assert await door.house.rows("sign_in_attempts") == []


async def test_a_success_does_not_forgive_earlier_failures(door: Door) -> None:
    for _ in range(FAILURES_PER_PERSON - 1):
        await refused(door.enter(password="wrong wrong wrong"), Code.SIGN_IN_WRONG)
    await door.enter()
    await refused(door.enter(password="wrong wrong wrong"), Code.SIGN_IN_WRONG)
    await refused(door.enter(), Code.SIGN_IN_THROTTLED)


async def test_each_sign_in_is_a_new_session(door: Door) -> None:
    first, second = await door.enter(), await door.enter()
    assert first != second
    sessions = [await door.sessions.find(cookie) for cookie in (first, second)]
    assert all(sessions)
    assert len({session.csrf_token for session in sessions if session}) == 2


async def test_a_hash_with_yesterdays_costs_is_made_anew(door: Door) -> None:
    old = YESTERDAYS.hash(PASSWORD)
    users = schema.users
    await door.house.execute(update(users).where(users.c.id == "user-1").values(password_hash=old))
    await refused(door.enter(password="wrong wrong wrong"), Code.SIGN_IN_WRONG)
    assert (await door.house.rows("users"))[0]["password_hash"] == old
    await door.enter()
    fresh = (await door.house.rows("users"))[0]["password_hash"]
    assert fresh.startswith("$argon2id$v=19$m=8,t=1,p=1$")
    await door.enter()
    assert (await door.house.rows("users"))[0]["password_hash"] == fresh


async def test_signing_out_ends_the_session_and_is_recorded_once(door: Door) -> None:
    cookie, other = await door.enter(), await door.enter()
    await door.sign_in.sign_out(cookie, ADDRESS)
    await door.sign_in.sign_out(cookie, ADDRESS)
    await door.sign_in.sign_out("nonsense", ADDRESS)
    assert await door.sessions.find(cookie) is None
    assert await door.sessions.find(other) is not None
    events = [event for event, _ in await door.house.events()]
    assert events == ["login.succeeded", "login.succeeded", "logout.succeeded"]


async def test_before_the_set_up_nobody_signs_in(tmp_path: Path, clock: FakeClock) -> None:
    database = a_database(tmp_path, clock)
    sessions, throttle = Sessions(database, clock, seeded_entropy(9)), Throttle(database, clock)
    sign_in = SignIn(database, clock, quick_passwords(), sessions, throttle)
    await refused(sign_in.sign_in(EMAIL, PASSWORD, ADDRESS, AGENT), Code.SIGN_IN_WRONG)
    await database.close()


async def test_a_confirmed_session_is_another_one_that_was_proven_just_now(door: Door) -> None:
    old = await door.enter()
    door.house.clock.turn(minutes=20)
    await refused(door.sign_in.confirm(old, "not the right one", ADDRESS, AGENT), Code.SIGN_IN_WRONG)
    fresh = await door.sign_in.confirm(old, PASSWORD, ADDRESS, AGENT)
    session = await door.sessions.find(fresh)
    assert session is not None
    assert (session.user_id, session.authenticated_at_ms) == ("user-1", door.house.clock.now_ms())
    assert await door.sessions.find(old) is None
    await refused(door.sign_in.confirm(old, PASSWORD, ADDRESS, AGENT), Code.SESSION_REQUIRED)
    events = [event for event, _ in await door.house.events()]
    assert events == ["login.succeeded", "login.failed", "login.succeeded"]


async def test_guesses_at_a_confirmation_are_throttled(door: Door) -> None:
    cookie = await door.enter()
    for _ in range(FAILURES_PER_PERSON):
        await refused(door.sign_in.confirm(cookie, "a guess at it", ADDRESS, AGENT), Code.SIGN_IN_WRONG)
    await refused(door.sign_in.confirm(cookie, PASSWORD, ADDRESS, AGENT), Code.SIGN_IN_THROTTLED)


async def test_a_session_that_ended_meanwhile_is_not_confirmed(door: Door) -> None:
    class Meanwhile(Counting):
        async def verify(self, password_hash: str | None, password: str) -> bool:
            await door.sessions.end_all("user-1")
            return await super().verify(password_hash, password)

    throttle = Throttle(door.house.database, door.house.clock)
    sign_in = SignIn(door.house.database, door.house.clock, Meanwhile(), door.sessions, throttle)
    await refused(sign_in.confirm(await door.enter(), PASSWORD, ADDRESS, AGENT), Code.SESSION_REQUIRED)
