"""`/settings/admin-keys`: made and revoked as by the Admin API; a secret is in one answer and nowhere else."""

import re

import msgspec
import pytest
from sqlalchemy import update

from console.given_console import EMAIL, PEPPER, Console, secret_in
from keyhouse.console.wording import DAY_MS, HOUR_MS
from keyhouse.control.admin_keys import AdminKeys
from keyhouse.core.errors import Refusal
from keyhouse.store import schema

pytestmark = pytest.mark.asyncio
HERE = "/settings/admin-keys"


async def make(console: Console, name: str = "terraform", **fields: str) -> tuple[str, str]:
    """An admin key made by its form: its id and its secret."""
    answer = await console.send(HERE, form_at=f"{HERE}/new", **({"name": name, "expires": "90"} | fields))
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    secret = secret_in(answer.text)
    return "key_" + secret.split("_")[1], secret


async def entries(console: Console) -> list[tuple[str, str, str, object]]:
    """What the audit log says of admin keys."""
    table = schema.audit_events
    rows = await console.database.read(
        lambda c: c.execute(table.select().order_by(table.c.sequence)).mappings().all(),
    )
    return [
        (row["event"], row["resource_id"], row["actor_email"], msgspec.json.decode(row["details"]))
        for row in rows
        if row["event"].startswith("admin_api_key.")
    ]


async def test_from_the_set_up_by_the_link_to_a_key_that_opens_the_admin_api(at_home: Console) -> None:
    assert "No admin key" in await at_home.page(HERE)
    key_id, secret = await make(at_home)
    actor = await AdminKeys(at_home.database, at_home.clock, PEPPER).authenticate([f"Bearer {secret}"], "127.0.0.1")
    assert (actor.key_id, actor.email, actor.role) == (key_id, EMAIL, "owner")
    assert at_home.forgotten[-1] == key_id
    ends_at_ms = at_home.clock.now_ms() + 90 * DAY_MS
    details = {"name": "terraform", "expires_at_ms": ends_at_ms}
    assert await entries(at_home) == [("admin_api_key.created", key_id, EMAIL, details)]
    listed = await at_home.page(HERE)
    for words in ("terraform", f"sk-admin-kh_{key_id[4:8]}…{secret[-4:]}", EMAIL, "Ends 22 Feb 2027", "Never used"):
        assert words in listed, words
    for path in (HERE, f"{HERE}/{key_id}/revoke", "/audit-log"):
        assert secret not in await at_home.page(path)


async def test_what_takes_it_is_shown_with_the_secret_and_no_model_is_called(at_home: Console) -> None:
    answer = await at_home.send(HERE, form_at=f"{HERE}/new", name="terraform", expires="never")
    for words in ("KEYHOUSE_ADMIN_KEY=", "KEYHOUSE_URL=<i>http://127.0.0.1:8080</i>", "/v1/organization/projects"):
        assert words in answer.text, words
    assert "chat" not in answer.text.partition('id="overlay"')[2]


async def test_it_is_revoked_for_good_by_its_name(at_home: Console) -> None:
    key_id, secret = await make(at_home)
    path = f"{HERE}/{key_id}/revoke"
    wrong = await at_home.send(path, form_at=path, name="another")
    assert (wrong.status_code, "Type terraform, exactly." in wrong.text) == (422, True)
    gone = await at_home.send(path, form_at=path, name="terraform")
    assert (gone.status_code, gone.headers["location"]) == (303, HERE)
    with pytest.raises(Refusal, match="was revoked"):
        await AdminKeys(at_home.database, at_home.clock, PEPPER).authenticate([f"Bearer {secret}"], "127.0.0.1")
    assert (await entries(at_home))[-1] == ("admin_api_key.deleted", key_id, EMAIL, {"name": "terraform"})
    assert "terraform" not in await at_home.page(HERE)
    assert (await at_home.browser.get(path)).status_code == 404


async def test_an_api_key_is_none_of_them(at_home: Console) -> None:
    key_id, _ = await at_home.create()
    assert key_id not in await at_home.page(HERE)
    assert (await at_home.browser.get(f"{HERE}/{key_id}/revoke")).status_code == 404
    answer = await at_home.send(f"{HERE}/{key_id}/revoke", form_at=f"{HERE}/new", name="support-triage")
    assert answer.status_code == 404


async def test_what_is_typed_wrongly_comes_back_with_why(at_home: Console) -> None:
    for fields, words in (
        ({"name": " "}, "Name the key after what will use it."),
        ({"name": "x" * 101}, "It may have at most 100."),
        ({"expires": "date"}, "Pick the day on which the key ends."),
        ({"expires": "date", "expires_on": "2026-11-01"}, "Pick a day after today."),
        ({"expires": "date", "expires_on": "2028-01-01"}, "lives for a year at most"),
    ):
        answer = await at_home.send(HERE, form_at=f"{HERE}/new", **({"name": "x", "expires": "90"} | fields))
        assert (answer.status_code, words in answer.text) == (422, True), words
    assert await entries(at_home) == []


async def test_the_list_says_where_each_stands(at_home: Console) -> None:
    await make(at_home, "forever", expires="never")
    await make(at_home, "soon over", expires="7")
    listed = await at_home.page(HERE)
    assert listed.index("soon over") < listed.index("forever")
    assert ("No end" in listed, "Expires in 7 d" in listed) == (True, True)
    at_home.clock.turn(ms=7 * DAY_MS)
    await at_home.database.write(
        lambda c: c.execute(update(schema.keys).values(last_used_at_ms=at_home.clock.now_ms() - 3 * HOUR_MS)).rowcount
    )
    assert (await at_home.browser.get(HERE)).status_code == 303  # the session is over
    await at_home.send("/sign-in", form_at="/sign-in", email=EMAIL, password="tracks lemon fjord")
    listed = await at_home.page(HERE)
    assert ("Expired" in listed, "3 h ago" in listed) == (True, True)


async def test_more_than_a_page_of_them_go_on_behind_a_link(at_home: Console) -> None:
    for number in range(52):
        at_home.clock.turn(ms=1)
        await make(at_home, f"number {number}.")
    first = await at_home.page(HERE)
    assert ("number 51." in first, "number 1." in first) == (True, False)
    older = re.search(rf'href="({HERE}\?after=key_\w+)"', first)
    assert older is not None
    second = await at_home.page(older[1])
    assert ("number 1." in second, "number 0." in second, "number 51." in second) == (True, True, False)
    assert "Older" not in second.partition('id="list"')[2]
    assert "No older ones" in await at_home.page(f"{HERE}?after=key_0000000000")


async def test_a_reader_sees_them_and_is_offered_no_change(at_home: Console) -> None:
    key_id, _ = await make(at_home)
    await at_home.become("reader")
    listed = await at_home.page(HERE)
    assert ("terraform" in listed, f"{key_id}/revoke" in listed, f"{HERE}/new" in listed) == (True, False, False)
    await at_home.become("member")
    answer = await at_home.browser.get(HERE)
    assert (answer.status_code, "api.organization.admin_api_keys.read" in answer.text) == (403, True)
    assert HERE not in await at_home.page("/settings/account")
