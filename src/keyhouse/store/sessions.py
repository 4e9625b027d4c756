"""Sign-in sessions, and the attempts to begin one that throttles count."""

from typing import Any

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update

from keyhouse.store.people import gone_at_ms
from keyhouse.store.schema import memberships, organizations, sessions, sign_in_attempts, users


class NewSession(msgspec.Struct, frozen=True):
    """A session as it is begun. `id_hash` is the SHA-256 of what the browser keeps."""

    id_hash: bytes
    user_id: str
    organization_id: str
    csrf_token: str
    created_at_ms: int
    authenticated_at_ms: int
    last_seen_at_ms: int
    expires_at_ms: int
    address: str
    agent: str


class SessionRow(msgspec.Struct, frozen=True):
    """A session with who and where it is for. `member_gone_at_ms` is set once that person is no longer a member."""

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
    last_seen_at_ms: int
    expires_at_ms: int
    ended_at_ms: int | None
    member_gone_at_ms: int | None


class AttemptCounts(msgspec.Struct, frozen=True):
    """How many attempts there were since some instant: by this person, from this address, and in all.

    And the time of the oldest in each, None where there is none.
    """

    by_person: int
    from_address: int
    in_all: int
    oldest_by_person_ms: int | None
    oldest_from_address_ms: int | None
    oldest_in_all_ms: int | None


def insert_session(connection: Connection, session: NewSession) -> None:
    """Begin a session."""
    connection.execute(insert(sessions).values(msgspec.structs.asdict(session)))


def find_session(connection: Connection, id_hash: bytes) -> SessionRow | None:
    """The session with this hash, whether or not it may still be used."""
    rows = connection.execute(
        select(
            sessions.c.user_id,
            users.c.name.label("user_name"),
            users.c.email,
            sessions.c.organization_id,
            organizations.c.name.label("organization_name"),
            organizations.c.time_zone,
            memberships.c.role,
            sessions.c.csrf_token,
            sessions.c.created_at_ms,
            sessions.c.authenticated_at_ms,
            sessions.c.last_seen_at_ms,
            sessions.c.expires_at_ms,
            sessions.c.ended_at_ms,
            gone_at_ms().label("member_gone_at_ms"),
        )
        .join(users, users.c.id == sessions.c.user_id)
        .join(organizations, organizations.c.id == sessions.c.organization_id)
        .join(
            memberships,
            (memberships.c.user_id == sessions.c.user_id)
            & (memberships.c.organization_id == sessions.c.organization_id),
        )
        .where(sessions.c.id_hash == id_hash)
    )
    row: Any = rows.mappings().one_or_none()
    return None if row is None else SessionRow(**row)


def update_session_seen(connection: Connection, id_hash: bytes, now_ms: int) -> None:
    """The session was used just now. An ended one stays as it is."""
    connection.execute(
        update(sessions)
        .where(sessions.c.id_hash == id_hash, sessions.c.ended_at_ms.is_(None))
        .values(last_seen_at_ms=now_ms)
    )


def update_session_organization(connection: Connection, id_hash: bytes, organization_id: str) -> None:
    """The session is in this organization from now on. An ended one stays as it is."""
    connection.execute(
        update(sessions)
        .where(sessions.c.id_hash == id_hash, sessions.c.ended_at_ms.is_(None))
        .values(organization_id=organization_id)
    )


def update_session_ended(connection: Connection, id_hash: bytes, now_ms: int) -> bool:
    """End a session; whether it was still running."""
    result = connection.execute(
        update(sessions)
        .where(sessions.c.id_hash == id_hash, sessions.c.ended_at_ms.is_(None))
        .values(ended_at_ms=now_ms)
    )
    return bool(result.rowcount)


def update_sessions_ended(connection: Connection, user_id: str, now_ms: int, *, kept: bytes = b"") -> int:
    """End every session of a user, but the one with the hash `kept`; how many were running."""
    result = connection.execute(
        update(sessions)
        .where(sessions.c.user_id == user_id, sessions.c.id_hash != kept, sessions.c.ended_at_ms.is_(None))
        .values(ended_at_ms=now_ms)
    )
    return int(result.rowcount)


def update_one_ended(connection: Connection, user_id: str, id_hash: bytes, now_ms: int) -> bool:
    """End one session of a user; whether it was theirs and still running."""
    result = connection.execute(
        update(sessions)
        .where(sessions.c.id_hash == id_hash, sessions.c.user_id == user_id, sessions.c.ended_at_ms.is_(None))
        .values(ended_at_ms=now_ms)
    )
    return bool(result.rowcount)


def list_running(connection: Connection, user_id: str, now_ms: int, seen_since_ms: int) -> tuple[NewSession, ...]:
    """The sessions of a user that may still be used: not ended, not expired, used since then. The last used first."""
    rows = connection.execute(
        select(*(sessions.c[name] for name in NewSession.__struct_fields__))
        .where(
            sessions.c.user_id == user_id,
            sessions.c.ended_at_ms.is_(None),
            sessions.c.expires_at_ms > now_ms,
            sessions.c.last_seen_at_ms > seen_since_ms,
        )
        .order_by(sessions.c.last_seen_at_ms.desc(), sessions.c.id_hash)
    )
    return tuple(NewSession(**row) for row in rows.mappings())


def delete_sessions(connection: Connection, before_ms: int) -> None:
    """Forget sessions that expired before this instant."""
    connection.execute(delete(sessions).where(sessions.c.expires_at_ms < before_ms))


def insert_attempt(connection: Connection, person: str, address: str, now_ms: int) -> int:
    """Note one attempt; its row's number."""
    result = connection.execute(
        insert(sign_in_attempts).values(at_ms=now_ms, person=person, address=address).returning(sign_in_attempts.c.id)
    )
    return int(result.scalar_one())


def get_attempt_counts(connection: Connection, person: str, address: str, since_ms: int) -> AttemptCounts:
    """The attempts after `since_ms`, counted three ways."""
    at_ms = sign_in_attempts.c.at_ms
    of_person = sign_in_attempts.c.person == person
    of_address = sign_in_attempts.c.address == address
    row = connection.execute(
        select(
            func.count().filter(of_person),
            func.count().filter(of_address),
            func.count(),
            func.min(at_ms).filter(of_person),
            func.min(at_ms).filter(of_address),
            func.min(at_ms),
        ).where(at_ms > since_ms)
    ).one()
    return AttemptCounts(*row)


def delete_attempt(connection: Connection, attempt_id: int) -> None:
    """Take one attempt back: it was no failure."""
    connection.execute(delete(sign_in_attempts).where(sign_in_attempts.c.id == attempt_id))


def delete_attempts(connection: Connection, before_ms: int) -> None:
    """Forget attempts up to this instant."""
    connection.execute(delete(sign_in_attempts).where(sign_in_attempts.c.at_ms <= before_ms))
