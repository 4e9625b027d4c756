"""The reference of the API, for anyone: as a page without a script of its own, and as OpenAPI."""

import html
import re

import pytest

from console.given_console import Console
from keyhouse.console.reference import kind_of
from keyhouse.furniture import reference

pytestmark = pytest.mark.asyncio


async def test_the_page_and_the_description_hold_every_address_with_its_fields_and_statuses(at_home: Console) -> None:
    whole = (await at_home.browser.get("/openapi.json")).raise_for_status()
    assert whole.headers["content-type"] == "application/json"
    described = whole.json()
    assert described["paths"].keys() == reference()["paths"].keys()
    page = await at_home.page("/docs")
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            start = page.index(f'<details id="{operation["operationId"]}">')
            part = page[start : page.index("</details>", start)]
            assert f"<b>{method.upper()}</b><code>{path}</code>" in part
            assert operation["summary"] in html.unescape(part)
            assert set(re.findall(r"<td>(\d{3})</td>", part)) == set(operation["responses"])
            assert all(f"<code>{each['name']}</code>" in part for each in operation["parameters"])
    assert page.count("<script") == 1


async def test_the_contents_lead_to_every_resource_under_the_key_it_takes(at_home: Console) -> None:
    page = await at_home.page("/docs")
    contents = page[page.index('<nav class="contents"') : page.index("</nav>")]
    led = re.findall(r'href="#([^"]+)"', contents)
    assert led == re.findall(r'<section class="section" id="([^"]+)"', page)
    assert {"models-chat", "models-files", "admin-projects", "admin-admin-keys", "all-health"} <= set(led)
    assert contents.index("Call models") < contents.index("Administer") < contents.index("For anyone")


async def test_no_two_routes_of_models_say_the_same(at_home: Console) -> None:
    page = await at_home.page("/docs")
    part = page[page.index('id="models-chat"') : page.index('id="admin-')]
    told = re.findall(r"<span>([^<]+)</span></summary>", part)
    assert len(told) > 60
    assert len(set(told)) == len(told)


async def test_a_type_is_told_in_words() -> None:
    shown = [
        kind_of({"anyOf": [{"type": "string"}, {"type": "null"}]}),
        kind_of({"type": "array", "items": {"$ref": "#/components/schemas/Scope"}}),
        kind_of({"enum": ["a", "b"]}),
        kind_of({"type": ["string", "null"]}),
        kind_of({}),
    ]
    assert shown == ["string or null", "array of Scope", "a or b", "string or null", "anything"]
