"""The limits page and the replay."""

import pytest

from console.given_console import Console
from console.given_usage import use
from keyhouse.console.limits import PAGE

pytestmark = pytest.mark.asyncio


async def set_limit(console: Console, **fields: str) -> int:
    usual = {"on": "key", "unit": "requests", "window": "day", "amount": "5"}
    return (await console.send("/limits", form_at="/limits/new", **(usual | fields))).status_code


async def test_an_empty_page_says_what_a_limit_is(at_home: Console) -> None:
    assert "No limits yet" in await at_home.page("/limits")


async def test_limits_are_found_by_name_unit_and_window(at_home: Console) -> None:
    for name in ("alpha", "beta"):
        await at_home.create(name)
        assert await set_limit(at_home, key=name, window="day" if name == "alpha" else "week") == 303
    assert "2 of 2 limits" in await at_home.page("/limits")
    for query, seen, unseen in (("q=alp", "alpha", "beta"), ("window=week", "beta", "alpha")):
        page = await at_home.page(f"/limits?{query}")
        assert f">{seen}<" in page
        assert f">{unseen}<" not in page
    assert "No limit matches" in await at_home.page("/limits?unit=usd")
    for strange in ("page=x", "page=0", "unit=bananas", "window=year"):
        assert "2 of 2 limits" in await at_home.page(f"/limits?{strange}")


async def test_many_limits_come_in_pages(at_home: Console) -> None:
    await at_home.create("alpha")
    for place in range(PAGE + 1):
        assert await set_limit(at_home, key="alpha", model=f"m{place}") == 303
    first = await at_home.page("/limits")
    assert f"{PAGE} of {PAGE + 1} limits" in first
    assert 'href="/limits?page=2"' in first
    assert f"1 of {PAGE + 1} limits" in await at_home.page("/limits?page=2")


async def test_a_replay_says_what_would_have_been_refused(at_home: Console) -> None:
    key_id, _ = await at_home.create("alpha")
    await use(at_home, key_id, requests=40)
    page = await at_home.page("/limits/replay?on=key&key=alpha&unit=requests&window=day&amount=10")
    assert "About 30 of 40 requests refused, 75.0%" in page
    assert "It would have refused nothing" in await at_home.page(f"/limits/replay?on={key_id}&unit=usd&amount=5")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("on=key&key=nobody&amount=5", "No key is called so."),
        ("on=key&amount=5", "Name the key, or paste its id."),
        ("on=everything&amount=5", "Choose what the limit is for."),
        ("on=proj_1&amount=much", "Write it as 1500 or 1,500.00."),
        ("on=proj_1&unit=images&amount=5", "would have refused is not known afterwards"),
    ],
)
async def test_what_cannot_be_replayed_is_said(at_home: Console, query: str, words: str) -> None:
    answer = await at_home.browser.get(f"/limits/replay?{query}")
    assert answer.status_code == 422
    assert words in answer.text


async def test_of_two_keys_with_one_name_the_id_is_asked_for(at_home: Console) -> None:
    first, _ = await at_home.create("twin")
    await at_home.create("twin")
    assert "Several keys are called so." in (await at_home.browser.get("/limits/replay?on=key&key=twin&amount=5")).text
    assert "Nothing was asked of it" in await at_home.page(f"/limits/replay?on=key&key={first}&amount=5")
