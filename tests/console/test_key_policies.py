"""`/settings/policies`: what the organization wants of its keys."""

import pytest

from console.given_console import Console
from keyhouse.console.key_policies import change_of, others_of, typed_of
from keyhouse.core.limit import Unit, Window
from keyhouse.core.policy import LimitDraft, Makers, Policy

pytestmark = pytest.mark.asyncio
HERE = "/settings/policies"
FORM = {"key_makers": "owners", "key_days_max": "90", "budget": "25", "budget_window": "month", "requests": "60"}


async def test_policies_are_set_shown_and_taken_away(at_home: Console) -> None:
    assert (await at_home.send(HERE, form_at=HERE, model="tiny-1", **FORM)).status_code == 303
    page = await at_home.page(HERE)
    for words in ('value="owners" checked', 'value="90"', 'value="25.00"', 'value="60"', 'value="tiny-1" checked'):
        assert words in page, words
    sheet = await at_home.create_answer(name="forever", expires="never")
    assert sheet.status_code == 201
    assert "Policies updated" in await at_home.page("/audit-log")
    assert (await at_home.send(HERE, form_at=HERE, key_makers="members")).status_code == 303
    assert 'value="90"' not in await at_home.page(HERE)


async def test_what_is_typed_wrongly_comes_back_with_why(at_home: Console) -> None:
    for fields, words in (
        ({"key_days_max": "soon"}, "Write days as a whole number"),
        ({"key_days_max": "0"}, "It is from 1 to"),
        ({"key_days_default": "91"}, "is more than key_days_max"),
        ({"budget": "much"}, "Write it as 1500"),
        ({"key_makers": "nobody"}, "Choose one of the list."),
    ):
        answer = await at_home.send(HERE, form_at=HERE, **(FORM | fields))
        assert (answer.status_code, words in answer.text) == (422, True), words


async def test_a_reader_sees_them_and_who_can_change_them(at_home: Console) -> None:
    await at_home.become("reader")
    page = await at_home.page(HERE)
    assert ("An owner of Meridian Freight" in page, "Save policies" in page) == (True, False)


async def test_what_the_form_has_no_field_for_stays() -> None:
    other = LimitDraft(Unit.IMAGES, Window.DAY, 5)
    strict = LimitDraft(Unit.USD, Window.MONTH, 10**9, refuse_when_short=True)
    usual = LimitDraft(Unit.TOKENS, Window.MINUTE, 1_000)
    policy = Policy(30, 7, 60, Makers.OWNERS, ("tiny-1",), (other, strict, usual))
    change = change_of(typed_of(policy), policy)
    assert change.key_limits == (other, strict, usual)
    assert (change.key_days_max, change.key_makers, change.models) == (30, Makers.OWNERS, ("tiny-1",))
    assert others_of(policy) == ["5 images a day", "$1 a month"]
