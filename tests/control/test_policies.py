"""An organization's policy holds for what is made and changed from then on, on both engines."""

from typing import Any

import msgspec
import pytest
from sqlalchemy import insert, update

from given_control import House, death, refused
from keyhouse.control.keys import KeyChange
from keyhouse.control.policies import Policies, PolicyChange
from keyhouse.core.errors import Code
from keyhouse.core.limit import Unit, Window
from keyhouse.core.policy import DAY_MS, NONE, LimitDraft, Makers, Policy
from keyhouse.store import schema
from keyhouse.store.grants import IN_ORGANIZATION, list_grants

pytestmark = pytest.mark.asyncio

BUDGET = LimitDraft(Unit.USD, Window.MONTH, 5_000_000_000)
RATE = LimitDraft(Unit.REQUESTS, Window.MINUTE, 60)


async def set_policy(house: House, **fields: Any) -> Policy:
    return await Policies(house.database).update(house.owner, PolicyChange(**fields))


async def test_a_policy_is_changed_field_by_field_and_audited(house: House) -> None:
    policies = Policies(house.database)
    assert await policies.get("org-1") is NONE
    await set_policy(house, key_days_max=90, models=("tiny-1",))
    assert await set_policy(house, models=None, key_limits=(BUDGET,)) == Policy(key_days_max=90, key_limits=(BUDGET,))
    assert await policies.get("org-1") == Policy(key_days_max=90, key_limits=(BUDGET,))
    assert await policies.get("org-2") is NONE
    entries = await house.rows("audit_events")
    assert {entry["event"] for entry in entries} == {"policies.updated"}
    details = [msgspec.json.decode(entry["details"]) for entry in entries]
    assert {"models": {"from": ["tiny-1"], "to": None}} in [{"models": each.get("models")} for each in details]


async def test_a_key_without_an_end_gets_the_usual_one_and_a_longer_life_is_refused(house: House) -> None:
    await set_policy(house, key_days_max=90, key_days_default=30)
    now_ms = house.clock.now_ms()
    issued = await house.keys.create(house.owner, house.draft())
    assert issued.key.expires_at_ms == now_ms + 30 * DAY_MS
    longest = await house.keys.create(house.owner, house.draft(expires_at_ms=now_ms + 90 * DAY_MS))
    assert longest.key.expires_at_ms == now_ms + 90 * DAY_MS
    too_long = house.keys.create(house.owner, house.draft(expires_at_ms=now_ms + 90 * DAY_MS + 1))
    assert (await refused(too_long, Code.PARAMETER_INVALID)).param == "expires_at"
    for later in (None, now_ms + 91 * DAY_MS):
        change = house.keys.update(house.owner, issued.key.id, KeyChange(expires_at_ms=later))
        assert (await refused(change, Code.PARAMETER_INVALID)).param == "expires_at"
    await house.keys.update(house.owner, issued.key.id, KeyChange(name="other"))


async def test_an_earlier_end_is_allowed_however_old_the_key_is(house: House) -> None:
    now_ms = house.clock.now_ms()
    endless = await house.keys.create(house.owner, house.draft())
    distant = await house.keys.create(house.owner, house.draft(expires_at_ms=now_ms + 500 * DAY_MS))
    await set_policy(house, key_days_max=90)
    house.clock.turn(days=100)
    for issued in (endless, distant):
        for days in (300, 101):
            end_ms = now_ms + days * DAY_MS
            changed = await house.keys.update(house.owner, issued.key.id, KeyChange(expires_at_ms=end_ms))
            assert changed.expires_at_ms == end_ms
        for later in (None, now_ms + 101 * DAY_MS + 1):
            change = house.keys.update(house.owner, issued.key.id, KeyChange(expires_at_ms=later))
            assert (await refused(change, Code.PARAMETER_INVALID)).param == "expires_at"
        past = house.keys.update(house.owner, issued.key.id, KeyChange(expires_at_ms=house.clock.now_ms()))
        await refused(past, Code.PARAMETER_INVALID)


async def test_models_off_the_policy_are_refused_and_none_named_are_those_allowed(house: House) -> None:
    await set_policy(house, models=("tiny-1", "tiny-2"))
    assert (await house.keys.create(house.owner, house.draft())).key.models == ("tiny-1", "tiny-2")
    issued = await house.keys.create(house.owner, house.draft(models=("tiny-2",)))
    for models in (None, ("tiny-1", "big-1")):
        change = house.keys.update(house.owner, issued.key.id, KeyChange(models=models))
        assert (await refused(change, Code.PARAMETER_INVALID)).param == "models"
    await refused(house.keys.create(house.owner, house.draft(models=("big-1",))), Code.PARAMETER_INVALID)


async def test_the_policys_limits_are_put_on_each_new_key_that_has_none_of_their_kind(house: House) -> None:
    await set_policy(house, key_limits=(BUDGET, RATE))
    own = LimitDraft(Unit.USD, Window.MONTH, 1)
    issued = await house.keys.create(house.owner, house.draft(limits=(own,)))
    account = await house.accounts.create(house.owner, "proj_1", "bot")
    assert account.issued is not None
    found = {(row["scope_id"], row["unit"], row["amount"]) for row in await house.rows("limits")}
    assert found == {
        (issued.key.id, "usd", 1),
        (issued.key.id, "requests", 60),
        (account.issued.key.id, "usd", 5_000_000_000),
        (account.issued.key.id, "requests", 60),
    }


async def test_a_policy_that_tightens_kills_no_key(house: House) -> None:
    issued = await house.keys.create(house.owner, house.draft())
    await set_policy(house, key_days_max=1, models=("tiny-1",), rotation_days=1)
    house.clock.turn(days=2)
    assert await death(house, issued.value) is None


async def test_where_owners_alone_create_keys_nobody_else_does(house: House) -> None:
    await set_policy(house, key_makers=Makers.OWNERS)
    await house.keys.create(house.owner, house.draft())
    memberships, members = schema.memberships, schema.project_members
    await house.execute(update(memberships).where(memberships.c.user_id == "user-1").values(role="member"))
    joined = {"project_id": "proj_1", "user_id": "user-1", "organization_id": "org-1", "added_at_ms": 0}
    await house.execute(insert(members).values(**joined, role="member"))
    grants = await house.database.read(lambda c: list_grants(c, "org-1", "user-1"))
    member = msgspec.structs.replace(house.owner, role="member", grants=grants)
    await refused(house.keys.create(member, house.draft()), Code.NOT_PERMITTED)
    await refused(Policies(house.database).update(member, PolicyChange(key_makers=Makers.MEMBERS)), Code.NOT_PERMITTED)
    # Who is an owner by a group is one of them.
    assigned = {"principal_id": "group_1", "role_id": f"{IN_ORGANIZATION}owner", "organization_id": "org-1"}
    await house.execute(
        insert(schema.groups).values(id="group_1", organization_id="org-1", name="heads", created_at_ms=0)
    )
    await house.execute(insert(schema.group_members).values(group_id="group_1", user_id="user-1", added_at_ms=0))
    await house.execute(insert(schema.role_assignments).values(**assigned, created_by="user-1", created_at_ms=0))
    grants = await house.database.read(lambda c: list_grants(c, "org-1", "user-1"))
    await house.keys.create(msgspec.structs.replace(member, grants=grants), house.draft())


@pytest.mark.parametrize(
    "fields",
    [
        {"key_days_max": 0},
        {"key_days_default": 3_651},
        {"rotation_days": -1},
        {"key_days_max": 5, "key_days_default": 6},
        {"models": ()},
        {"key_limits": (BUDGET, BUDGET)},
        {"key_limits": (LimitDraft(Unit.CONCURRENCY, Window.DAY, 1),)},
    ],
)
async def test_a_policy_that_makes_no_sense_is_refused(house: House, fields: dict[str, Any]) -> None:
    await refused(set_policy(house, **fields), Code.PARAMETER_INVALID)
    assert await house.rows("policies") == []
