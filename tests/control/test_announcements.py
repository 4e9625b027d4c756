"""What a gateway is told of its own changes, every other gateway hears, and nothing else."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest
import pytest_asyncio

from given import AUDIT_KEY, FakeClock, seeded_entropy
from given_control import HOUR_MS, VERBS, House, a_house
from given_engine import PostgresEngine
from keyhouse.core.limit import ScopeType, Unit, Window
from keyhouse.core.policy import LimitDraft
from keyhouse.store.audit import Event
from keyhouse.store.engine import Change
from keyhouse.store.postgres import PostgresDatabase
from postgres import Cluster

pytestmark = pytest.mark.asyncio

LAST = "the last one"


@pytest_asyncio.fixture
async def house(cluster: Cluster, tmp_path: Path) -> AsyncIterator[House]:
    engine = PostgresEngine(cluster)
    async with a_house(tmp_path, FakeClock(), engine) as made:
        yield made
    engine.close()


async def test_every_verb_announces_what_it_tells(house: House) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    address = cast("PostgresDatabase", house.database)._address
    elsewhere = PostgresDatabase(address.dsn, house.clock, seeded_entropy())
    elsewhere.chain_with(AUDIT_KEY)
    is_listening = asyncio.Event()
    elsewhere.listen(heard.put_nowait, is_listening.set)
    await is_listening.wait()

    project = await house.projects.create(house.owner, "Search")
    issued = [await house.keys.create(house.owner, house.draft(project_id=project.id)) for _ in range(3)]
    key_id = issued[0].key.id
    await house.keys.rotate(house.owner, key_id, HOUR_MS)
    # In an order in which each can be done.
    verbs = ("update", "extend_previous_secret", "end_previous_secret", "rotate", "disable", "enable", "revoke")
    assert set(verbs) == set(VERBS)
    for verb in verbs:
        await VERBS[verb](house, house.owner, key_id, None)
    bot = await house.accounts.create(house.owner, project.id, "bot")
    await house.accounts.create_key(house.owner, project.id, bot.account.id)
    await house.accounts.delete(house.owner, project.id, bot.account.id)
    admin = await house.keys.create_admin(house.owner, "terraform", None)
    await house.keys.revoke_admin(house.owner, admin.key.id)
    await house.limits.set(house.owner, ScopeType.PROJECT, project.id, LimitDraft(Unit.USD, Window.DAY, 1))
    await house.projects.archive(house.owner, project.id)

    def end(change: Change) -> None:
        change.record(Event.API_KEY_UPDATED, LAST)
        change.announce(LAST)

    await house.database.change(house.owner, end)
    found = []
    while (next_one := await asyncio.wait_for(heard.get(), 10)) != LAST:
        found.append(next_one)
    await elsewhere.close()
    assert found == house.changed
