"""Two who decide at once: one after the other on every engine, as if each had been alone."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import msgspec
import pytest

from control.test_assignments import groups_of
from control.test_people import bob_joins, death_of
from control.test_roles import as_they_are, assignments_of
from given_control import HOUR_MS, House
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.limit import LimitState, ScopeType, Unit, Window
from keyhouse.core.policy import LimitDraft
from keyhouse.store import keys as rows
from keyhouse.store.engine import Actor
from keyhouse.store.grants import IN_PROJECT

pytestmark = pytest.mark.asyncio

MANY = 8
SCOPES = [(ScopeType.KEY, "key_1"), (ScopeType.PROJECT, "proj_1"), (ScopeType.ORGANIZATION, "org-1")]


async def at_once(*verbs: Callable[[], Awaitable[Any]]) -> tuple[list[Any], list[Code]]:
    """What those that succeed return, and the codes of those that are refused; anything else fails the test."""
    results = await asyncio.gather(*(verb() for verb in verbs), return_exceptions=True)
    faults = [each for each in results if isinstance(each, BaseException) and not isinstance(each, Refusal)]
    assert faults == []
    refused = [each.code for each in results if isinstance(each, Refusal)]
    return [each for each in results if not isinstance(each, BaseException)], refused


async def test_of_rotations_at_once_two_secrets_live(house: House) -> None:
    made, refused = await at_once(*[lambda: house.keys.rotate(house.owner, "key_1", HOUR_MS)] * MANY)
    assert (len(made), refused) == (MANY, [])
    now_ms = house.clock.now_ms()
    key = await house.database.read(lambda c: rows.get_key(c, "org-1", "key_1"))
    assert [secret.version for secret in key.secrets] == list(range(MANY + 1, 0, -1))
    living = [each.version for each in key.secrets if each.ends_at_ms is None or each.ends_at_ms > now_ms]
    assert living == [MANY + 1, MANY]


@pytest.mark.parametrize(("scope_type", "scope_id"), SCOPES, ids=[each[0].value for each in SCOPES])
async def test_of_those_who_set_the_same_limit_all_set_one(house: House, scope_type: ScopeType, scope_id: str) -> None:
    def setting(amount: int) -> Callable[[], Awaitable[LimitState]]:
        draft = LimitDraft(Unit.USD, Window.MONTH, amount)
        return lambda: house.limits.set(house.owner, scope_type, scope_id, draft)

    states, refused = await at_once(*(setting(amount) for amount in range(MANY)))
    assert refused == []
    (row,) = await house.rows("limits")
    assert {state.limit.id for state in states} == {row["id"]}
    assert row["amount"] in range(MANY)
    # Each recorded the amount that it replaced: nobody overwrote what they had not seen.
    details = [msgspec.json.decode(entry["details"]) for entry in await house.rows("audit_events")]
    assert [each["previous_amount"] for each in details] == [None, *(each["amount"] for each in details[:-1])]


async def test_a_limit_is_deleted_once(house: House) -> None:
    limit = await house.limits.set(house.owner, ScopeType.KEY, "key_1", LimitDraft(Unit.USD, Window.MONTH, 1))
    done, refused = await at_once(*[lambda: house.limits.delete(house.owner, limit.limit.id)] * MANY)
    assert (len(done), refused) == (1, [Code.NOT_FOUND] * (MANY - 1))


async def test_of_two_admin_keys_that_revoke_each_other_one_wins(house: House) -> None:
    for _ in range(3):
        issued = [await house.keys.create_admin(house.owner, name, None) for name in "ab"]
        first, second = (
            Actor("api_key", "org-1", "user-1", "user-1@example.com", "owner", key_id=each.key.id) for each in issued
        )
        done, refused = await at_once(
            partial(house.keys.revoke_admin, first, issued[1].key.id),
            partial(house.keys.revoke_admin, second, issued[0].key.id),
        )
        assert (len(done), refused) == (1, [Code.KEY_REVOKED])


async def test_a_key_is_revoked_by_one_of_many(house: House) -> None:
    done, refused = await at_once(*[lambda: house.keys.revoke(house.owner, "key_1")] * MANY)
    assert (len(done), refused) == (MANY, [])
    details = [row["details"] for row in await house.rows("audit_events")]
    assert sum("unchanged" in each for each in details) == MANY - 1


async def test_no_key_is_made_in_a_project_after_it_was_archived(house: House) -> None:
    project = await house.projects.create(house.owner, "Search")
    draft = house.draft(project_id=project.id)
    done, refused = await at_once(
        *[lambda: house.keys.create(house.owner, draft)] * MANY,
        lambda: house.projects.archive(house.owner, project.id),
        *[lambda: house.keys.create(house.owner, draft)] * MANY,
    )
    assert set(refused) <= {Code.CONFLICT}
    events = [event for event, _ in await house.events()]
    assert events[-1] == "project.archived"
    assert len(done) == events.count("api_key.created") + 1


async def test_a_project_is_archived_once(house: House) -> None:
    project = await house.projects.create(house.owner, "Search")
    done, refused = await at_once(*[lambda: house.projects.archive(house.owner, project.id)] * MANY)
    assert (len(done), refused) == (1, [Code.CONFLICT] * (MANY - 1))


@pytest.mark.parametrize("is_taken_out", [True, False], ids=["the user leaves", "the group leaves the project"])
async def test_no_key_made_as_a_groups_role_was_taken_works(house: House, is_taken_out: bool) -> None:
    _, bob = await bob_joins(house)
    groups = groups_of(house)
    for number in range(3):
        group = await groups.create(house.owner, f"callers {number}")
        await groups.add_to_project(house.owner, "proj_1", group.id, "member")
        await groups.add_user(house.owner, group.id, "user-b")
        taking = (
            partial(groups.remove_user, house.owner, group.id, "user-b")
            if is_taken_out
            else partial(groups.remove_from_project, house.owner, "proj_1", group.id)
        )
        in_group = await as_they_are(house, bob)
        made, refused = await at_once(
            *[lambda actor=in_group: house.keys.create(actor, house.draft())] * MANY,
            taking,
        )
        keys = [each for each in made if each is not None]
        assert (len(keys) + len(refused), set(refused) <= {Code.NOT_FOUND}) == (MANY, True)
        assert {await death_of(house, each.value) for each in keys} <= {Code.KEY_ACCESS_LOST}


async def test_a_group_that_is_filled_and_given_a_role_at_once_gives_it_to_all(house: House) -> None:
    _, bob = await bob_joins(house)
    groups, assignments = groups_of(house), assignments_of(house)
    role_id = f"{IN_PROJECT}member"
    for number in range(3):
        group = await groups.create(house.owner, f"callers {number}")
        _, refused = await at_once(
            *[lambda group_id=group.id: groups.add_user(house.owner, group_id, "user-b")] * 2,
            *[lambda group_id=group.id: assignments.give_group(house.owner, group_id, role_id, project_id="proj_1")]
            * 2,
        )
        assert refused == [Code.CONFLICT] * 2
        issued = await house.keys.create(await as_they_are(house, bob), house.draft())
        assert await death_of(house, issued.value) is None
        await groups.delete(house.owner, group.id)
        assert await death_of(house, issued.value) is Code.KEY_ACCESS_LOST
