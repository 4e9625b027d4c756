"""The audit log's page."""

import pytest
from sqlalchemy import Connection, insert, select, update

from console.given_console import EMAIL, Console
from keyhouse.store import schema

pytestmark = pytest.mark.asyncio


async def test_what_was_done_stands_there_and_can_be_narrowed(at_home: Console) -> None:
    key_id, secret = await at_home.create("support-triage")
    page = await at_home.page("/audit-log")
    for words in ("API key created", f'href="/api-keys/{key_id}">support-triage</a>', "Organization created", EMAIL):
        assert words in page, words
    assert secret not in page
    page = await at_home.page("/audit-log?about=organization")
    assert "Organization created" in page
    assert "API key created" not in page
    page = await at_home.page(f"/audit-log?on={key_id}")
    assert "Only support-triage" in page
    assert "Organization created" not in page
    assert "Nothing was changed" in await at_home.page("/audit-log?by=nobody@example.com")


async def test_fifty_entries_stand_on_a_page_and_older_ones_follow(at_home: Console) -> None:
    for number in range(51):
        await at_home.create(f"key {number:02}")
    page = await at_home.page("/audit-log?about=api_key")
    assert "50 entries" in page
    assert ">key 00<" not in page
    older = page.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    assert ">key 00<" in await at_home.page(older)


async def test_the_check_finds_what_was_changed_past_keyhouse(at_home: Console) -> None:
    await at_home.create("support-triage")
    assert "The log is whole" in await at_home.page("/audit-log/check")

    def forge(connection: Connection) -> None:
        connection.execute(update(schema.audit_events).values(actor_email="nobody@example.com"))

    await at_home.database.write(forge)
    page = await at_home.page("/audit-log/check")
    assert "The log is not whole" in page
    assert "What was found" in page


async def test_whoever_may_not_read_it_is_told_who_can_show_it(at_home: Console) -> None:
    await at_home.create("support-triage")
    await at_home.become("member")

    def another_owner(connection: Connection) -> None:
        organization_id = connection.execute(select(schema.organizations.c.id)).scalar_one()
        user = {"id": "user_lena", "email": "lena@example.com", "name": "Lena <b>", "created_at_ms": 1}
        connection.execute(insert(schema.users).values(user))
        row = {"organization_id": organization_id, "user_id": "user_lena", "role": "owner", "added_at_ms": 1}
        connection.execute(insert(schema.memberships).values(row))

    await at_home.database.write(another_owner)
    for path in ("/audit-log", "/audit-log/check"):
        answer = await at_home.browser.get(path)
        assert answer.status_code == 403
        assert "api.organization.audit_logs.read" in answer.text
        told = "An owner of the organization can give you a role that has it: Lena &lt;b&gt; (lena@example.com)."
        assert told in answer.text
        assert "API key created" not in answer.text
    assert "/audit-log" not in await at_home.page("/api-keys")
