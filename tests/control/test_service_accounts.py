"""Service accounts: created with a key in one change, and dead with all of their keys at once."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest
from sqlalchemy import delete, update

from given_control import PEPPER, House, death, refused
from keyhouse.control.keys import KeyDraft
from keyhouse.control.service_accounts import IssuedAccount
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.limit import ScopeType, Unit, Window
from keyhouse.core.permissions import CHAT_ONLY
from keyhouse.core.policy import LimitDraft
from keyhouse.core.secret import Kind, parse
from keyhouse.gateway.authenticate import Authenticator
from keyhouse.gateway.presented import Presented
from keyhouse.store import schema
from keyhouse.store.engine import Actor

pytestmark = pytest.mark.asyncio

BUDGET = LimitDraft(Unit.USD, Window.MONTH, 25_000_000_000)


async def a_bot(house: House) -> tuple[str, str, str]:
    """A service account, and its first key's id and value."""
    made = await house.accounts.create(house.owner, "proj_1", " deploy bot ")
    assert made.issued is not None
    return made.account.id, made.issued.key.id, made.issued.value


async def test_one_is_created_with_its_first_key_in_one_change(house: House) -> None:
    account_id, key_id, value = await a_bot(house)
    (row,) = await house.rows("service_accounts")
    assert account_id.startswith("svc_acct_")
    assert (row["id"], row["name"], row["role"], row["project_id"]) == (account_id, "deploy bot", "member", "proj_1")
    credential = await house.credential(value)
    assert (credential.kind, credential.owner_id, credential.project_id) == (
        Kind.SERVICE_ACCOUNT,
        account_id,
        "proj_1",
    )
    secret = parse(value)
    assert secret is not None
    assert (secret.kind, secret.key_id) == (Kind.SERVICE_ACCOUNT, key_id)
    assert await death(house, value) is None
    assert await house.events() == [("service_account.created", account_id), ("api_key.created", key_id)]
    (key,) = [row for row in await house.rows("api_keys") if row["id"] == key_id]
    assert (key["created_by"], key["name"]) == ("user-1", "Secret Key")
    assert house.changed == [key_id]


async def test_one_can_be_created_without_a_key_and_given_one_later(house: House) -> None:
    made = await house.accounts.create(house.owner, "proj_1", "bot", with_key=False)
    assert (made.account.role, made.issued) == ("none", None)
    issued = await house.accounts.create_key(house.owner, "proj_1", made.account.id, "second", CHAT_ONLY)
    assert (await house.rows("service_accounts"))[0]["role"] == "member"
    credential = await house.credential(issued.value)
    assert (credential.owner_id, credential.permissions) == (made.account.id, CHAT_ONLY)
    assert await death(house, issued.value) is None


async def test_deleting_one_kills_all_of_its_keys_at_once_and_no_other(house: House) -> None:
    account_id, first, value = await a_bot(house)
    second = await house.accounts.create_key(house.owner, "proj_1", account_id)
    _, _, others = await a_bot(house)
    house.changed.clear()
    await house.accounts.delete(house.owner, "proj_1", account_id)
    assert sorted(house.changed) == sorted([first, second.key.id])
    for dead in (value, second.value):
        assert await death(house, dead) is Code.KEY_REVOKED
        assert (await house.credential(dead)).standing.owner_gone_at_ms == house.clock.now_ms()
    assert await death(house, others) is None
    entry = (await house.rows("audit_events"))[-1]
    assert (entry["event"], entry["resource_id"], entry["project_id"]) == (
        "service_account.deleted",
        account_id,
        "proj_1",
    )
    assert sorted(msgspec.json.decode(entry["details"])["keys"]) == sorted([first, second.key.id])


async def test_a_key_is_dead_by_its_owner_alone(house: House) -> None:
    """Whatever became of the key's own row, a service account that is gone, or never was, owns no working key."""
    _, _, value = await a_bot(house)
    await house.execute(update(schema.service_accounts).values(deleted_at_ms=7))
    assert (await house.credential(value)).standing.owner_gone_at_ms == 7
    assert await death(house, value) is Code.KEY_OWNER_GONE
    await house.execute(delete(schema.service_accounts))
    assert (await house.credential(value)).standing.owner_gone_at_ms == 0
    assert await death(house, value) is Code.KEY_OWNER_GONE


async def test_the_gateway_refuses_a_deleted_accounts_key_that_it_remembers(house: House) -> None:
    account_id, _, value = await a_bot(house)
    gateway = Authenticator(house.database, PEPPER, house.clock)
    presented = Presented([(b"authorization", f"Bearer {value}".encode())])
    assert (await gateway.authenticate(presented, "192.0.2.1")).owner_id == account_id
    await house.accounts.delete(house.owner, "proj_1", account_id)
    # Without being told it would go on from memory: the verbs tell it, as `app.py` wires them.
    for key_id in house.changed:
        gateway.forget(key_id)
    with pytest.raises(Refusal) as caught:
        await gateway.authenticate(presented, "192.0.2.1")
    assert caught.value.code is Code.KEY_REVOKED


async def test_no_key_is_made_while_its_account_is_deleted(house: House) -> None:
    account_id, _, _ = await a_bot(house)
    made = await asyncio.gather(
        *(house.accounts.create_key(house.owner, "proj_1", account_id) for _ in range(3)),
        house.accounts.delete(house.owner, "proj_1", account_id),
        *(house.accounts.create_key(house.owner, "proj_1", account_id) for _ in range(3)),
        return_exceptions=True,
    )
    late = [each for each in made if isinstance(each, BaseException)]
    assert all(isinstance(each, Refusal) and each.code is Code.NOT_FOUND for each in late)
    rows = [row for row in await house.rows("api_keys") if row["owner_id"] == account_id]
    assert all(row["revoked_at_ms"] is not None for row in rows)


async def test_renaming_one_changes_what_is_named(house: House) -> None:
    account_id, _, _ = await a_bot(house)
    renamed = await house.accounts.update(house.owner, "proj_1", account_id, name="other")
    assert (renamed.name, renamed.role) == ("other", "member")
    raised = await house.accounts.update(house.owner, "proj_1", account_id, role="owner")
    assert (raised.name, raised.role) == ("other", "owner")
    refusal = await refused(
        house.accounts.update(house.owner, "proj_1", account_id, role="root"), Code.PARAMETER_INVALID
    )
    assert refusal.param == "role"
    await refused(house.accounts.update(house.owner, "proj_1", account_id, name=" "), Code.PARAMETER_INVALID)


async def test_an_archived_project_gets_no_more_of_them(house: House) -> None:
    account_id, _, value = await a_bot(house)
    await house.projects.archive(house.owner, "proj_1")
    assert await death(house, value) is Code.PROJECT_ARCHIVED
    await refused(house.accounts.create(house.owner, "proj_1", "bot"), Code.CONFLICT)
    await refused(house.accounts.create_key(house.owner, "proj_1", account_id), Code.CONFLICT)


async def test_a_name_that_cannot_be_is_refused_and_nothing_is_made(house: House) -> None:
    before = await house.everything()
    await refused(house.accounts.create(house.owner, "proj_1", " "), Code.PARAMETER_INVALID)
    assert await house.everything() == before


Verb = Callable[[House, Actor, str], Awaitable[object]]
VERBS: dict[str, Verb] = {
    "create": lambda h, actor, _: h.accounts.create(actor, "proj_1", "bot"),
    "create_key": lambda h, actor, account: h.accounts.create_key(actor, "proj_1", account),
    "update": lambda h, actor, account: h.accounts.update(actor, "proj_1", account, name="x"),
    "delete": lambda h, actor, account: h.accounts.delete(actor, "proj_1", account),
}


@pytest.mark.parametrize("verb", VERBS)
async def test_only_an_owner_may_and_another_organization_finds_nothing(house: House, verb: str) -> None:
    account_id, _, _ = await a_bot(house)
    before = await house.everything()
    for role in ("reader", "member"):
        actor = msgspec.structs.replace(house.owner, role=role)
        unseen = Code.NOT_FOUND if role == "member" else Code.NOT_PERMITTED
        await refused(VERBS[verb](house, actor, account_id), unseen)
    await refused(VERBS[verb](house, house.stranger, account_id), Code.NOT_FOUND)
    assert await house.everything() == before


@pytest.mark.parametrize("verb", ["create_key", "update", "delete"])
async def test_a_deleted_one_does_not_come_back(house: House, verb: str) -> None:
    account_id, _, _ = await a_bot(house)
    await house.accounts.delete(house.owner, "proj_1", account_id)
    before = await house.everything()
    await refused(VERBS[verb](house, house.owner, account_id), Code.NOT_FOUND)
    await refused(house.limits.set(house.owner, ScopeType.SERVICE_ACCOUNT, account_id, BUDGET), Code.CONFLICT)
    assert await house.everything() == before


async def test_what_holds_a_secret_does_not_print_it(house: House) -> None:
    made: IssuedAccount = await house.accounts.create(house.owner, "proj_1", "bot")
    assert made.issued is not None
    assert made.issued.value not in repr(made)


async def test_a_key_is_made_as_it_is_asked_for_with_its_account_in_one_change(house: House) -> None:
    draft = KeyDraft("app", "proj_1", CHAT_ONLY, models=("tiny-1",), ip_allowlist=("10.0.0.0/8",), limits=(BUDGET,))
    issued = await house.accounts.create_drafted_key(house.owner, draft, "", new_name=" bot ")
    (account,) = await house.rows("service_accounts")
    assert (account["name"], account["role"]) == ("bot", "member")
    credential = await house.credential(issued.value)
    assert (credential.kind, credential.owner_id, credential.permissions) == (
        Kind.SERVICE_ACCOUNT,
        account["id"],
        CHAT_ONLY,
    )
    assert (issued.key.models, issued.key.ip_allowlist) == (("tiny-1",), ("10.0.0.0/8",))
    (limit,) = await house.rows("limits")
    assert (limit["scope_id"], limit["amount"]) == (issued.key.id, BUDGET.amount)
    assert await house.events() == [("service_account.created", account["id"]), ("api_key.created", issued.key.id)]
    again = await house.accounts.create_drafted_key(house.owner, draft, account["id"])
    assert (again.key.owner_id, len(await house.rows("service_accounts"))) == (account["id"], 1)
    assert house.changed == [issued.key.id, again.key.id]


async def test_where_the_key_cannot_be_no_account_is_made_either(house: House) -> None:
    late = KeyDraft("app", "proj_1", expires_at_ms=1)
    await refused(house.accounts.create_drafted_key(house.owner, late, "", new_name="bot"), Code.PARAMETER_INVALID)
    fine = KeyDraft("app", "proj_1")
    await refused(house.accounts.create_drafted_key(house.owner, fine, "", new_name=" "), Code.PARAMETER_INVALID)
    await refused(house.accounts.create_drafted_key(house.owner, fine, "svc_acct_none"), Code.NOT_FOUND)
    await refused(house.accounts.create_drafted_key(house.stranger, fine, "", new_name="bot"), Code.NOT_FOUND)
    assert await house.rows("service_accounts") == []
    assert house.changed == []
