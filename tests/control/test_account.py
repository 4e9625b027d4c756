"""One's own account, and coming in again: every new password ends every session and every other link."""

from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
from sqlalchemy import update

from control.test_people import bob_joins
from given_control import House, refused
from keyhouse.control.account import LIFETIME_MS, Accounts, link_by_command
from keyhouse.core.authority import Grant, Task
from keyhouse.core.errors import Code
from keyhouse.identity.passwords import Passwords
from keyhouse.identity.sessions import Session, Sessions, hash_of
from keyhouse.identity.throttle import Throttle
from keyhouse.store import schema
from keyhouse.store.engine import Actor

pytestmark = pytest.mark.asyncio

KEY = b"r" * 32
OLD = "a long enough passphrase"
NEW = "another passphrase, just as long"


class Desk:
    """The verbs, on a house where Ada has a password."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.passwords = Passwords(ThreadPoolExecutor(1))
        self.sessions = Sessions(house.database, house.clock, house.entropy)
        throttle = Throttle(house.database, house.clock)
        self.accounts = Accounts(house.database, house.clock, self.passwords, throttle, KEY)

    async def give_password(self, user_id: str = "user-1") -> None:
        users = schema.users
        changed = update(users).where(users.c.id == user_id).values(password_hash=await self.passwords.hash(OLD))
        await self.house.execute(changed)

    async def session(self, user_id: str = "user-1") -> tuple[Session, str]:
        cookie = await self.sessions.begin(user_id, "org-1", "10.0.0.1", "Firefox")
        found = await self.sessions.find(cookie)
        assert found is not None
        return found, cookie

    async def is_password(self, password: str, user_id: str = "user-1") -> bool:
        (row,) = [row for row in await self.house.rows("users") if row["id"] == user_id]
        return await self.passwords.verify(row["password_hash"], password)


async def test_a_new_password_takes_the_present_one_and_ends_every_session(house: House) -> None:
    desk = Desk(house)
    await desk.give_password()
    session, cookie = await desk.session()
    await refused(desk.accounts.change_password(session, "guess", NEW, "10.0.0.1"), Code.SIGN_IN_WRONG)
    await refused(desk.accounts.change_password(session, OLD, "short", "10.0.0.1"), Code.PARAMETER_INVALID)
    assert await desk.sessions.find(cookie) is not None
    await desk.accounts.change_password(session, OLD, NEW, "10.0.0.1")
    assert await desk.sessions.find(cookie) is None
    assert (await desk.is_password(NEW), await desk.is_password(OLD)) == (True, False)
    assert [event for event, _ in await house.events()] == ["password.changed"]


async def test_sessions_end_one_by_one_all_but_this_and_never_anothers(house: House) -> None:
    desk = Desk(house)
    await bob_joins(house)
    (mine, here), (_, there), (_, elsewhere) = [await desk.session() for _ in range(3)]
    bobs, bobs_cookie = await desk.session("user-b")
    for session_id in (hash_of(bobs_cookie).hex(), "not hex"):
        await refused(desk.accounts.end_session(mine, session_id, ""), Code.NOT_FOUND)
    await desk.accounts.end_session(mine, hash_of(there).hex(), "")
    assert [one.id_hash for one in await desk.sessions.running("user-1")] == sorted([hash_of(here), hash_of(elsewhere)])
    await desk.accounts.end_sessions(mine, "", kept=hash_of(here))
    assert [one.id_hash for one in await desk.sessions.running("user-1")] == [hash_of(here)]
    await desk.accounts.end_sessions(mine, "")
    assert await desk.sessions.running("user-1") == ()
    assert len(await desk.sessions.running(bobs.user_id)) == 1


async def test_a_link_works_once_in_time_and_ends_every_session(house: House) -> None:
    desk = Desk(house)
    await bob_joins(house)
    await desk.give_password("user-b")
    _, cookie = await desk.session("user-b")
    first = await desk.accounts.make_reset_link(house.owner, "user-b")
    second = await desk.accounts.make_reset_link(house.owner, "user-b")
    assert first.token not in repr(first)
    assert first.token not in str(await house.everything())
    await refused(desk.accounts.reset_password(first.token, "short", ""), Code.PARAMETER_INVALID)
    assert await desk.accounts.reset_password(first.token, NEW, "10.0.0.9") == "bob@example.com"
    assert (await desk.is_password(NEW, "user-b"), await desk.sessions.find(cookie)) == (True, None)
    for token in (first.token, second.token, "guess"):
        await refused(desk.accounts.reset_password(token, OLD, ""), Code.RESET_LINK_INVALID)
    late = await desk.accounts.make_reset_link(house.owner, "user-b")
    house.clock.turn(ms=LIFETIME_MS)
    assert "expired" in (await refused(desk.accounts.offer(late.token), Code.RESET_LINK_INVALID)).message
    made, changed = "password.reset_link_made", "password.changed"
    assert [event for event, _ in await house.events()] == [made, made, changed, made]


async def test_nobody_makes_a_link_for_someone_who_may_do_more(house: House) -> None:
    desk = Desk(house)
    people, bob = await bob_joins(house)
    clerk = Actor(bob.type, "org-1", "user-b", bob.email, "member", grants=(Grant(frozenset({Task.USERS})),))
    for actor in (bob, clerk):
        await refused(desk.accounts.make_reset_link(actor, "user-1"), Code.NOT_PERMITTED)
    await refused(desk.accounts.make_reset_link(house.stranger, "user-b"), Code.NOT_FOUND)
    # What its maker may no longer do when it is used, the link does not do.
    await people.update(house.owner, "user-b", "owner")
    owner = Actor("session", "org-1", "user-b", bob.email, "owner")
    made = await desk.accounts.make_reset_link(owner, "user-1")
    await people.update(house.owner, "user-b", "reader")
    await refused(desk.accounts.reset_password(made.token, NEW, ""), Code.RESET_LINK_INVALID)
    await people.remove(house.owner, "user-b")
    await refused(desk.accounts.offer(made.token), Code.RESET_LINK_INVALID)


async def test_who_was_removed_does_not_come_in_by_a_link_of_before(house: House) -> None:
    desk = Desk(house)
    people, _ = await bob_joins(house)
    made = await desk.accounts.make_reset_link(house.owner, "user-b")
    await people.remove(house.owner, "user-b")
    await refused(desk.accounts.reset_password(made.token, NEW, ""), Code.RESET_LINK_INVALID)


async def test_the_command_makes_a_link_by_reading_alone(house: House) -> None:
    desk = Desk(house)
    await desk.give_password()
    before = await house.everything()
    made = await house.database.read(
        lambda connection: link_by_command(connection, "user-1@example.com", KEY, house.clock.now_ms())
    )
    assert await house.everything() == before
    assert await desk.accounts.reset_password(made.token, NEW, "") == "user-1@example.com"
    await refused(
        house.database.read(lambda connection: link_by_command(connection, "nobody@example.com", KEY, 0)),
        Code.NOT_FOUND,
    )


async def test_one_is_called_as_one_says_and_the_log_says_what_one_was_called(house: House) -> None:
    desk = Desk(house)
    session, cookie = await desk.session()
    await desk.accounts.rename(session, "  Ada King ", "10.0.0.1")
    found = await desk.sessions.find(cookie)
    assert found is not None
    assert found.user_name == "Ada King"
    entry = (await house.rows("audit_events"))[-1]
    assert (entry["event"], entry["resource_id"]) == ("user.updated", "user-1")
    assert msgspec.json.decode(entry["details"])["name"]["to"] == "Ada King"
    await refused(desk.accounts.rename(session, "x" * 300, "10.0.0.1"), Code.PARAMETER_INVALID)
    await desk.accounts.rename(session, " ", "10.0.0.1")
    found = await desk.sessions.find(cookie)
    assert found is not None
    assert found.user_name == ""
