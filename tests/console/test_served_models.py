"""`/settings/models`: who serves a model, in which order, and at what price."""

import re

import pytest

from console.given_console import Console
from console.test_upstreams import add
from keyhouse.console.served_models import per_million, price_words
from keyhouse.core.money import Price, Rate
from keyhouse.store.served_models import list_models

pytestmark = pytest.mark.asyncio
HERE = "/settings/models"
FORM = {
    "name": "large",
    "upstream_0": "own",
    "weight_0": "3",
    "rank_0": "1",
    "there_0": "gpt-large",
    "upstream_1": "fixed",
    "rank_1": "1",
    "input_usd_per_million": "1.25",
    "output_usd_per_million": "10",
    "max_output_tokens": "4,096",
}


async def path_of(console: Console) -> str:
    found = re.search(rf"({HERE}/model_[^/]+)/edit", await console.page(HERE))
    assert found is not None
    return found[1]


async def test_a_model_is_added_shown_with_its_price_changed_and_removed(at_home: Console) -> None:
    await add(at_home)
    assert (await at_home.send(HERE, form_at=f"{HERE}/new", **FORM)).status_code == 303
    page = await at_home.page(HERE)
    for words in ("large", "gpt-large", "1, weight 3", "$1.25", "$10", "set by you", "steady", "$2.50"):
        assert words in page, words
    path = await path_of(at_home)
    sheet = await at_home.page(f"{path}/edit")
    assert ('value="1.25"' in sheet, 'value="4096"' in sheet, 'value="gpt-large"' in sheet) == (True, True, True)
    changed = {"upstream_0": "own", "input_usd_per_million": "2", "output_usd_per_million": "8"}
    assert (await at_home.send(f"{path}/edit", form_at=f"{path}/edit", **changed)).status_code == 303
    (model,) = await at_home.database.read(list_models)
    assert (model.written.name, model.written.upstreams, model.written.max_output_tokens) == ("large", ("own",), None)
    assert "$8" in await at_home.page(HERE)
    assert (await at_home.send(f"{path}/delete", form_at=f"{path}/delete")).status_code == 303
    assert await at_home.database.read(list_models) == []


async def test_what_is_typed_wrongly_comes_back_with_why(at_home: Console) -> None:
    for fields, words in (
        ({"name": ""}, "The field name is wrong"),
        ({"name": "steady"}, "what is configured wins"),
        ({"upstream_0": "", "upstream_1": ""}, "expected the name of an upstream"),
        ({"upstream_0": "nobody"}, "there is no upstream"),
        ({"rank_0": "first"}, "Write a whole number."),
        ({"input_usd_per_million": "cheap"}, "input_usd_per_million is wrong"),
    ):
        asked = FORM | {"upstream_0": "fixed", "upstream_1": "", "weight_0": ""} | fields
        answer = await at_home.send(HERE, form_at=f"{HERE}/new", **asked)
        assert (answer.status_code, words in answer.text) == (422, True), (words, answer.text)


async def test_a_reader_sees_the_prices_and_who_can_change_them(at_home: Console) -> None:
    await at_home.become("reader")
    page = await at_home.page(HERE)
    assert ("An owner of Meridian Freight" in page, f"{HERE}/new" in page, "$2.50" in page) == (True, False, True)


async def test_prices_are_read_by_people() -> None:
    assert [per_million(pico) for pico in (200_000, 1_250_000, 37_500, 0)] == ["$0.20", "$1.25", "$0.0375", "$0"]
    other = Rate(1, 1, 1, 1, tier="flex")
    price = Price(1, (Rate(1_000_000, 500_000, 0, 2_000_000), other), image=40_000_000_000, request=5_000_000)
    others = "$0.04 an image, $0.000005 a request, 1 other rate by tier or length"
    assert price_words(price) == ("$1", "$0.50", "$2", others)
    assert price_words(None) == ("", "", "", "")
