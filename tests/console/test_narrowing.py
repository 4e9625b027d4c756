"""Who sees only some projects sees their numbers, calls and limits on every page and in every file, and is told so."""

from typing import Any, Final

import pytest
from sqlalchemy import Connection, insert, select, update

from console.given_console import Console
from console.given_usage import use
from given import NOON
from keyhouse.console.narrowing import listed
from keyhouse.core.identifiers import call_id
from keyhouse.store import schema

pytestmark = pytest.mark.asyncio

ROLES: Final = ("owner", "member", "viewer")
NUMBERS: Final = ("/usage", "/performance", "/costs?by=project_id", "/costs/statement", "/calls")
FILES: Final = ("/usage.csv?by=project_id", "/performance.csv", "/costs.csv?by=project_id", "/costs/statement.csv")


async def two_projects(console: Console, role: str | None) -> dict[str, str]:
    """A call of mine in `Mine` and one of another's in `Theirs`, both with limits; I am `role` in mine alone."""
    alpha, _ = await console.create("alpha")
    ids = {"mine": call_id(NOON - 1_000, b"m" * 10), "theirs": call_id(NOON - 1_000, b"t" * 10)}

    def write(connection: Connection) -> None:
        organization_id = connection.execute(select(schema.organizations.c.id)).scalar_one()
        me = connection.execute(select(schema.users.c.id)).scalar_one()
        mine = connection.execute(select(schema.projects.c.id)).scalar_one()
        ids["mine project"] = mine
        connection.execute(update(schema.projects).values(name="Mine"))
        theirs = {"id": "proj_theirs", "organization_id": organization_id, "name": "Theirs", "created_at_ms": NOON}
        connection.execute(insert(schema.projects).values(theirs))
        boss = {"id": "user-boss", "email": "boss@meridian.example", "name": "Ada Boss", "created_at_ms": NOON}
        connection.execute(insert(schema.users).values(boss))
        connection.execute(update(schema.memberships).values(role="member"))
        member = {"organization_id": organization_id, "user_id": "user-boss", "role": "owner", "added_at_ms": NOON}
        connection.execute(insert(schema.memberships).values(member))
        connection.execute(schema.project_members.delete())
        if role is not None:
            joined = {"project_id": mine, "user_id": me, "organization_id": organization_id, "role": role}
            connection.execute(insert(schema.project_members).values(joined | {"added_at_ms": NOON}))
        for project_id, owner_id, name in ((mine, me, "mine"), ("proj_theirs", "user-boss", "theirs")):
            whose = {"organization_id": organization_id, "project_id": project_id, "owner_id": owner_id}
            connection.execute(insert(schema.calls).values(a_row(ids[name], f"m-{name}", alpha) | whose))
            limit = {"id": f"limit_{name}", "organization_id": organization_id, "scope_type": "project"}
            limit |= {"scope_id": project_id, "unit": "usd", "window": "month", "created_by": me}
            connection.execute(insert(schema.limits).values(limit | {"amount": 7_000_000_000, "created_at_ms": NOON}))

    await console.database.write(write)
    await use(console, alpha, model="m-mine", cost_nano_usd=1_000_000_000)
    others: dict[str, Any] = {"project_id": "proj_theirs", "owner_id": "user-boss", "model": "m-theirs"}
    await use(console, alpha, cost_nano_usd=5_000_000_000, **others)
    return ids


def a_row(called: str, model: str, key_id: str) -> dict[str, Any]:
    return {
        "id": called,
        "request_id": "req_1",
        "attempt": 1,
        "key_id": key_id,
        "secret_version": 1,
        "instance_id": 1,
        "model": model,
        "upstream": "u",
        "endpoint": "/v1/chat/completions",
        "address": "",
        "agent": "",
        "created_at_ms": NOON - 1_000,
        "rollup_at_ms": NOON,
        "period_ids": "[]",
        "reserved_nano_usd": 5,
        "reserved_tokens": 5,
        "reserved_tokens_estimate": 5,
        "state": "settled",
        "basis": "upstream",
        "charged_nano_usd": 5,
        "closed_at_ms": NOON,
        "status": 200,
    }


@pytest.mark.parametrize("role", ROLES)
async def test_a_projects_people_see_its_numbers_calls_and_limits_and_no_others(at_home: Console, role: str) -> None:
    ids = await two_projects(at_home, role)
    for path in NUMBERS:
        page = await at_home.page(path)
        assert ("m-mine" in page or "Mine" in page, "m-theirs" in page, "Theirs" in page) == (True, False, False), path
        assert "Ada Boss" in page, path
    for path in FILES:
        text = await at_home.page(path)
        assert ("m-theirs" in text, "Theirs" in text, "5.00" in text) == (False, False, False), path
        assert len(text.splitlines()) > 1, path
    for asked in ("proj_theirs", "proj_nobody"):
        assert "No calls in this period" in await at_home.page(f"/usage?project={asked}")
        assert "No calls in this period" in await at_home.page(f"/performance?project={asked}")
        assert "No costs in this period" in await at_home.page(f"/costs?project={asked}")
        assert "m-theirs" not in await at_home.page(f"/calls?project={asked}")
    assert (await at_home.browser.get(f"/calls/{ids['mine']}")).status_code == 200
    assert (await at_home.browser.get(f"/calls/{ids['theirs']}")).status_code == 404
    assert (await at_home.browser.get(f"/playground/calls/{ids['theirs']}")).status_code == 404
    limits = await at_home.page("/limits")
    assert "1 of 1 limit" in limits
    assert ("Mine" in limits, "Theirs" in limits, "Ada Boss" in limits) == (True, False, True)
    assert "/limits/limit_mine/edit" not in limits
    replay = "/limits/replay?unit=requests&window=day&amount=1&on="
    assert (await at_home.browser.get(replay + ids["mine project"])).status_code == 200
    for other in ("proj_theirs", "user-boss"):
        assert (await at_home.browser.get(replay + other)).status_code == 422
    assert "Theirs" not in await at_home.page("/limits/replay")


async def test_the_budget_of_one_project_is_shown_to_who_sees_no_other(at_home: Console) -> None:
    await two_projects(at_home, "member")
    assert "$7 left" in (await at_home.page("/costs")).replace("$7.00", "$7")


async def test_who_is_in_no_project_sees_nothing_and_is_told_whom_to_ask(at_home: Console) -> None:
    await two_projects(at_home, None)
    for path in (*NUMBERS, "/limits"):
        page = await at_home.page(path)
        assert "m-theirs" not in page, path
        assert "You are in no project" in page, path
        assert "Ada Boss" in page, path


async def test_who_may_look_at_everything_sees_everything(at_home: Console) -> None:
    await two_projects(at_home, None)
    await at_home.become("reader")
    assert "Theirs" in await at_home.page("/limits")
    for path in NUMBERS:
        page = await at_home.page(path)
        assert "m-theirs" in page or "Theirs" in page, path
        assert "can show you more" not in page, path


async def test_names_are_listed_as_a_sentence_has_them() -> None:
    said = [listed(list("ABCDE")[:count]) for count in range(6)]
    assert said == ["", "A", "A and B", "A, B and C", "A, B, C and 1 more", "A, B, C and 2 more"]


async def test_who_may_call_no_model_is_told_in_the_playground_before_they_type(at_home: Console) -> None:
    assert "data-send>" in await at_home.page("/playground")
    await at_home.become("reader")
    page = await at_home.page("/playground")
    assert ("api.model.request" in page, "An owner of Meridian Freight" in page, "data-send disabled" in page) == (
        True,
        True,
        True,
    )
