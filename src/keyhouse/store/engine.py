"""The narrow port to a database: read, write, and change with its audit entry.

Every function given here is synchronous, gets a SQLAlchemy connection inside one transaction, and runs
away from the event loop. A write commits, durably, when its function returns, and rolls back when it raises.
It may be run again from the beginning where PostgreSQL had to choose between two transactions, so what it does
beside the connection must bear being done twice.

A caller that is cancelled stops waiting; what it asked for is done all the same.
"""

from collections.abc import Callable, Iterable
from typing import Final, Protocol, TypeVar

import msgspec
from sqlalchemy import Connection

from keyhouse.core.authority import Grant
from keyhouse.core.errors import Code, Refusal
from keyhouse.store import audit

__all__ = ["Actor", "CannotOpen", "Change", "Connection", "Database", "Unavailable"]
# `Connection` too: rooms that may not know SQLAlchemy name the type of what they hand back to the store.

T = TypeVar("T")

CATALOG: Final = "catalog"
"""What is announced, in place of a key, where upstreams or models have changed."""

UNAVAILABLE_RETRY_MS: Final = 1_000
"""When whoever was told that the database cannot be used may try again."""


class CannotOpen(Exception):  # noqa: N818  it is an answer, not a fault
    """A database was not opened, and nothing in it was changed. The text says why and what to do."""


class Unavailable(Refusal):
    """The database could not do it now, and may later: the disk is full, or it does not answer.

    `internal` is what it said, for the log. Every door answers 503 with Retry-After.
    """

    def __init__(self, internal: str) -> None:
        super().__init__(
            Code.LEDGER_UNAVAILABLE,
            "The database cannot be used right now.",
            hint="Try again in a moment.",
            retry_after_ms=UNAVAILABLE_RETRY_MS,
            internal=internal,
        )

    def __repr__(self) -> str:
        return f"Unavailable({self.internal!r})"


class Actor(msgspec.Struct, frozen=True):
    """Who does something, as the audit log names them.

    `type` is `session`, `api_key` (an admin key) or `system`. `role` is the user's in the organization, `grants` what
    their other roles give, both as they were last read.
    """

    type: str
    organization_id: str
    user_id: str
    email: str
    role: str
    key_id: str | None = None
    address: str = ""
    grants: tuple[Grant, ...] = ()


class Change:
    """A writing transaction of the control plane. What it does must be recorded, or it does not happen."""

    def __init__(self, connection: Connection, actor: Actor, now_ms: int, event_id: Callable[[], str]) -> None:
        self.connection = connection
        self.actor = actor
        self.now_ms = now_ms
        self._event_id = event_id
        self._entries: list[audit.Entry] = []
        self.announced: dict[str, None] = {}

    def record(
        self, event: audit.Event, resource_id: str, *, project_id: str | None = None, details: object = None
    ) -> None:
        """Note the audit entry of what this transaction does. `details` becomes JSON and holds no secret."""
        self._entries.append(
            audit.Entry(
                id=self._event_id(),
                organization_id=self.actor.organization_id,
                at_ms=self.now_ms,
                event=event,
                actor_type=self.actor.type,
                actor_id=self.actor.key_id or self.actor.user_id,
                actor_user_id=self.actor.user_id,
                actor_email=self.actor.email,
                address=self.actor.address,
                project_id=project_id,
                resource_id=resource_id,
                details=msgspec.json.encode(details).decode(),
            )
        )

    def keep(self, entries: Iterable[audit.Entry]) -> None:
        """Note entries of a past that is made up, as they are: they are chained like all others."""
        self._entries += entries

    def finish(self, chain_key: bytes | None) -> None:
        """Write the entries, as the last thing before the commit: whoever changes something else meanwhile waits for
        the end of the chain no longer than that, and never holding it.
        """
        if not self._entries:
            raise AssertionError("a change without an audit entry")
        if chain_key is None:
            raise AssertionError("a change before the audit log's key is known")
        audit.insert_events(self.connection, chain_key, self._entries)

    def announce(self, *key_ids: str) -> None:
        """Tell every other gateway of this database, once it is durable, to read these keys anew, or CATALOG."""
        self.announced |= dict.fromkeys(key_ids)


class Database(Protocol):
    """What every engine offers. Each raises `Unavailable` if the database cannot do it now, and may later."""

    async def read(self, question: Callable[[Connection], T]) -> T:
        """Run `question` on a snapshot; it cannot write."""
        ...

    async def write(self, step: Callable[[Connection], T]) -> T:
        """Run `step` as one durable transaction. For what needs no audit entry; else use `change`."""
        ...

    async def change(self, actor: Actor, step: Callable[[Change], T]) -> T:
        """Run `step` as one durable transaction that must record what it does; else it is rolled back."""
        ...

    def chain_with(self, key: bytes) -> None:
        """From now on changes can be made, and their audit entries are chained with this key."""
        ...

    def listen(self, forget: Callable[[str], None], forget_all: Callable[[], None]) -> None:
        """Tell `forget` of every key that a change on any gateway announces, and of CATALOG, until `close`.

        `forget_all` is called where announcements may have been missed.
        """
        ...

    async def close(self) -> None:
        """Finish what was begun and let go of the database."""
        ...
