"""The list of keys and a key's page."""

import re
from functools import partial

import pytest
from sqlalchemy import Connection, insert, select

from console.given_console import Console, project_on
from console.given_people import become, join
from keyhouse.console.keys import OWNERS_OFFERED_MAX
from keyhouse.reporting.keys import LISTED_MAX
from keyhouse.store import schema
from keyhouse.store.key_pages import COUNTED_MAX

pytestmark = pytest.mark.asyncio


async def test_the_list_shows_what_a_key_is_and_may(at_home: Console) -> None:
    key_id, secret = await at_home.create(
        "support-triage", may="chat_only", budget="250", budget_window="month", requests="60"
    )
    page = await at_home.page("/api-keys")
    assert f'href="/api-keys/{key_id}"' in page
    assert f"{secret[:10]}…{secret[-4:]}" in page
    for words in ("support-triage", "Active", "Chat only", "of $250", "Never used", "24 Nov 2026", "1 of 1 key"):
        assert words in page, words
    assert "Days and times in Europe/Berlin" in page


async def test_the_secret_stands_in_the_one_answer_and_nowhere_else(at_home: Console) -> None:
    key_id, secret = await at_home.create()
    for path in (
        "/api-keys",
        "/api-keys/new",
        f"/api-keys/{key_id}",
        f"/api-keys/{key_id}/rotate",
        "/usage",
        "/usage.csv",
    ):
        assert secret not in await at_home.page(path)


async def test_search_filter_and_sort_stand_in_the_address(at_home: Console) -> None:
    for name in ("alpha", "beta", "gamma"):
        await at_home.create(name)
    page = await at_home.page("/api-keys?q=bet")
    assert ">beta</a>" in page
    assert ">alpha</a>" not in page
    page = await at_home.page("/api-keys?sort=name")
    assert page.index(">alpha</a>") < page.index(">beta</a>") < page.index(">gamma</a>")
    assert re.search(r'aria-sort="ascending"><a href="/api-keys\?sort=-name"', page)
    page = await at_home.page("/api-keys?sort=-name")
    assert page.index(">gamma</a>") < page.index(">alpha</a>")
    assert "No key matches" in await at_home.page("/api-keys?status=revoked")
    assert "No key matches" in await at_home.page("/api-keys?q=%25")


async def test_a_strange_address_shows_the_usual_list(at_home: Console) -> None:
    await at_home.create("alpha")
    for query in ("page=0", "page=-1", "page=x", "page=99999999999999", "sort=drop", "status=x", "q=" + "y" * 9):
        answer = await at_home.browser.get(f"/api-keys?{query}")
        assert answer.status_code == 200, query


async def test_what_was_typed_is_text_and_never_markup(at_home: Console) -> None:
    await at_home.create("<script>alert(1)</script>")
    page = await at_home.page("/api-keys?q=%3Cscript%3E")
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


async def test_fifty_keys_stand_on_a_page(at_home: Console) -> None:
    for number in range(51):
        await at_home.create(f"key {number:02}")
    page = await at_home.page("/api-keys?sort=name")
    assert "of 51 keys" in page
    assert "/api-keys?sort=name&amp;page=2" in page
    page = await at_home.page("/api-keys?sort=name&page=2")
    assert ">key 50</a>" in page
    assert "51 of 51 keys" in page


async def test_pages_lead_to_the_first_thousand_and_say_so(at_home: Console) -> None:
    key_id, _ = await at_home.create("one of many")

    def write(connection: Connection, numbers: range = range(LISTED_MAX + 50)) -> None:
        (row,) = connection.execute(select(schema.keys).where(schema.keys.c.id == key_id)).mappings()
        key = {name: row[name] for name in row if name != "searched_name"}
        (secret,) = connection.execute(
            select(schema.key_secrets).where(schema.key_secrets.c.key_id == key_id)
        ).mappings()
        ids = [f"key_{number}" for number in numbers]
        connection.execute(insert(schema.keys), [{**key, "id": one} for one in ids])
        secrets = [{**secret, "key_id": one, "digest": one.encode()} for one in ids]
        connection.execute(insert(schema.key_secrets), secrets)

    await at_home.database.write(write)
    page = await at_home.page("/api-keys?page=20&sort=created")
    assert f"951–1,000 of {LISTED_MAX + 51:,} keys" in page  # noqa: RUF001
    assert "Pages end here. Search, filter or turn the order to see other keys." in page
    assert "page=21" not in page
    assert "951–1,000 of" in await at_home.page("/api-keys?page=9999&sort=created")  # noqa: RUF001
    page = await at_home.page("/api-keys?q=many")
    assert f"{LISTED_MAX + 51:,} keys found for “many”" in page
    assert "Pages end here" not in page
    await at_home.database.write(partial(write, numbers=range(LISTED_MAX + 50, COUNTED_MAX + 50)))
    page = await at_home.page("/api-keys?q=many")
    assert "More than 2,500 keys found for “many”" in page
    assert "1–50 of more than 2,500 keys" in page  # noqa: RUF001
    assert "951–1,000 of more than 2,500 keys" in await at_home.page("/api-keys?page=20")  # noqa: RUF001


async def test_a_key_page_shows_its_limits_and_its_secrets(at_home: Console) -> None:
    key_id, secret = await at_home.create(budget="12.50", budget_window="day", addresses="10.20.0.0/16", model="tiny-1")
    page = await at_home.page(f"/api-keys/{key_id}")
    for words in ("$12.50", "a day", "10.20.0.0/16", "tiny-1", "v1", "Current", f"…{secret[-4:]}"):
        assert words in page, words


async def test_an_id_that_is_not_here_reads_as_missing(at_home: Console) -> None:
    for path in ("/api-keys/key_0000000000", "/api-keys/x%27%20or%201=1", "/api-keys/key_0000000000/revoke"):
        answer = await at_home.browser.get(path)
        assert answer.status_code == 404
    answer = await at_home.send("/api-keys/key_0000000000/disable", form_at="/api-keys")
    assert answer.status_code == 404


async def test_a_toast_is_believed_only_if_the_key_agrees(at_home: Console) -> None:
    key_id, _ = await at_home.create("alpha")
    assert "alpha is disabled" not in await at_home.page(f"/api-keys?done=disabled&on={key_id}")
    assert "toast-line" not in await at_home.page("/api-keys?done=disabled&on=key_0000000000")


async def test_who_may_only_read_sees_keys_and_no_way_to_change_them(at_home: Console) -> None:
    key_id, _ = await at_home.create("alpha")
    await at_home.become("reader")
    page = await at_home.page("/api-keys")
    assert ">alpha</a>" in page
    assert "Create key" not in page
    page = await at_home.page(f"/api-keys/{key_id}")
    assert "Rotate" not in page
    answer = await at_home.send(f"/api-keys/{key_id}/disable", form_at="/api-keys")
    assert answer.status_code == 403
    assert "owner" in answer.text


async def test_keys_are_narrowed_to_owners_and_permissions_by_address(at_home: Console) -> None:
    await at_home.create("mine", may="all")
    await at_home.create("chatty", may="chat_only")
    await at_home.create("picky", may="restricted", grant_files="read")
    await at_home.create("robot", may="read_only", owner="machine", account="new", account_name="deploy-bot")
    page = await at_home.page("/api-keys?may=restricted")
    bot = re.search(r'<option value="(svc_acct_[^"]+)">deploy-bot<', page)
    assert bot is not None
    expected = {
        "may=all": {"mine"},
        "may=chat_only": {"chatty"},
        "may=embeddings_only": set(),
        "may=read_only": {"robot"},
        "may=restricted": {"picky"},
        "owner=me": {"mine", "chatty", "picky"},
        "owner=people": {"mine", "chatty", "picky"},
        "owner=machines": {"robot"},
        f"owner={bot[1]}": {"robot"},
        "owner=me&may=chat_only": {"chatty"},
        "owner=user-none": set(),
        "owner=%27": set(),
        "may=nonsense": {"mine", "chatty", "picky", "robot"},
    }
    for query, names in expected.items():
        page = await at_home.page(f"/api-keys?{query}")
        assert {name for name in ("mine", "chatty", "picky", "robot") if f">{name}</a>" in page} == names, query
    page = await at_home.page(f"/api-keys?owner={bot[1]}&may=read_only")
    assert f'<option value="{bot[1]}" selected>deploy-bot<' in page
    assert f'href="/api-keys?owner={bot[1]}&amp;may=read_only&amp;sort=name"' in page


async def test_an_id_tells_nobody_a_name_of_somebody_out_of_sight(at_home: Console) -> None:
    project = project_on(await at_home.page("/api-keys/new"))
    priya = await join(at_home, "priya@example.com", "Priya", "member")
    jonas = await join(at_home, "jonas@example.com", "Jonas", "member", **{f"in_{project}": "member"})
    await at_home.create("robot", owner="machine", account="new", account_name="deploy-bot")
    assert ">Priya<" in (await at_home.page("/api-keys")).partition('name="owner"')[2]
    await become(at_home, "jonas@example.com")
    for owner in (priya, jonas, "people"):
        page = await at_home.page(f"/api-keys?owner={owner}")
        assert "Priya" not in page
    # Members are not told who else is in the organization, nor of what they may not see.
    assert "mira@meridian.example" not in page


async def test_many_owners_are_not_all_on_offer(at_home: Console) -> None:
    key_id, _ = await at_home.create("robot", owner="machine", account="new", account_name="first-bot")
    assert ">first-bot</option>" in await at_home.page("/api-keys")

    def add_others(connection: Connection) -> None:
        (first,) = connection.execute(select(schema.service_accounts)).mappings()
        others = [{**first, "id": f"other-{number}"} for number in range(OWNERS_OFFERED_MAX)]
        connection.execute(insert(schema.service_accounts), others)

    await at_home.database.write(add_others)
    page = await at_home.page("/api-keys")
    assert "first-bot</option>" not in page
    row = await at_home.desk.key_questions.one(
        (await at_home.desk.sessions.find(at_home.browser.cookies["keyhouse"])).organization_id,  # type: ignore[union-attr]
        key_id,
    )
    page = await at_home.page(f"/api-keys?owner={row.key.owner_id}")
    assert "selected>first-bot</option>" in page
