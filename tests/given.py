"""Builders with the domain's words, and time and randomness that tests can turn."""

import random
import tempfile
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Final

from argon2 import PasswordHasher
from sqlalchemy import Connection, insert

from keyhouse.core.bound import Need
from keyhouse.core.call import Opening
from keyhouse.core.limit import Unit, Window
from keyhouse.identity.passwords import Passwords
from keyhouse.store import schema
from keyhouse.store.audit import insert_head
from keyhouse.store.sqlite import SqliteDatabase, open_sqlite

AUDIT_KEY: Final = b"a" * 32

NOON: Final = 1_795_521_600_000
"""24 November 2026, 12:00 UTC."""


class FakeClock:
    """A clock that stands still until it is turned."""

    def __init__(self, now_ms: int = NOON) -> None:
        self.time_ms = now_ms

    def now_ms(self) -> int:
        """The time it shows."""
        return self.time_ms

    def monotonic_ms(self) -> float:
        """The same hand."""
        return float(self.time_ms)

    def turn(self, *, ms: int = 0, seconds: int = 0, minutes: int = 0, hours: int = 0, days: int = 0) -> None:
        """Turn it forwards, or backwards by negative numbers."""
        self.time_ms += ms + 1000 * (seconds + 60 * (minutes + 60 * (hours + 24 * days)))


def seeded_entropy(seed: int = 1) -> Callable[[int], bytes]:
    """Random bytes that are the same in every run."""
    return random.Random(seed).randbytes


QUICK_HASHER: Final = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""The least that Argon2 can cost, for tests that are not about what guessing a password would cost."""


def quick_passwords(executor: Executor | None = None) -> Passwords:
    """Real passwords, hashed in no time."""
    return Passwords(executor or ThreadPoolExecutor(1), QUICK_HASHER)


def a_database(folder: Path, clock: FakeClock | None = None, seed: int = 1) -> SqliteDatabase:
    """A real database in a file, with its whole schema."""
    path = folder / "keyhouse.db"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_migrated())
    database = open_sqlite(path, clock or FakeClock(), seeded_entropy(seed))
    database.chain_with(AUDIT_KEY)
    return database


@cache
def _migrated() -> bytes:
    """An empty database as its migrations leave it: made once, because they take longer than most tests."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "keyhouse.db"
        open_sqlite(path, FakeClock(), seeded_entropy()).close_now()
        return path.read_bytes()


def some_people(connection: Connection, *, suffix: str = "1", time_zone: str = "Europe/Berlin") -> None:
    """An organization `org-1` with owner `user-1`, project `proj_1`, and API key `key_1` with one secret."""
    organization, user, project, key = f"org-{suffix}", f"user-{suffix}", f"proj_{suffix}", f"key_{suffix}"
    connection.execute(
        insert(schema.organizations).values(id=organization, name="Acme", time_zone=time_zone, created_at_ms=NOON)
    )
    insert_head(connection, AUDIT_KEY, organization)
    connection.execute(
        insert(schema.projects).values(id=project, organization_id=organization, name="Main", created_at_ms=NOON)
    )
    connection.execute(
        insert(schema.users).values(id=user, email=f"{user}@example.com", name="Ada", created_at_ms=NOON)
    )
    connection.execute(
        insert(schema.memberships).values(organization_id=organization, user_id=user, role="owner", added_at_ms=NOON)
    )
    connection.execute(
        insert(schema.keys).values(
            id=key,
            kind="user",
            organization_id=organization,
            project_id=project,
            owner_id=user,
            name="first",
            permissions='"all"',
            created_at_ms=NOON,
            created_by=user,
        )
    )
    connection.execute(
        insert(schema.key_secrets).values(
            key_id=key,
            version=1,
            digest=key.encode(),
            pepper_version=1,
            last_four="x9Fa",
            created_at_ms=NOON,
            created_by=user,
        )
    )


def a_limit(
    connection: Connection,
    amount: int,
    *,
    unit: Unit = Unit.USD,
    window: Window = Window.MONTH,
    scope: tuple[str, str] = ("key", "key_1"),
    limit_id: str = "limit_1",
    model: str | None = None,
    refuse_when_short: bool = False,
) -> None:
    """A limit's row; `amount` in nano-USD for usd."""
    connection.execute(
        insert(schema.limits).values(
            id=limit_id,
            organization_id="org-1",
            scope_type=scope[0],
            scope_id=scope[1],
            unit=unit,
            window=window,
            amount=amount,
            model=model,
            refuse_when_short=int(refuse_when_short),
            created_at_ms=NOON,
            created_by="user-1",
        )
    )


def an_opening(call_id: str = "call_1", *, model: str = "tiny-1", price_id: int | None = 1) -> Opening:
    """A call by `key_1`."""
    return Opening(
        id=call_id,
        request_id="req_1",
        attempt=1,
        organization_id="org-1",
        time_zone="Europe/Berlin",
        project_id="proj_1",
        owner_id="user-1",
        key_id="key_1",
        secret_version=1,
        redacted="sk-kh_1...x9Fa",
        model=model,
        upstream="local",
        endpoint="/v1/chat/completions",
        price_id=price_id,
    )


def a_need(
    nano_usd: int = 1_000, *, tokens: int = 100, output_tokens: int = 0, nano_usd_per_output_token: int = 0
) -> Need:
    """A worst case of this much money and these tokens, whose answer has at most `output_tokens`."""
    return Need(
        input_tokens=tokens,
        input_tokens_estimate=tokens // 4,
        output_tokens_max=output_tokens,
        output_tokens_requested=output_tokens,
        choices=1,
        base_pico=nano_usd * 1_000,
        output_token_pico=nano_usd_per_output_token * 1_000,
        output_is_bounded=True,
    )
