"""The page for people who cannot find their key."""

import re

import pytest
from sqlalchemy import Connection, insert

from console.given_console import Console, project_on
from console.given_people import become, join
from keyhouse.store import schema

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


async def test_an_owner_sees_every_key_and_lacks_nothing(at_home: Console) -> None:
    page = await at_home.page("/help")
    assert "Every key of Meridian Freight." in page
    assert not any(words in page for words in ("You may not see", "Also a member of"))


async def test_who_sees_a_part_is_told_what_is_missing_by_which_permission_and_who_can_give_it(
    at_home: Console,
) -> None:
    project = project_on(await at_home.page("/api-keys/new"))
    made = await at_home.send("/settings/projects", form_at="/settings/projects/new", name="Zeppelin")
    seen = made.headers["location"].rpartition("/")[2]
    await at_home.send("/settings/projects", form_at="/settings/projects/new", name="Secret plans")
    await join(at_home, "jonas@example.com", "Jonas", "member", **{f"in_{project}": "member", f"in_{seen}": "viewer"})
    await join(at_home, "priya@example.com", "Priya", "member")
    await become(at_home, "jonas@example.com")
    page = await at_home.page("/help")
    for words in (
        "all keys in <b>Zeppelin</b>",
        "keys in <b>Default project</b>, and keys of projects that you are not in",
        "api.organization.projects.api_keys.read",
        "mira@meridian.example can give it to you",
    ):
        assert words in page, words
    assert "Secret plans" not in page
    await become(at_home, "priya@example.com")
    page = await at_home.page("/help")
    assert ("Your own keys." in page, "Default project" in page) == (True, False)


async def test_where_else_one_is_a_member_and_has_keys_is_told_with_the_way_there(at_home: Console) -> None:
    await at_home.create("mine")
    project = project_on(await at_home.page("/api-keys/new"))
    here = await at_home.desk.sessions.find(at_home.browser.cookies["keyhouse"])
    assert here is not None

    def found(connection: Connection) -> None:
        now_ms = at_home.clock.now_ms()
        connection.execute(
            insert(schema.organizations).values(
                id="org-other", name="Halden Logistics", time_zone="Europe/Berlin", created_at_ms=now_ms
            )
        )
        connection.execute(
            insert(schema.memberships).values(
                organization_id="org-other", user_id=here.user_id, role="member", added_at_ms=now_ms
            )
        )

    await at_home.database.write(found)
    page = await at_home.page("/help")
    assert "Also a member of" in page
    assert re.search(r"Halden Logistics\s*<span[^>]*>no keys of yours", page)
    answer = await at_home.send("/organization", form_at="/help", organization="org-other")
    assert answer.status_code == 303
    page = await at_home.page(f"/help?project={project}")
    assert re.search(r"Meridian Freight\s*<span[^>]*>1 key of yours", page)
