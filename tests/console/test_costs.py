"""The costs page, its CSV, the statement and the Admin API's own numbers agree."""

import csv
import io

import pytest

from console.given_console import Console
from console.given_usage import use
from given import NOON
from keyhouse.core.money import parse_usd
from keyhouse.reporting.usage import UsageQuery

pytestmark = pytest.mark.asyncio
DAY = 86_400_000


async def test_an_empty_month_says_so_and_still_has_its_statement(at_home: Console) -> None:
    page = await at_home.page("/costs")
    assert "No costs in this period" in page
    assert "There is no forecast before a full day" in page
    assert "Nothing was spent in November 2026" in await at_home.page("/costs/statement")


async def test_chart_csv_statement_and_rollups_give_the_same_cost(at_home: Console) -> None:
    alpha, _ = await at_home.create("alpha")
    beta, _ = await at_home.create("beta")
    for day in range(5):
        await use(at_home, alpha, NOON - day * DAY, cost_nano_usd=1_000_000_001 + day)
        await use(at_home, beta, NOON - day * DAY, cost_nano_usd=7_000_003, model="tiny-2")
    session = await at_home.desk.sessions.find(at_home.browser.cookies["keyhouse"])
    assert session is not None
    query = UsageQuery(session.organization_id, NOON - 23 * DAY, NOON + 1, zone="Europe/Berlin")
    whole = sum(row.cost_nano_usd for row in await at_home.desk.usage_questions.rows(query))
    assert whole == 5 * (1_000_000_001 + 7_000_003) + 10

    page = await at_home.page("/costs")
    assert "$5.04" in page
    for by in ("model", "api_key_id", "user_id", "project_id"):
        rows = list(csv.DictReader(io.StringIO(await at_home.page(f"/costs.csv?by={by}"))))
        assert sum(parse_usd(row["cost_usd"]) for row in rows) == whole, by
    statement = list(csv.DictReader(io.StringIO(await at_home.page("/costs/statement.csv"))))
    assert sum(parse_usd(row["cost_usd"]) for row in statement) == whole
    assert "$5.035000030" in (await at_home.page("/costs/statement")).replace("$5.03500003", "$5.035000030")


async def test_a_statement_is_of_the_month_that_is_asked_for(at_home: Console) -> None:
    key_id, _ = await at_home.create("alpha")
    await use(at_home, key_id, NOON - 30 * DAY)
    assert "The month is over." in await at_home.page("/costs/statement?month=2026-10")
    assert "tiny-1" in await at_home.page("/costs/statement?month=2026-10")
    assert "Nothing was spent" in await at_home.page("/costs/statement?month=2026-09")
    for strange in ("2026-13", "x", "9999-01", "0000-00"):
        assert "November 2026" in await at_home.page(f"/costs/statement?month={strange}")


async def test_costs_of_one_project_have_its_name_and_no_others(at_home: Console) -> None:
    key_id, _ = await at_home.create("alpha")
    await use(at_home, key_id)
    row = await at_home.desk.key_questions.one((await session_organization(at_home)), key_id)
    assert "Default project, 1 Nov" in await at_home.page(f"/costs?project={row.key.project_id}")
    assert "No costs in this period" in await at_home.page("/costs?project=proj_of_others")


async def session_organization(console: Console) -> str:
    session = await console.desk.sessions.find(console.browser.cookies["keyhouse"])
    assert session is not None
    return session.organization_id
