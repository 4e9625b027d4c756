"""The performance page and its CSV."""

import pytest
from sqlalchemy import select

from console.given_console import Console
from console.given_usage import use
from given import NOON
from keyhouse.store.refused import RefusedSlot, add_refused
from keyhouse.store.schema import usage_hour

pytestmark = pytest.mark.asyncio


async def test_an_empty_period_says_what_to_do(at_home: Console) -> None:
    assert "No calls in this period" in await at_home.page("/performance")


async def test_times_and_errors_stand_in_charts_table_and_csv(at_home: Console) -> None:
    key_id, _ = await at_home.create("alpha")
    await use(at_home, key_id, errors=1, errors_429=1, duration_7=3, first_byte_5=3, answering_ms=1000)
    for by, name in (("model", "tiny-1"), ("upstream", "local"), ("api_key_id", "alpha")):
        page = await at_home.page(f"/performance?by={by}&period=24h")
        for words in (name, "300 ms", "1.15 s", "33.33%", "200.0", "Hours as table"):
            assert words in page, (by, words)
        csv = await at_home.page(f"/performance.csv?by={by}&period=24h")
        assert f"{name},3,300 ms,390 ms,1.15 s,1.47 s,200.0,33.33%,0,0,1,0" in csv


async def test_what_limits_refused_stands_beside_the_calls(at_home: Console) -> None:
    key_id, _ = await at_home.create("alpha")
    await use(at_home, key_id, duration_7=3)
    slot = select(*(usage_hour.c[name] for name in RefusedSlot.__struct_fields__))
    called = await at_home.database.read(lambda c: tuple(c.execute(slot).one()))
    await at_home.database.write(lambda c: add_refused(c, {RefusedSlot(*called): 6}))
    for by, name in (("model", "tiny-1"), ("upstream", "local"), ("api_key_id", "alpha")):
        csv = await at_home.page(f"/performance.csv?by={by}&period=24h")
        assert csv.splitlines()[1].startswith(f"{name},3,"), by
        assert csv.splitlines()[1].endswith("66.67%,0,6,0,0"), by
    assert ("Our 429" in (page := await at_home.page("/performance")), "66.67%" in page) == (True, True)


async def test_one_key_or_model_and_no_others(at_home: Console) -> None:
    alpha, _ = await at_home.create("alpha")
    beta, _ = await at_home.create("beta")
    await use(at_home, alpha, NOON, duration_1=3)
    assert "Only alpha" in await at_home.page(f"/performance?key={alpha}")
    assert "No calls in this period" in await at_home.page(f"/performance?key={beta}")
    assert "No calls in this period" in await at_home.page("/performance?model=other")
