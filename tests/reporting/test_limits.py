"""Limits as they are listed: all of them, or those on one scope, and none of another organization."""

import pytest

from given_control import House, refused
from keyhouse.core.errors import Code
from keyhouse.core.limit import ScopeType, Unit, Window
from keyhouse.core.policy import LimitDraft
from keyhouse.reporting.limits import LimitQuestions

DRAFT = LimitDraft(Unit.REQUESTS, Window.DAY, 5)


@pytest.mark.asyncio
async def test_limits_are_found_by_type_and_id_of_their_scope(house: House) -> None:
    questions = LimitQuestions(house.database, house.clock)
    scopes = ((ScopeType.KEY, "key_1"), (ScopeType.PROJECT, "proj_1"), (ScopeType.ORGANIZATION, "org-1"))
    made = {scope: await house.limits.set(house.owner, *scope, DRAFT) for scope in scopes}
    assert {state.limit.id for state in await questions.list("org-1")} == {s.limit.id for s in made.values()}
    for scope, state in made.items():
        assert await questions.list("org-1", *scope) == (state,)
        assert await questions.list("org-1", scope_type=scope[0]) == (state,)
        assert await questions.list("org-1", scope_id=scope[1]) == (state,)
        assert await questions.one("org-1", state.limit.id) == state
    assert await questions.list("org-1", ScopeType.PROJECT, "key_1") == ()


@pytest.mark.asyncio
async def test_another_organizations_limits_read_as_missing(house: House) -> None:
    questions = LimitQuestions(house.database, house.clock)
    made = await house.limits.set(house.owner, ScopeType.KEY, "key_1", DRAFT)
    assert await questions.list("org-2") == ()
    assert await questions.list("org-2", ScopeType.KEY, "key_1") == ()
    await refused(questions.one("org-2", made.limit.id), Code.NOT_FOUND)
