"""Two organizations in a real database, an owner in each, and the control plane's verbs."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection, select

from given import FakeClock, seeded_entropy, some_people
from given_engine import Engine, SqliteEngine
from keyhouse.control.keys import IssuedKey, KeyChange, KeyDraft, Keys
from keyhouse.control.limits import Limits
from keyhouse.control.projects import Projects
from keyhouse.control.service_accounts import ServiceAccounts
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.key import Credential, why_dead
from keyhouse.core.secret import digest
from keyhouse.store import keys, schema
from keyhouse.store.engine import Actor, Database

PEPPER = b"p" * 32


class House(msgspec.Struct):
    """What a test works with. `owner` owns organization `org-1`, `stranger` owns `org-2`."""

    database: Database
    clock: FakeClock
    entropy: Callable[[int], bytes]
    keys: Keys
    limits: Limits
    projects: Projects
    accounts: ServiceAccounts
    changed: list[str]
    owner: Actor
    stranger: Actor
    pepper: bytes = PEPPER

    def draft(self, **fields: Any) -> KeyDraft:
        """A key in the owner's project."""
        return KeyDraft(**({"name": "app", "project_id": "proj_1"} | fields))

    async def rows(self, name: str) -> list[dict[str, Any]]:
        """All rows of a table, those of the audit log in its order."""
        table = schema.METADATA.tables[name]
        order = [table.c.sequence] if table is schema.audit_events else []
        question = select(table).order_by(*order)
        return await self.database.read(lambda c: [dict(row) for row in c.execute(question).mappings()])

    async def everything(self) -> dict[str, list[dict[str, Any]]]:
        """All rows of all tables."""
        return {name: await self.rows(name) for name in schema.METADATA.tables}

    async def events(self) -> list[tuple[str, str]]:
        """What the audit log says: event and subject, in order."""
        return [(row["event"], row["resource_id"]) for row in await self.rows("audit_events")]

    async def credential(self, value: str) -> Credential:
        """What this secret stands for, dead or alive."""
        stored = digest(value, self.pepper)
        found: Credential | None = await self.database.read(lambda c: keys.find_credential(c, stored))
        assert found is not None
        return found

    async def execute(self, statement: Any) -> None:
        """Run one statement as another process of the product would."""

        def run(connection: Connection) -> None:
            connection.execute(statement)

        await self.database.write(run)


async def refused(awaitable: Awaitable[object], code: Code) -> Refusal:
    """The refusal that this must end with."""
    with pytest.raises(Refusal) as caught:
        await awaitable
    assert caught.value.code is code
    return caught.value


@asynccontextmanager
async def a_house(folder: Path, clock: FakeClock, engine: Engine | None = None) -> AsyncIterator[House]:
    """The house, with `given.some_people` of two organizations in it, on SQLite unless an engine is given."""
    database = (engine or SqliteEngine()).open(folder, clock)
    entropy = seeded_entropy(7)
    changed: list[str] = []

    def fill(connection: Connection) -> None:
        some_people(connection, suffix="1")
        some_people(connection, suffix="2")

    await database.write(fill)
    try:
        yield House(
            database,
            clock,
            entropy,
            Keys(database, clock, entropy, PEPPER, changed.append),
            Limits(database, clock, entropy),
            Projects(database, clock, entropy, changed.append),
            ServiceAccounts(database, clock, entropy, PEPPER, changed.append),
            changed,
            Actor("session", "org-1", "user-1", "user-1@example.com", "owner", address="192.0.2.1"),
            Actor("session", "org-2", "user-2", "user-2@example.com", "owner", address="192.0.2.2"),
        )
    finally:
        await database.close()


HOUR_MS = 3_600_000
Verb = Callable[[House, Actor, str, str | None], Awaitable[Any]]

VERBS: dict[str, Verb] = {
    "update": lambda h, actor, key, project: h.keys.update(actor, key, KeyChange(name="x"), project_id=project),
    "rotate": lambda h, actor, key, project: h.keys.rotate(actor, key, HOUR_MS, project_id=project),
    "end_previous_secret": lambda h, actor, key, project: h.keys.end_previous_secret(actor, key, project_id=project),
    "extend_previous_secret": lambda h, actor, key, project: h.keys.extend_previous_secret(
        actor, key, h.clock.now_ms() + HOUR_MS, project_id=project
    ),
    "disable": lambda h, actor, key, project: h.keys.disable(actor, key, project_id=project),
    "enable": lambda h, actor, key, project: h.keys.enable(actor, key, project_id=project),
    "revoke": lambda h, actor, key, project: h.keys.revoke(actor, key, project_id=project),
}
EVERY_VERB = pytest.mark.parametrize("verb", VERBS)


async def death(house: House, value: str) -> Code | None:
    """Why this secret is refused at this instant."""
    return why_dead((await house.credential(value)).standing, house.clock.now_ms())


async def rotating(house: House) -> tuple[IssuedKey, IssuedKey]:
    """A key in the middle of a rotation, with its old and its new secret."""
    old = await house.keys.create(house.owner, house.draft())
    return old, await house.keys.rotate(house.owner, old.key.id, HOUR_MS)
