"""The list of calls and the page of one."""

import pytest

from console.given_call import call
from console.given_console import Console
from console.given_usage import use
from given import NOON, some_people
from given_calls import a_call, a_period, id_at
from keyhouse.console.calls import PAGE

pytestmark = pytest.mark.asyncio
HOUR = 3_600_000


async def test_calls_are_listed_with_filters_and_the_page_of_one_explains_its_charge(at_home: Console) -> None:
    assert "No calls match" in await at_home.page("/calls")
    key_id, _ = await at_home.create("alpha")
    call_id = await call(at_home, key_id)
    await call(
        at_home, key_id, NOON - HOUR, status=502, state="released", charged_nano_usd=0, basis=None, model="tiny-2"
    )
    await call(at_home, key_id, NOON - 50 * HOUR, model="tiny-3")

    page = await at_home.page("/calls")
    for words in ("alpha", "tiny-1", "tiny-2", "Answered", "Failed", "502", "$0.001350"):
        assert words in page, words
    assert "tiny-3" not in page
    for query, seen, unseen in (
        ("outcome=errors", "Failed", "Answered<"),
        ("model=tiny-1", ">tiny-1<span", ">tiny-2<span"),
        (f"key={key_id}&period=7d", ">tiny-3<span", "Nobody"),
    ):
        page = await at_home.page(f"/calls?{query}")
        assert seen in page, query
        assert f'status-word">{unseen}' not in page, query

    page = await at_home.page(f"/calls/{call_id}")
    for words in (
        "$0.00135",
        "The upstream reported what was used; times its price, that is the charge.",
        "$1.00 per million",
        "$0.50 per million",
        "700",
        "No limit stood on its way.",
        "+120 ms",
        "+900 ms",
        "192.0.2.7",
        "$0.005",
    ):
        assert words in page, words


async def test_the_limits_that_a_call_counted_on_stand_on_its_page(at_home: Console) -> None:
    key_id, _ = await at_home.create("alpha", budget="25")
    session = await at_home.desk.sessions.find(at_home.browser.cookies["keyhouse"])
    assert session is not None
    (state,) = (await at_home.desk.key_questions.one(session.organization_id, key_id)).limits
    period = await at_home.database.write(lambda c: a_period(c, state.limit.id, "2026-11"))
    page = await at_home.page(f"/calls/{await call(at_home, key_id, period_ids=f'[{period}, 999]')}")
    for words in ("API key alpha", "$25 a month", "2026-11", "And 1 per minute"):
        assert words in page, words


async def test_many_calls_come_in_pages(at_home: Console) -> None:
    key_id, _ = await at_home.create("alpha")
    for place in range(PAGE + 2):
        await call(at_home, key_id, NOON - place * 1000, place, model=f"m{place}")
    first = await at_home.page("/calls")
    assert f">m{PAGE - 1}<" in first
    assert f">m{PAGE}<" not in first
    older = await at_home.page(f"/calls?after={id_at(NOON - (PAGE - 1) * 1000, PAGE - 1)}")
    assert f">m{PAGE}<" in older
    assert ">m1<" not in older


async def test_another_organizations_call_reads_as_missing(at_home: Console) -> None:
    await at_home.database.write(some_people)
    call_id = await at_home.database.write(a_call)
    assert (await at_home.browser.get(f"/calls/{call_id}")).status_code == 404
    assert (await at_home.browser.get("/calls/call_0")).status_code == 404
    assert "No calls match" in await at_home.page("/calls")


async def test_a_keys_page_shows_its_use_last_calls_and_history(at_home: Console) -> None:
    key_id, _ = await at_home.create("alpha")
    await use(at_home, key_id)
    await call(at_home, key_id)
    page = await at_home.page(f"/api-keys/{key_id}")
    for words in ("3 requests, 1,000 input tokens, 200 output tokens, $0.000691 spent", "Last calls", "Answered"):
        assert words in page, words
    assert "Created</td>" in page
    await at_home.become("member")
    assert "Created</td>" not in await at_home.page(f"/api-keys/{key_id}")
