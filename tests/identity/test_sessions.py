"""Sessions: opaque, hashed, and over when they should be."""

import hashlib

import pytest
from sqlalchemy import Connection, Update, select, update

from given import FakeClock, seeded_entropy
from keyhouse.identity.sessions import IDLE_MS, LIFETIME_MS, Sessions
from keyhouse.store import schema
from keyhouse.store.engine import Database

pytestmark = pytest.mark.asyncio

HOUR_MS = 3_600_000


@pytest.fixture
def sessions(database: Database, clock: FakeClock) -> Sessions:
    return Sessions(database, clock, seeded_entropy(5))


async def begin(sessions: Sessions, user: str = "1") -> str:
    return await sessions.begin(f"user-{user}", f"org-{user}", "192.0.2.1", "Browser/1.0")


async def row(database: Database) -> dict[str, object]:
    return await database.read(lambda c: dict(c.execute(select(schema.sessions)).mappings().one()))


async def execute(database: Database, statement: Update) -> None:
    def run(connection: Connection) -> None:
        connection.execute(statement)

    await database.write(run)


async def test_a_session_says_who_and_where(sessions: Sessions, clock: FakeClock) -> None:
    session = await sessions.find(await begin(sessions))
    assert session is not None
    assert (session.user_id, session.user_name, session.email) == ("user-1", "Ada", "user-1@example.com")
    assert (session.organization_id, session.organization_name) == ("org-1", "Acme")
    assert (session.time_zone, session.role) == ("Europe/Berlin", "owner")
    assert session.expires_at_ms == clock.now_ms() + LIFETIME_MS
    assert (session.created_at_ms, session.authenticated_at_ms) == (clock.now_ms(), clock.now_ms())
    actor = session.actor("192.0.2.9")
    assert (actor.type, actor.organization_id, actor.user_id) == ("session", "org-1", "user-1")
    assert (actor.email, actor.role, actor.address) == ("user-1@example.com", "owner", "192.0.2.9")
    assert actor.key_id is None


async def test_the_cookie_has_256_bits_and_only_its_hash_is_stored(sessions: Sessions, database: Database) -> None:
    cookie = await begin(sessions)
    assert len(cookie) == 43
    stored = await row(database)
    assert stored["id_hash"] == hashlib.sha256(cookie.encode()).digest()
    assert cookie not in repr(stored)
    assert stored["csrf_token"] != cookie


async def test_every_session_has_its_own_cookie_and_csrf_token(sessions: Sessions) -> None:
    cookies = [await begin(sessions) for _ in range(3)]
    tokens = {session.csrf_token for cookie in cookies if (session := await sessions.find(cookie)) is not None}
    assert len(set(cookies)) == len(tokens) == 3


@pytest.mark.parametrize("cookie", ["", "x", "x" * 100_000, "\ud800", "' OR 1=1 --"])
async def test_anything_else_is_no_session(sessions: Sessions, cookie: str) -> None:
    await begin(sessions)
    assert await sessions.find(cookie) is None


async def test_a_session_ends_a_day_after_its_last_use(sessions: Sessions, clock: FakeClock) -> None:
    cookie = await begin(sessions)
    clock.turn(ms=IDLE_MS - 1)
    assert await sessions.find(cookie) is not None
    clock.turn(ms=IDLE_MS - 1)
    assert await sessions.find(cookie) is not None
    clock.turn(ms=IDLE_MS)
    assert await sessions.find(cookie) is None


async def test_a_session_ends_fourteen_days_after_sign_in_however_much_it_is_used(
    sessions: Sessions, clock: FakeClock
) -> None:
    cookie = await begin(sessions)
    for _ in range(14 * 2 - 1):
        clock.turn(hours=12)
        assert await sessions.find(cookie) is not None
    clock.turn(ms=12 * HOUR_MS - 1)
    assert await sessions.find(cookie) is not None
    clock.turn(ms=1)
    assert await sessions.find(cookie) is None


async def test_its_use_is_written_at_most_once_a_minute(
    sessions: Sessions, clock: FakeClock, database: Database
) -> None:
    cookie = await begin(sessions)
    began_ms = clock.now_ms()
    clock.turn(ms=59_999)
    await sessions.find(cookie)
    assert (await row(database))["last_seen_at_ms"] == began_ms
    clock.turn(ms=1)
    await sessions.find(cookie)
    assert (await row(database))["last_seen_at_ms"] == began_ms + 60_000


async def test_an_ended_session_stays_ended(sessions: Sessions) -> None:
    cookie, other = await begin(sessions), await begin(sessions)
    await sessions.end(cookie)
    await sessions.end(cookie)
    assert await sessions.find(cookie) is None
    assert await sessions.find(other) is not None


async def test_all_sessions_of_one_person_end_and_no_one_elses(sessions: Sessions) -> None:
    mine, theirs = [await begin(sessions) for _ in range(3)], await begin(sessions, "2")
    assert await sessions.end_all("user-1") == 3
    assert [await sessions.find(cookie) for cookie in mine] == [None] * 3
    assert await sessions.find(theirs) is not None


@pytest.mark.parametrize(
    "loss",
    [
        update(schema.users).where(schema.users.c.id == "user-1").values(disabled_at_ms=1),
        update(schema.memberships).where(schema.memberships.c.user_id == "user-1").values(removed_at_ms=1),
    ],
    ids=["disabled", "removed"],
)
async def test_who_is_gone_has_no_session(sessions: Sessions, database: Database, loss: Update) -> None:
    mine, theirs = await begin(sessions), await begin(sessions, "2")
    await execute(database, loss)
    assert await sessions.find(mine) is None
    assert await sessions.find(theirs) is not None


async def test_the_role_is_the_one_of_this_moment(sessions: Sessions, database: Database) -> None:
    cookie = await begin(sessions)
    await execute(database, update(schema.memberships).values(role="reader"))
    session = await sessions.find(cookie)
    assert session is not None
    assert session.role == "reader"


async def test_a_long_user_agent_is_cut(sessions: Sessions, database: Database) -> None:
    await sessions.begin("user-1", "org-1", "192.0.2.1", "x" * 100_000)
    assert len(str((await row(database))["agent"])) == 300


async def test_sessions_that_expired_long_ago_are_forgotten(
    sessions: Sessions, clock: FakeClock, database: Database
) -> None:
    await begin(sessions)
    clock.turn(ms=LIFETIME_MS + IDLE_MS + 1)
    await begin(sessions)
    assert (await row(database))["created_at_ms"] == clock.now_ms()
