"""The page for people who cannot find their key."""

import pytest

from console.given_console import Console

pytestmark = pytest.mark.asyncio


async def look_up(console: Console, text: str) -> str:
    answer = await console.send("/help", form_at="/help", key=text)
    assert answer.status_code == 200
    return answer.text


async def test_a_living_key_is_found_by_its_secret_and_the_secret_is_not_shown(at_home: Console) -> None:
    key_id, secret = await at_home.create("support-triage")
    page = await look_up(at_home, secret)
    assert "This is the current secret of support-triage" in page
    assert f'href="/api-keys/{key_id}"' in page
    assert "Key created by" in page
    assert secret not in page


async def test_an_ended_secret_leads_to_the_new_one(at_home: Console) -> None:
    key_id, old = await at_home.create("search-embeddings")
    rotate = f"/api-keys/{key_id}/rotate"
    answer = await at_home.send(rotate, form_at=rotate, overlap=str(3_600_000))
    assert answer.status_code == 201
    page = await look_up(at_home, old)
    assert "This is the old secret of search-embeddings" in page
    at_home.clock.turn(hours=2)
    page = await look_up(at_home, old)
    assert "This is an old secret of search-embeddings" in page
    assert "stayed valid for 1 h" in page
    assert f'href="{rotate}"' in page


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sk-proj-not-one-of-ours", "This is not a key of Keyhouse&#39;s"),
        ("sk-kh_0000000000_x", "This is not a whole Keyhouse key"),
        ("0000", "No key of this organization has this secret"),
        ("<b>x</b> y", "No key is found by this"),
    ],
)
async def test_what_is_not_found_is_explained(at_home: Console, text: str, says: str) -> None:
    page = await look_up(at_home, text)
    assert says in page
    assert "<b>x</b>" not in page


async def test_the_page_says_where_one_is_looking_and_what_is_hidden(at_home: Console) -> None:
    key_id, _ = await at_home.create("support-triage")
    page = await at_home.page("/help")
    for words in ("mira@meridian.example", "Meridian Freight, all projects", "Owner", "What an error means"):
        assert words in page, words
    assert "revoked key" not in page
    revoke = f"/api-keys/{key_id}/revoke"
    await at_home.send(revoke, form_at=revoke, name="support-triage")
    assert "1 revoked key" in await at_home.page("/help")


async def test_someone_who_may_not_change_keys_is_told_who_can(at_home: Console) -> None:
    _, secret = await at_home.create("support-triage")
    await at_home.become("reader")
    page = await look_up(at_home, secret)
    assert "An owner of Meridian Freight can make keys" in page
    assert "/rotate" not in page
