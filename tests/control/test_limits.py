"""Setting and deleting limits."""

import asyncio

import msgspec
import pytest
import pytest_asyncio
from sqlalchemy import insert, update

from control.test_people import bob_joins
from control.test_roles import as_they_are, assignments_of, roles_of
from given import NOON
from given_control import House, refused
from keyhouse.core.authority import Task
from keyhouse.core.errors import Code
from keyhouse.core.limit import ScopeType, Unit, Window
from keyhouse.core.money import AMOUNT_MAX
from keyhouse.core.policy import LimitDraft
from keyhouse.store import schema
from keyhouse.store.service_accounts import ServiceAccount, insert_service_account, update_service_account

pytestmark = pytest.mark.asyncio

BUDGET = LimitDraft(Unit.USD, Window.MONTH, 25_000_000_000)
SCOPES = [
    (ScopeType.KEY, "key_1"),
    (ScopeType.USER, "user-1"),
    (ScopeType.SERVICE_ACCOUNT, "svc_acct_1"),
    (ScopeType.PROJECT, "proj_1"),
    (ScopeType.ORGANIZATION, "org-1"),
]
EVERY_SCOPE = pytest.mark.parametrize(("scope_type", "scope_id"), SCOPES)


@pytest_asyncio.fixture(autouse=True)
async def account(house: House) -> ServiceAccount:
    """A service account of `proj_1`."""
    made = ServiceAccount("svc_acct_1", "org-1", "proj_1", "deploy bot", "member", NOON)
    await house.database.write(lambda c: insert_service_account(c, made))
    return made


@EVERY_SCOPE
async def test_a_limit_is_set_on_each_kind_of_scope(house: House, scope_type: ScopeType, scope_id: str) -> None:
    state = await house.limits.set(house.owner, scope_type, scope_id, BUDGET)
    assert (state.limit.scope_type, state.limit.scope_id, state.limit.amount) == (scope_type, scope_id, BUDGET.amount)
    assert (state.used, state.reserved) == (0, 0)
    assert state.resets_at_ms == 1_796_079_600_000  # 1 December 2026, 00:00 in Berlin
    (entry,) = await house.rows("audit_events")
    project_id = None if scope_type in (ScopeType.ORGANIZATION, ScopeType.USER) else "proj_1"
    assert (entry["event"], entry["resource_id"], entry["project_id"]) == ("limit.set", state.limit.id, project_id)
    assert msgspec.json.decode(entry["details"])["amount"] == "25.00"


async def test_setting_it_again_changes_the_same_limit_at_once(house: House) -> None:
    first = await house.limits.set(house.owner, ScopeType.KEY, "key_1", BUDGET)
    await house.execute(
        insert(schema.limit_periods).values(
            limit_id=first.limit.id, period="2026-11", starts_at_ms=NOON, settled=7, reserved=2
        )
    )
    house.clock.turn(hours=1)
    again = LimitDraft(Unit.USD, Window.MONTH, 5, refuse_when_short=True)
    second = await house.limits.set(house.owner, ScopeType.KEY, "key_1", again)
    assert second.limit == msgspec.structs.replace(first.limit, amount=5, refuse_when_short=True)
    assert (second.used, second.reserved, second.left) == (7, 2, 0)
    assert len(await house.rows("limits")) == 1
    details = msgspec.json.decode((await house.rows("audit_events"))[-1]["details"])
    assert (details["previous_amount"], details["amount"]) == ("25.00", "0.000000005")
    assert (details["previous_refuse_when_short"], details["refuse_when_short"]) == (False, True)


async def test_limits_of_other_units_windows_models_and_scopes_stand_beside_it(house: House) -> None:
    await house.limits.set(house.owner, ScopeType.KEY, "key_1", BUDGET)
    for other in (
        msgspec.structs.replace(BUDGET, unit=Unit.TOKENS),
        msgspec.structs.replace(BUDGET, window=Window.DAY),
        msgspec.structs.replace(BUDGET, model="tiny-1"),
    ):
        await house.limits.set(house.owner, ScopeType.KEY, "key_1", other)
    await house.limits.set(house.owner, ScopeType.PROJECT, "proj_1", BUDGET)
    assert len({row["id"] for row in await house.rows("limits")}) == 5


async def test_setting_one_limit_twice_at_once_makes_one(house: House) -> None:
    states = await asyncio.gather(*(house.limits.set(house.owner, ScopeType.KEY, "key_1", BUDGET) for _ in range(5)))
    assert len({state.limit.id for state in states}) == 1


@EVERY_SCOPE
async def test_another_organizations_scope_reads_as_missing(house: House, scope_type: ScopeType, scope_id: str) -> None:
    await refused(house.limits.set(house.stranger, scope_type, scope_id, BUDGET), Code.NOT_FOUND)
    assert await house.rows("limits") == []
    assert await house.events() == []


async def test_another_organizations_limit_reads_as_missing(house: House) -> None:
    state = await house.limits.set(house.owner, ScopeType.KEY, "key_1", BUDGET)
    before = await house.everything()
    await refused(house.limits.delete(house.stranger, state.limit.id), Code.NOT_FOUND)
    assert await house.everything() == before


async def test_an_admin_key_has_no_limits(house: House) -> None:
    admin = await house.keys.create_admin(house.owner, "terraform", None)
    await refused(house.limits.set(house.owner, ScopeType.KEY, admin.key.id, BUDGET), Code.NOT_FOUND)


async def test_a_deleted_limit_is_gone_but_its_row_stays(house: House) -> None:
    state = await house.limits.set(house.owner, ScopeType.KEY, "key_1", BUDGET)
    await house.limits.delete(house.owner, state.limit.id)
    (row,) = await house.rows("limits")
    assert row["deleted_at_ms"] == house.clock.now_ms()
    assert (await house.events())[-1] == ("limit.deleted", state.limit.id)
    await refused(house.limits.delete(house.owner, state.limit.id), Code.NOT_FOUND)
    again = await house.limits.set(house.owner, ScopeType.KEY, "key_1", BUDGET)
    assert again.limit.id != state.limit.id


@pytest.mark.parametrize("role", ["reader", "member"])
async def test_only_an_owner_may_change_limits(house: House, role: str) -> None:
    state = await house.limits.set(house.owner, ScopeType.KEY, "key_1", BUDGET)
    before = await house.everything()
    actor = msgspec.structs.replace(house.owner, role=role)
    await refused(house.limits.set(actor, ScopeType.KEY, "key_1", BUDGET), Code.NOT_PERMITTED)
    await refused(house.limits.delete(actor, state.limit.id), Code.NOT_PERMITTED)
    assert await house.everything() == before


@pytest.mark.parametrize("amount", [-1, AMOUNT_MAX + 1])
async def test_an_amount_out_of_range_is_refused(house: House, amount: int) -> None:
    draft = msgspec.structs.replace(BUDGET, amount=amount)
    refusal = await refused(house.limits.set(house.owner, ScopeType.KEY, "key_1", draft), Code.PARAMETER_INVALID)
    assert refusal.param == "amount"


@pytest.mark.parametrize("amount", [0, AMOUNT_MAX])
async def test_zero_and_the_largest_amount_are_limits(house: House, amount: int) -> None:
    draft = msgspec.structs.replace(BUDGET, amount=amount)
    assert (await house.limits.set(house.owner, ScopeType.KEY, "key_1", draft)).limit.amount == amount


async def test_a_limit_for_a_model_without_a_name_is_refused(house: House) -> None:
    draft = msgspec.structs.replace(BUDGET, model=" ")
    refusal = await refused(house.limits.set(house.owner, ScopeType.KEY, "key_1", draft), Code.PARAMETER_INVALID)
    assert refusal.param == "model"


@EVERY_SCOPE
async def test_deleting_a_limit_is_told_with_its_project(house: House, scope_type: ScopeType, scope_id: str) -> None:
    state = await house.limits.set(house.owner, scope_type, scope_id, BUDGET)
    await house.limits.delete(house.owner, state.limit.id)
    made, gone = await house.rows("audit_events")
    assert (gone["event"], gone["project_id"]) == ("limit.deleted", made["project_id"])


@pytest.mark.parametrize("unit", list(Unit))
@pytest.mark.parametrize("window", list(Window))
async def test_every_unit_is_counted_in_every_window_but_what_runs_at_once(
    house: House, unit: Unit, window: Window
) -> None:
    draft = LimitDraft(unit, window, 8)
    if unit is Unit.CONCURRENCY and window is not Window.TOTAL:
        refusal = await refused(house.limits.set(house.owner, ScopeType.KEY, "key_1", draft), Code.PARAMETER_INVALID)
        assert refusal.param == "window"
        assert refusal.hint == "Concurrency counts the calls that run at once, in no window: write total."
        key = house.draft(limits=(draft,))
        assert (await refused(house.keys.create(house.owner, key), Code.PARAMETER_INVALID)).param == "limits"
        assert await house.rows("limits") == []
        return
    state = await house.limits.set(house.owner, ScopeType.KEY, "key_1", draft)
    assert (state.limit.unit, state.limit.window, state.left) == (unit, window, 8)
    assert (state.resets_at_ms is None) is (window is Window.TOTAL)


async def test_who_left_and_what_was_deleted_get_no_limit(house: House, account: ServiceAccount) -> None:
    gone = msgspec.structs.replace(account, deleted_at_ms=NOON)
    await house.database.write(lambda c: update_service_account(c, gone))
    await house.execute(update(schema.users).where(schema.users.c.id == "user-2").values(disabled_at_ms=NOON))
    stranger = insert(schema.memberships).values(
        organization_id="org-1", user_id="user-2", role="reader", added_at_ms=NOON
    )
    await house.execute(stranger)
    for scope_type, scope_id in ((ScopeType.SERVICE_ACCOUNT, account.id), (ScopeType.USER, "user-2")):
        await refused(house.limits.set(house.owner, scope_type, scope_id, BUDGET), Code.CONFLICT)
    for scope_type in (ScopeType.SERVICE_ACCOUNT, ScopeType.USER):
        await refused(house.limits.set(house.owner, scope_type, "nobody", BUDGET), Code.NOT_FOUND)
    assert await house.rows("limits") == []


async def test_what_makes_no_calls_gets_no_limit(house: House) -> None:
    await house.keys.revoke(house.owner, "key_1")
    await refused(house.limits.set(house.owner, ScopeType.KEY, "key_1", BUDGET), Code.CONFLICT)
    await house.projects.archive(house.owner, "proj_1")
    await refused(house.limits.set(house.owner, ScopeType.PROJECT, "proj_1", BUDGET), Code.CONFLICT)
    assert await house.rows("limits") == []


async def test_what_somebody_does_not_see_reads_as_missing_whether_there_is_one_or_not(house: House) -> None:
    """Also where it was revoked, archived or deleted, which nobody else is told."""
    hidden = (await house.projects.create(house.owner, "Hidden")).id
    key = await house.keys.create(house.owner, house.draft(project_id=hidden))
    bot = (await house.accounts.create(house.owner, hidden, "bot")).account
    limits = [
        (await house.limits.set(house.owner, scope_type, scope_id, BUDGET)).limit.id
        for scope_type, scope_id in ((ScopeType.KEY, key.key.id), (ScopeType.ORGANIZATION, "org-1"))
    ]
    await house.keys.revoke(house.owner, key.key.id)
    await house.accounts.delete(house.owner, hidden, bot.id)
    await house.projects.archive(house.owner, hidden)
    people, bob = await bob_joins(house)
    await people.add_to_project(house.owner, "proj_1", "owner", user_id="user-b")
    role = await roles_of(house).create(house.owner, "clerk", [Task.USERS_READ])
    for has_role in (False, True):
        if has_role:  # one in the whole organization that says nothing of limits
            await assignments_of(house).give_user(house.owner, "user-b", role.id)
        actor = await as_they_are(house, bob)
        for scope_type, scope_id in (
            (ScopeType.KEY, key.key.id),
            (ScopeType.SERVICE_ACCOUNT, bot.id),
            (ScopeType.PROJECT, hidden),
        ):
            found = await refused(house.limits.set(actor, scope_type, scope_id, BUDGET), Code.NOT_FOUND)
            missing = await refused(house.limits.set(actor, scope_type, "nobodys", BUDGET), Code.NOT_FOUND)
            assert found.text.replace(scope_id, "nobodys") == missing.text
        for limit_id in limits:
            found = await refused(house.limits.delete(actor, limit_id), Code.NOT_FOUND)
            missing = await refused(house.limits.delete(actor, "nobodys"), Code.NOT_FOUND)
            assert found.text.replace(limit_id, "nobodys") == missing.text
        await house.limits.set(actor, ScopeType.KEY, "key_1", BUDGET)
        mine = await house.limits.set(house.owner, ScopeType.USER, "user-b", BUDGET)
        await refused(house.limits.delete(actor, mine.limit.id), Code.NOT_PERMITTED)


async def test_whoever_says_the_amount_alone_leaves_the_rest_of_a_limit(house: House) -> None:
    strict = msgspec.structs.replace(BUDGET, refuse_when_short=True)
    await house.limits.set(house.owner, ScopeType.PROJECT, "proj_1", strict)
    less = msgspec.structs.replace(BUDGET, amount=7)
    state = await house.limits.set(house.owner, ScopeType.PROJECT, "proj_1", less, is_amount_alone=True)
    assert (state.limit.amount, state.limit.refuse_when_short) == (7, True)
    state = await house.limits.set(house.owner, ScopeType.PROJECT, "proj_1", less)
    assert (state.limit.amount, state.limit.refuse_when_short) == (7, False)
