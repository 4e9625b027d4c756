"""Sign-in sessions: an opaque cookie, of which the database knows only the hash.

A session ends fourteen days after sign-in, a day after its last use, when its person signs out, is disabled
or removed, or when all sessions of that person are ended. Signing in always makes a new one.
"""

import base64
import hashlib
from typing import Final

import msgspec

from keyhouse.core.authority import Grant
from keyhouse.core.clock import Clock, Entropy
from keyhouse.store import grants, people
from keyhouse.store import sessions as rows
from keyhouse.store.engine import Actor, Connection, Database

LIFETIME_MS: Final = 14 * 24 * 3_600_000
IDLE_MS: Final = 24 * 3_600_000
SEEN_EVERY_MS: Final = 60_000
"""How often the last use is written down."""

AGENT_LENGTH_MAX: Final = 300
COOKIE_BYTES: Final = 32


class Session(msgspec.Struct, frozen=True):
    """Who is signed in, where, and until when. Times are milliseconds since 1970.

    `authenticated_at_ms` is when this person last proved who they are. `csrf_token` belongs to this session
    alone. `role` is the person's in the organization at this moment, `grants` what their other roles give.
    `organizations` are all that they are a member of, ids and names by name.
    """

    user_id: str
    user_name: str
    email: str
    organization_id: str
    organization_name: str
    time_zone: str
    role: str
    csrf_token: str
    created_at_ms: int
    authenticated_at_ms: int
    expires_at_ms: int
    grants: tuple[Grant, ...] = ()
    organizations: tuple[tuple[str, str], ...] = ()

    def actor(self, address: str) -> Actor:
        """This person, acting from this address."""
        return Actor(
            "session",
            self.organization_id,
            self.user_id,
            self.email,
            self.role,
            address=address,
            grants=self.grants,
        )


class Sessions:
    """Begins, finds and ends sessions."""

    def __init__(self, database: Database, clock: Clock, entropy: Entropy) -> None:
        self._database = database
        self._clock = clock
        self._entropy = entropy

    async def begin(self, user_id: str, organization_id: str, address: str, agent: str) -> str:
        """A new session for this user; the value for its cookie, which cannot be learned again."""
        cookie = self.new_cookie()
        await self._database.write(
            lambda connection: self.insert(connection, cookie, user_id, organization_id, address=address, agent=agent)
        )
        return cookie

    def new_cookie(self) -> str:
        """The value of a cookie that no session has yet: 256 bits."""
        return _text(self._entropy(COOKIE_BYTES))

    def insert(
        self, connection: Connection, cookie: str, user_id: str, organization_id: str, *, address: str, agent: str
    ) -> None:
        """`begin` inside the caller's transaction. Also forgets sessions that expired a day ago."""
        now_ms = self._clock.now_ms()
        rows.delete_sessions(connection, now_ms - IDLE_MS)
        rows.insert_session(
            connection,
            rows.NewSession(
                id_hash=hash_of(cookie),
                user_id=user_id,
                organization_id=organization_id,
                csrf_token=_text(self._entropy(COOKIE_BYTES)),
                created_at_ms=now_ms,
                authenticated_at_ms=now_ms,
                last_seen_at_ms=now_ms,
                expires_at_ms=now_ms + LIFETIME_MS,
                address=address,
                agent=agent[:AGENT_LENGTH_MAX],
            ),
        )

    async def find(self, cookie: str) -> Session | None:
        """The living session of this cookie, noting once a minute that it was used; None for anything else."""
        id_hash = hash_of(cookie)
        row, held, organizations = await self._database.read(lambda connection: _find(connection, id_hash))
        now_ms = self._clock.now_ms()
        if row is None or not _is_alive(row, now_ms):
            return None
        if now_ms - row.last_seen_at_ms >= SEEN_EVERY_MS:
            await self._database.write(lambda connection: rows.update_session_seen(connection, id_hash, now_ms))
        beside = ("grants", "organizations")
        fields = {field: getattr(row, field) for field in Session.__struct_fields__ if field not in beside}
        return Session(**fields, grants=held, organizations=organizations)

    async def switch(self, cookie: str, organization_id: str) -> bool:
        """Take a living session to another organization of its person; whether they are a member there, as they are at
        the moment it is written. Whether they still are is asked again at every request.
        """
        id_hash, now_ms = hash_of(cookie), self._clock.now_ms()

        def write(connection: Connection) -> bool:
            row = rows.find_session(connection, id_hash)
            if row is None or not _is_alive(row, now_ms):
                return False
            theirs = people.list_organizations_of(connection, row.user_id)
            if organization_id not in {one for one, _ in theirs}:
                return False
            rows.update_session_organization(connection, id_hash, organization_id)
            return True

        return await self._database.write(write)

    async def running(self, user_id: str) -> tuple[rows.NewSession, ...]:
        """This user's sessions that may still be used, the last used first."""
        now_ms = self._clock.now_ms()
        return await self._database.read(lambda c: rows.list_running(c, user_id, now_ms, now_ms - IDLE_MS))

    async def end(self, cookie: str) -> None:
        """End this session, if it is running."""
        await self._database.write(lambda connection: self.end_in(connection, cookie))

    def end_in(self, connection: Connection, cookie: str) -> bool:
        """`end` inside the caller's transaction; whether it was running."""
        return rows.update_session_ended(connection, hash_of(cookie), self._clock.now_ms())

    async def end_all(self, user_id: str) -> int:
        """End every session of this user; how many were running."""
        now_ms = self._clock.now_ms()
        return await self._database.write(lambda connection: rows.update_sessions_ended(connection, user_id, now_ms))


def _find(
    connection: Connection, id_hash: bytes
) -> tuple[rows.SessionRow | None, tuple[Grant, ...], tuple[tuple[str, str], ...]]:
    row = rows.find_session(connection, id_hash)
    if row is None:
        return None, (), ()
    held = grants.list_grants(connection, row.organization_id, row.user_id)
    return row, held, people.list_organizations_of(connection, row.user_id)


def _is_alive(row: rows.SessionRow, now_ms: int) -> bool:
    return (
        row.ended_at_ms is None
        and row.member_gone_at_ms is None
        and now_ms < row.expires_at_ms
        and now_ms < row.last_seen_at_ms + IDLE_MS
    )


def _text(random: bytes) -> str:
    return base64.urlsafe_b64encode(random).rstrip(b"=").decode()


def hash_of(cookie: str) -> bytes:
    """A fast hash is right for 256 random bits (OWASP ASVS 5, 6.5.2)."""
    return hashlib.sha256(cookie.encode("utf-8", "surrogatepass")).digest()
