"""Child keys live under the organization's policy, a day at most, and all that live are found, on both engines."""

from typing import Any

import pytest
from sqlalchemy import update

from given_control import HOUR_MS, House, refused
from keyhouse.control.children import Children
from keyhouse.control.issuing import IssuedKey
from keyhouse.control.keys import KeyChange
from keyhouse.control.policies import Policies, PolicyChange
from keyhouse.core.children import ChildDraft
from keyhouse.core.errors import Code
from keyhouse.core.limit import Unit, Window
from keyhouse.core.policy import LimitDraft, Makers
from keyhouse.store import schema

pytestmark = pytest.mark.asyncio

BUDGET = LimitDraft(Unit.USD, Window.MONTH, 5_000_000_000)


def children_of(house: House) -> Children:
    """The verbs."""
    return Children(house.database, house.entropy, house.pepper, house.changed.append)


async def mint(house: House, parent: IssuedKey, **fields: Any) -> IssuedKey:
    wanted: dict[str, Any] = {"name": "run", "expires_in_seconds": 3_600} | fields
    return await children_of(house).mint(await house.credential(parent.value), ChildDraft(**wanted), "192.0.2.1")


async def set_policy(house: House, **fields: Any) -> None:
    await Policies(house.database).update(house.owner, PolicyChange(**fields))


async def test_a_child_has_the_policys_models_and_limits(house: House) -> None:
    parent = await house.keys.create(house.owner, house.draft())
    older = await house.keys.create(house.owner, house.draft(models=("tiny-1", "big-1")))
    other = await house.keys.create(house.owner, house.draft(models=("big-1",)))
    await set_policy(house, models=("tiny-1", "tiny-2"), key_limits=(BUDGET,))
    child = await mint(house, parent)
    assert child.key.models == ("tiny-1", "tiny-2")
    own = [(row["unit"], row["amount"]) for row in await house.rows("limits") if row["scope_id"] == child.key.id]
    assert own == [("usd", BUDGET.amount)]
    assert (await mint(house, older)).key.models == ("tiny-1",)
    for beyond in (mint(house, parent, models=("big-1",)), mint(house, other)):
        assert (await refused(beyond, Code.PARAMETER_INVALID)).param == "models"


async def test_where_owners_alone_create_keys_their_keys_have_children(house: House) -> None:
    parent = await house.keys.create(house.owner, house.draft())
    await set_policy(house, key_makers=Makers.OWNERS, key_days_max=1)
    assert (await mint(house, parent, expires_in_seconds=86_400)).key.parent_id == parent.key.id


async def test_no_change_lets_a_child_live_longer_than_a_day(house: House) -> None:
    child = await mint(house, await house.keys.create(house.owner, house.draft()))
    latest_ms = child.key.created_at_ms + 24 * HOUR_MS
    for later in (None, latest_ms + 1):
        change = house.keys.update(house.owner, child.key.id, KeyChange(expires_at_ms=later))
        assert (await refused(change, Code.PARAMETER_INVALID)).param == "expires_at"
    await house.keys.update(house.owner, child.key.id, KeyChange(expires_at_ms=latest_ms))


async def test_a_child_without_an_end_is_listed_counted_and_can_be_given_one(house: House) -> None:
    parent = await house.keys.create(house.owner, house.draft())
    child = await mint(house, parent)
    endless = update(schema.keys).where(schema.keys.c.id == child.key.id).values(expires_at_ms=None)
    await house.execute(endless)
    house.clock.turn(days=3)
    asker = await house.credential(parent.value)
    listed = await children_of(house).list(asker, house.clock.now_ms())
    assert [each.id for each in listed] == [child.key.id]
    end_ms = house.clock.now_ms() + HOUR_MS
    await house.keys.update(house.owner, child.key.id, KeyChange(expires_at_ms=end_ms))
    house.clock.turn(ms=HOUR_MS)
    assert await children_of(house).list(asker, house.clock.now_ms()) == ()
