"""`/settings/upstreams`: added, changed, tried and removed; a credential goes in and never comes out."""

import re

import pytest

from console.given_console import SEALING, Console
from keyhouse.control.upstreams import row_of
from keyhouse.core.sealing import unseal
from keyhouse.store.upstreams import list_upstreams

pytestmark = pytest.mark.asyncio
HERE = "/settings/upstreams"
CANARY = "sk-upstream-canary-0123456789"
SECONDS = {"connect_timeout_seconds": "2.5", "first_byte_timeout_seconds": "600", "idle_timeout_seconds": "120"}
FORM = {"name": "own", "base_url": "https://127.0.0.1:9/v1", "auth": "bearer"} | SECONDS


async def add(console: Console, **fields: str) -> str:
    """An upstream with a credential; its pages' path."""
    answer = await console.send(HERE, form_at=f"{HERE}/new", **(FORM | {"api_key": CANARY} | fields))
    assert answer.status_code == 303, answer.text
    found = re.search(rf"({HERE}/upstream_[^/]+)/edit", await console.page(HERE))
    assert found is not None
    return found[1]


async def credential(console: Console) -> str | None:
    (row,) = await console.database.read(list_upstreams)
    return None if row.credential is None else unseal(row.credential, SEALING, row_of(row.id))


async def test_an_upstream_is_added_changed_and_removed_and_its_credential_is_in_no_page(at_home: Console) -> None:
    path = await add(at_home)
    listed, sheet = await at_home.page(HERE), await at_home.page(f"{path}/edit")
    for words in ("own", "kept encrypted", "fixed", "in the configuration", "In use", "Ready"):
        assert words in listed, words
    assert 'value="2.5"' in sheet
    kept = await at_home.send(f"{path}/edit", form_at=f"{path}/edit", **(FORM | {"auth": "api-key"}))
    assert (kept.status_code, await credential(at_home)) == (303, CANARY)
    wrong = await at_home.send(f"{path}/edit", form_at=f"{path}/edit", **(FORM | {"base_url": "x", "api_key": CANARY}))
    assert (wrong.status_code, "expected an address" in wrong.text) == (422, True)
    assert CANARY not in listed + sheet + wrong.text + await at_home.page("/audit-log")
    other = FORM | {"base_url": "https://other.example.com/v1"}
    moved = await at_home.send(f"{path}/edit", form_at=f"{path}/edit", **other)
    assert (moved.status_code, "names another server" in moved.text) == (422, True)
    taken = await at_home.send(f"{path}/edit", form_at=f"{path}/edit", without_credential="on", **other)
    assert (taken.status_code, await credential(at_home)) == (303, None)
    assert (await at_home.send(f"{path}/delete", form_at=f"{path}/delete")).status_code == 303
    assert (await at_home.browser.get(f"{path}/edit")).status_code == 404


async def test_a_test_says_in_plain_words_what_came_of_it(at_home: Console) -> None:
    path = await add(at_home)
    answer = await at_home.send(f"{path}/test", form_at=HERE, model="gpt")
    assert (answer.status_code, "not public" in answer.text or "private" in answer.text) == (200, True), answer.text
    assert "Asked gpt for a word" in answer.text
    assert CANARY not in answer.text


async def test_what_is_typed_wrongly_comes_back_with_why(at_home: Console) -> None:
    for fields, words in (
        ({"name": ""}, "The field name is wrong"),
        ({"name": "fixed"}, "what is configured wins"),
        ({"base_url": "http://api.example.com"}, "expected https"),
        ({"connect_timeout_seconds": "soon"}, "Write seconds as"),
        ({"auth": "guess"}, "Choose one of the list."),
        ({"api_key": "has a space"}, "characters that no credential has"),
    ):
        answer = await at_home.send(HERE, form_at=f"{HERE}/new", **(FORM | fields))
        assert (answer.status_code, words in answer.text) == (422, True), words
    assert await at_home.database.read(list_upstreams) == []


async def test_what_is_configured_or_in_use_is_not_removed(at_home: Console) -> None:
    path = await add(at_home)
    model = await at_home.send("/settings/models", form_at="/settings/models/new", name="large", upstream_0="own")
    assert model.status_code == 303
    used = await at_home.send(f"{path}/delete", form_at=f"{path}/delete")
    assert (used.status_code, "serves large" in used.text) == (422, True)
    fixed = re.search(rf"{HERE}/(upstream_config_\w+)/test", await at_home.page(HERE))
    assert fixed is not None
    assert (await at_home.browser.get(f"{HERE}/{fixed[1]}/edit")).status_code == 409


async def test_a_session_that_is_ten_minutes_old_gives_the_password_again(at_home: Console) -> None:
    at_home.clock.turn(minutes=10)
    answer = await at_home.browser.get(f"{HERE}/new")
    assert (answer.status_code, answer.headers["location"].startswith("/confirm")) == (303, True)
