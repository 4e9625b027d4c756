"""The usage page and its CSV."""

import pytest

from console.given_console import Console
from console.given_usage import use

pytestmark = pytest.mark.asyncio


async def test_an_empty_period_says_what_to_do(at_home: Console) -> None:
    assert "No calls in this period" in await at_home.page("/usage")


async def test_what_was_used_stands_in_totals_table_and_csv(at_home: Console) -> None:
    key_id, _ = await at_home.create("alpha")
    await use(at_home, key_id)
    for by, name in (("model", "tiny-1"), ("api_key_id", "alpha"), ("project_id", "Default project")):
        page = await at_home.page(f"/usage?by={by}")
        for words in (name, "$0.000691", "1,000", "Europe/Berlin", "18 Nov to 24 Nov 2026"):
            assert words in page, (by, words)
    csv = await at_home.page("/usage.csv?by=api_key_id")
    assert "alpha,3,1000,0,200,0,0.000691" in csv


async def test_one_keys_usage_and_no_others(at_home: Console) -> None:
    alpha, _ = await at_home.create("alpha")
    beta, _ = await at_home.create("beta")
    await use(at_home, alpha)
    assert "Only alpha" in await at_home.page(f"/usage?key={alpha}")
    assert "No calls in this period" in await at_home.page(f"/usage?key={beta}")


async def test_a_name_in_the_csv_is_no_formula(at_home: Console) -> None:
    key_id, _ = await at_home.create("=1+1")
    await use(at_home, key_id)
    assert "'=1+1,3" in await at_home.page("/usage.csv?by=api_key_id")


async def test_a_name_cannot_end_the_data_of_the_chart(at_home: Console) -> None:
    key_id, _ = await at_home.create("</script><script>alert(1)//")
    await use(at_home, key_id)
    assert "<script>alert" not in await at_home.page("/usage?by=api_key_id")


async def test_a_strange_address_shows_the_usual_page(at_home: Console) -> None:
    for query in ("period=1y", "by=password", "measure=x", "key=" + "k" * 500):
        assert "Usage" in await at_home.page(f"/usage?{query}")
