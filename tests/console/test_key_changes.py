"""Creating, rotating, disabling, enabling and revoking keys through their forms."""

import re

import pytest

from console.given_console import Console, project_on, secret_in
from console.given_people import become, join

pytestmark = pytest.mark.asyncio


async def test_the_answer_to_create_shows_the_secret_with_snippets(at_home: Console) -> None:
    answer = await at_home.create_answer(name="invoice-assistant", may="chat_only")
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    secret = secret_in(answer.text)
    assert secret.startswith("sk-kh_")
    assert "location" not in answer.headers
    for words in ("http://127.0.0.1:8080/v1", "invoice-assistant", "data-test-call", "OPENAI_API_KEY", "data-keep"):
        assert words in answer.text, words
    assert ">invoice-assistant</a>" in answer.text  # the list behind has it already


async def test_a_key_that_may_not_chat_has_no_test_call(at_home: Console) -> None:
    assert "data-test-call" not in (await at_home.create_answer(name="a", may="embeddings_only")).text


async def test_wrong_fields_come_back_with_messages_and_lose_nothing(at_home: Console) -> None:
    answer = await at_home.create_answer(
        name="",
        may="restricted",
        expires="date",
        expires_on="yesterday",
        budget="1,50,0",
        requests="many",
        tokens="4.5",
        addresses="10.0.0.0/8, nonsense",
        model="tiny-1",
    )
    assert answer.status_code == 422
    for field in ("name", "may", "expires_on", "budget", "requests", "tokens", "addresses"):
        assert f'id="{field}-fault"' in answer.text, field
    for kept in ('value="1,50,0"', 'value="many"', 'value="10.0.0.0/8, nonsense"', 'value="tiny-1" checked'):
        assert kept in answer.text, kept
    assert "Write it as 1500 or 1,500.00." in answer.text
    assert "0 keys" in answer.text


async def test_what_the_verb_refuses_stands_beside_its_field(at_home: Console) -> None:
    answer = await at_home.create_answer(name="x" * 101)
    assert answer.status_code == 422
    assert 'id="name-fault"' in answer.text
    answer = await at_home.create_answer(name="a", project="proj_0000")
    assert answer.status_code == 422
    assert 'id="project-fault"' in answer.text


async def test_rotation_with_an_overlap_keeps_the_id_and_shows_where_it_stands(at_home: Console) -> None:
    key_id, old = await at_home.create("alpha")
    answer = await at_home.send(
        f"/api-keys/{key_id}/rotate", form_at=f"/api-keys/{key_id}/rotate", overlap=str(24 * 3_600_000)
    )
    assert answer.status_code == 201
    new = secret_in(answer.text)
    assert new != old
    assert new.split("_")[1] == old.split("_")[1]
    page = await at_home.page(f"/api-keys/{key_id}")
    for words in ("Rotating", "Nobody used the old secret", "tomorrow at 13:00", "End old secret now", "Ends in 1 d"):
        assert words in page, words
    assert new not in page
    assert "Rotating" in await at_home.page("/api-keys")
    assert key_id in at_home.forgotten


async def test_the_old_secret_can_be_extended_and_ended(at_home: Console) -> None:
    key_id, _ = await at_home.create("alpha")
    path = f"/api-keys/{key_id}"
    await at_home.send(f"{path}/rotate", form_at=path, overlap=str(24 * 3_600_000))
    answer = await at_home.send(f"{path}/extend-old-secret", form_at=path)
    assert "26 Nov, 13:00" in await at_home.page(answer.headers["location"])
    answer = await at_home.send(f"{path}/end-old-secret", form_at=f"{path}/end-old-secret")
    page = await at_home.page(answer.headers["location"])
    assert "Rotating" not in page
    assert "alpha has one secret again" in page
    answer = await at_home.send(f"{path}/extend-old-secret", form_at=path)
    assert answer.status_code == 409


async def test_an_overlap_that_is_not_on_offer_is_refused(at_home: Console) -> None:
    key_id, _ = await at_home.create("alpha")
    for overlap in ("", "-1", "5", "1e9", "99999999999999999999"):
        answer = await at_home.send(f"/api-keys/{key_id}/rotate", form_at="/api-keys", overlap=overlap)
        assert answer.status_code == 400


async def test_disable_is_one_click_and_undone_by_one(at_home: Console) -> None:
    key_id, _ = await at_home.create("alpha")
    answer = await at_home.send(f"/api-keys/{key_id}/disable", form_at="/api-keys")
    page = await at_home.page(answer.headers["location"])
    assert "alpha is disabled" in page
    assert "Undo" in page
    answer = await at_home.send(f"/api-keys/{key_id}/enable", form_at="/api-keys")
    page = await at_home.page(answer.headers["location"])
    assert "alpha is enabled" in page
    assert ">Disabled</span>" not in page


async def test_revoke_asks_for_the_name_and_is_final(at_home: Console) -> None:
    key_id, _ = await at_home.create("alpha")
    path = f"/api-keys/{key_id}/revoke"
    assert "0 requests" in await at_home.page(path)
    answer = await at_home.send(path, form_at=path, name="alpa")
    assert answer.status_code == 422
    assert "Type alpha, exactly." in answer.text
    assert 'value="alpa"' in answer.text
    answer = await at_home.send(path, form_at=path, name="alpha")
    page = await at_home.page(answer.headers["location"])
    assert "Revoked" in page
    assert "Enable" not in page
    assert ">alpha</a>" not in await at_home.page("/api-keys")
    assert ">alpha</a>" in await at_home.page("/api-keys?status=revoked")
    answer = await at_home.send(f"/api-keys/{key_id}/enable", form_at="/api-keys/new")
    assert answer.status_code == 409


async def test_get_changes_nothing(at_home: Console) -> None:
    key_id, _ = await at_home.create("alpha")
    for action in ("disable", "enable", "extend-old-secret"):
        assert (await at_home.browser.get(f"/api-keys/{key_id}/{action}")).status_code in {404, 405}
    for action in ("rotate", "revoke", "end-old-secret"):
        await at_home.page(f"/api-keys/{key_id}/{action}")
    page = await at_home.page(f"/api-keys/{key_id}")
    assert "Active" in page
    assert ">v2<" not in page


async def test_a_key_is_made_for_a_new_service_account_and_for_that_one_again(at_home: Console) -> None:
    _, secret = await at_home.create(
        "first",
        owner="machine",
        account="new",
        account_name="deploy-bot",
        budget="5",
        addresses="10.0.0.0/8",
        model="tiny-1",
    )
    assert secret.startswith("sk-svcacct-kh_")
    sheet = await at_home.page("/api-keys/new")
    bot = re.search(r'<option value="(svc_acct_[^"]+)">deploy-bot<', sheet)
    assert bot is not None
    key_id, _ = await at_home.create("second", owner="machine", account=bot[1])
    page = await at_home.page(f"/api-keys/{key_id}")
    assert "service account deploy-bot" in page
    page = await at_home.page("/api-keys?owner=machines")
    assert ("of $5" in page, page.count("machine")) >= (True, 2)
    first = "key_" + secret.split("_")[1]
    page = await at_home.page(f"/api-keys/{first}")
    assert ("10.0.0.0/8" in page, "tiny-1" in page) == (True, True)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"account": ""}, "Choose a service account, or a new one."),
        ({"account": "new"}, "Name the service account after what will use it."),
        ({"account": "new", "account_name": "x" * 101}, "The service account name has 101 characters."),
        ({"account": "svc_acct_none"}, "Choose a service account of this project."),
    ],
)
async def test_a_service_account_that_cannot_be_is_told_beside_its_field(
    at_home: Console, fields: dict[str, str], words: str
) -> None:
    await at_home.create("first", owner="machine", account="new", account_name="deploy-bot")
    answer = await at_home.create_answer(name="second", owner="machine", **fields)
    assert (answer.status_code, words in answer.text) == (422, True)
    assert 'value="machine" checked' in answer.text
    assert ">second</a>" not in await at_home.page("/api-keys")


async def test_who_may_make_no_service_accounts_is_offered_none_and_gets_none(at_home: Console) -> None:
    project = project_on(await at_home.page("/api-keys/new"))
    await join(at_home, "jonas@example.com", "Jonas", "member", **{f"in_{project}": "member"})
    await become(at_home, "jonas@example.com")
    assert "Belongs to" not in await at_home.page("/api-keys/new")
    answer = await at_home.create_answer(name="robot", owner="machine", account="new", account_name="deploy-bot")
    assert (answer.status_code, "service_accounts.write" in answer.text) == (403, True)
    assert "deploy-bot" not in await at_home.page("/api-keys?status=all")
