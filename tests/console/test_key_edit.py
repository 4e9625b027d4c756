"""The sheet that changes a key."""

import pytest

from console.given_console import Console, token_on

pytestmark = pytest.mark.asyncio


async def edit(console: Console, key_id: str, **fields: object) -> tuple[int, str]:
    page = await console.page(f"/api-keys/{key_id}/edit")
    usual = {"csrf": token_on(page), "name": "alpha", "may": "all", "expires": "keep"}
    answer = await console.browser.post(f"/api-keys/{key_id}/edit", data=usual | fields)
    return answer.status_code, answer.text


async def test_the_sheet_shows_the_key_as_it_is_and_changes_it_at_once(at_home: Console) -> None:
    key_id, _ = await at_home.create("alpha", may="chat_only", model=["tiny-1"], addresses="10.0.0.0/8")
    sheet = await at_home.page(f"/api-keys/{key_id}/edit")
    for words in (
        'value="alpha"',
        'value="chat_only" data-words="chat" checked',
        'value="tiny-1" checked',
        "10.0.0.0/8",
    ):
        assert words in sheet, words
    before = await at_home.page(f"/api-keys/{key_id}")
    assert (await edit(at_home, key_id, name="beta", may="embeddings_only", addresses=""))[0] == 303
    page = await at_home.page(f"/api-keys/{key_id}?done=changed&on={key_id}")
    for words in ("beta is changed", "Embeddings only", "Every model"):
        assert words in page, words
    assert "10.0.0.0/8" not in page
    assert ("22 Feb" in before) == ("22 Feb" in page), "it expires as it did"
    assert at_home.forgotten[-1] == key_id


async def test_an_end_can_be_set_and_taken_away(at_home: Console) -> None:
    key_id, _ = await at_home.create("alpha")
    await edit(at_home, key_id, expires="date", expires_on="2026-12-24")
    assert "24 Dec, 00:00" in await at_home.page(f"/api-keys/{key_id}")
    await edit(at_home, key_id, expires="never")
    assert "Never<" in await at_home.page(f"/api-keys/{key_id}")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": " "}, "Name the key after what will use it."),
        ({"name": "n" * 300}, 'id="name-fault"'),
        ({"model": "of-others"}, "Choose models of the list."),
        ({"may": "restricted"}, "Choose at least one thing the key may do."),
        ({"addresses": "here"}, "is no address and no network"),
        ({"expires": "date", "expires_on": "2020-01-01"}, "Pick a day after today."),
    ],
)
async def test_what_is_typed_wrongly_comes_back(at_home: Console, fields: dict[str, str], words: str) -> None:
    key_id, _ = await at_home.create("alpha")
    status, page = await edit(at_home, key_id, **fields)
    assert status == 422
    assert words in page


async def test_whoever_may_not_changes_nothing(at_home: Console) -> None:
    key_id, _ = await at_home.create("alpha")
    await at_home.become("reader")
    assert (await edit(at_home, key_id, name="beta"))[0] == 403
    assert "beta" not in await at_home.page(f"/api-keys/{key_id}")
