"""A month against its budget, its forecast and its statement, on each engine."""

from functools import partial

import pytest

from given import NOON
from given_control import House
from keyhouse.control.limits import LimitDraft
from keyhouse.core.limit import ScopeType, Unit, Window
from keyhouse.reporting.costs import CostQuestions, month_of
from keyhouse.reporting.limits import LimitQuestions
from keyhouse.reporting.usage import UsageQuestions, UsageRow
from reporting.given_rollups import a_slot

USD = 1_000_000_000
HOUR = 3_600_000
DAY = 24 * HOUR
ZONE = "Europe/Berlin"
MIDNIGHT = NOON - 13 * HOUR
MONTH = (MIDNIGHT - 23 * DAY, MIDNIGHT + 7 * DAY)


def spent(day: int, usd: int) -> UsageRow:
    """What was spent so many days ago."""
    return UsageRow(MIDNIGHT - day * DAY, (), 1, 0, 0, 0, 0, 0, 0, usd * USD, 0)


def test_a_month_goes_on_as_its_last_seven_full_days_went() -> None:
    month = month_of([spent(day, 10) for day in range(1, 24)] + [spent(0, 4)], MONTH, NOON, ZONE)
    assert month.spent_so_far == (23 * 10 + 4) * USD
    assert month.pace == 10 * USD
    # 11 hours of today and six days are left.
    assert month.expected == month.spent_so_far + 10 * USD * (6 * 24 + 11) // 24
    assert (len(month.days), len(month.spent)) == (30, 24)


def test_days_before_the_first_call_do_not_slow_the_pace() -> None:
    assert month_of([spent(2, 6), spent(1, 12)], MONTH, NOON, ZONE).pace == 9 * USD
    assert month_of([spent(3, 6), spent(1, 12)], MONTH, NOON, ZONE).pace == 6 * USD


def test_without_a_full_day_there_is_no_forecast() -> None:
    month = month_of([spent(0, 5)], MONTH, NOON, ZONE)
    assert (month.pace, month.expected, month.spent_so_far) == (None, None, 5 * USD)


@pytest.mark.asyncio
async def test_a_month_and_its_budget_are_the_organizations_or_a_projects(house: House) -> None:
    usage = UsageQuestions(house.database)
    questions = CostQuestions(usage, LimitQuestions(house.database, house.clock), house.clock)
    await house.database.write(lambda c: a_slot(c, NOON, cost_nano_usd=3 * USD))
    await house.database.write(lambda c: a_slot(c, NOON - DAY, cost_nano_usd=2 * USD, project_id="proj_9"))
    await house.database.write(lambda c: a_slot(c, NOON - 30 * DAY, cost_nano_usd=50 * USD))
    await house.database.write(lambda c: a_slot(c, NOON, cost_nano_usd=900 * USD, organization_id="org-2"))
    for amount, model in ((40, None), (7, "tiny-1")):
        draft = LimitDraft(Unit.USD, Window.MONTH, amount * USD, model)
        await house.limits.set(house.owner, ScopeType.ORGANIZATION, "org-1", draft)
    await house.limits.set(house.owner, ScopeType.PROJECT, "proj_1", LimitDraft(Unit.USD, Window.MONTH, 9 * USD))

    month = await questions.month("org-1", ZONE)
    assert month.spent_so_far == 5 * USD
    assert (month.start_ms, month.end_ms) == MONTH
    assert month.budget is not None
    assert month.budget.limit.amount == 40 * USD
    project = await questions.month("org-1", ZONE, ("proj_1",))
    assert project.spent_so_far == 3 * USD
    assert project.budget is not None
    assert project.budget.limit.amount == 9 * USD


@pytest.mark.asyncio
async def test_a_statement_adds_up_the_days_of_each_project_and_model(house: House) -> None:
    usage = UsageQuestions(house.database)
    questions = CostQuestions(usage, LimitQuestions(house.database, house.clock), house.clock)
    for day in range(3):
        step = partial(a_slot, starts_at_ms=NOON - day * DAY, cost_nano_usd=7, input_tokens=5)
        await house.database.write(step)
    await house.database.write(lambda c: a_slot(c, NOON, model="tiny-2", cost_nano_usd=1))
    await house.database.write(lambda c: a_slot(c, MONTH[0] - HOUR, cost_nano_usd=100))
    rows = await questions.statement("org-1", ZONE, *MONTH)
    assert [(row.group, row.requests, row.input_tokens, row.cost_nano_usd) for row in rows] == [
        (("proj_1", "tiny-1"), 3, 15, 21),
        (("proj_1", "tiny-2"), 1, 0, 1),
    ]
