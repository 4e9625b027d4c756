"""Keys called from a new network, among those used of late."""

import pytest
from sqlalchemy import Connection, update

from given_calls import a_call
from given_control import House
from keyhouse.core.authority import Sight
from keyhouse.reporting.networks import NetworkQuestions
from keyhouse.store import schema

DAY = 86_400_000


@pytest.mark.asyncio
async def test_keys_used_of_late_are_looked_through_and_those_in_sight_alone(
    house: House,
) -> None:
    moved = (await house.keys.create(house.owner, house.draft(name="moved"))).key.id
    stayed = (await house.keys.create(house.owner, house.draft(name="stayed"))).key.id
    now_ms = house.clock.now_ms()

    def write(connection: Connection) -> None:
        known = ((moved, "198.51.100.1"), (stayed, "192.0.2.9"), ("key_1", "198.51.100.1"))
        for place, (key_id, lately) in enumerate(known):
            a_call(connection, now_ms - 8 * DAY + place, key_id=key_id, address="192.0.2.1")
            a_call(connection, now_ms - DAY + place, key_id=key_id, address=lately)
            used = now_ms - 9 * DAY if key_id == "key_1" else now_ms - DAY
            connection.execute(update(schema.keys).where(schema.keys.c.id == key_id).values(last_used_at_ms=used))

    await house.database.write(write)
    questions = NetworkQuestions(house.database, house.clock)
    page = await questions.page("org-1", 1)
    assert [(one.row.key.id, one.networks) for one in page.found] == [(moved, ("198.51.100.0/24",))]
    assert (page.looked, page.has_more) == (2, False)
    assert (await questions.page("org-1", 2)).looked == 0
    assert (await questions.page("org-1", 1, Sight(frozenset(), "nobody"))).looked == 0
    one_by_one = NetworkQuestions(house.database, house.clock, keys_a_page=1)
    pages = [await one_by_one.page("org-1", number) for number in (1, 2)]
    assert [(one.looked, one.has_more) for one in pages] == [(1, True), (1, False)]
    assert sum(len(one.found) for one in pages) == 1
