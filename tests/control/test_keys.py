"""The life of a key, each verb with its refusals, on a real database."""

import asyncio
import base64
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import delete, select, text, update
from sqlalchemy.exc import IntegrityError

from given import NOON
from given_control import EVERY_VERB, HOUR_MS, VERBS, House, death, refused, rotating
from given_engine import Engine
from keyhouse.control.keys import KeyChange, Keys
from keyhouse.core.errors import Code
from keyhouse.core.key import Status
from keyhouse.core.limit import ScopeType, Unit, Window
from keyhouse.core.permissions import READ_ONLY
from keyhouse.core.policy import LimitDraft
from keyhouse.core.secret import Kind, digest
from keyhouse.store import schema

pytestmark = pytest.mark.asyncio


async def test_audit_entries_hold_no_digest(house: House) -> None:
    old, new = await rotating(house)
    written = "\n".join(row["details"] for row in await house.rows("audit_events"))
    for issued in (old, new):
        stored = digest(issued.value, house.pepper)
        assert stored.hex() not in written
        assert base64.b64encode(stored).decode() not in written


@EVERY_VERB
async def test_another_organizations_key_reads_as_missing(house: House, verb: str) -> None:
    old, _ = await rotating(house)
    before, told = await house.everything(), list(house.changed)
    refusal = await refused(VERBS[verb](house, house.stranger, old.key.id, None), Code.NOT_FOUND)
    assert old.key.name not in refusal.text
    assert await house.everything() == before
    assert house.changed == told


@EVERY_VERB
async def test_a_key_of_another_project_reads_as_missing(house: House, verb: str) -> None:
    old, _ = await rotating(house)
    other = await house.projects.create(house.owner, "Other")
    before = await house.everything()
    await refused(VERBS[verb](house, house.owner, old.key.id, other.id), Code.NOT_FOUND)
    assert await house.everything() == before


@EVERY_VERB
async def test_an_unknown_key_is_missing(house: House, verb: str) -> None:
    await refused(VERBS[verb](house, house.owner, "key_0000000000", None), Code.NOT_FOUND)


@EVERY_VERB
async def test_an_admin_key_is_no_project_key(house: House, verb: str) -> None:
    admin = await house.keys.create_admin(house.owner, "terraform", None)
    await refused(VERBS[verb](house, house.owner, admin.key.id, None), Code.NOT_FOUND)


@EVERY_VERB
@pytest.mark.parametrize("role", ["reader", "member", ""])
async def test_only_an_owner_may_change_keys(house: House, verb: str, role: str) -> None:
    old, _ = await rotating(house)
    before = await house.everything()
    actor = msgspec.structs.replace(house.owner, role=role)
    refusal = await refused(VERBS[verb](house, actor, old.key.id, None), Code.NOT_PERMITTED)
    assert "owner" in refusal.hint
    assert await house.everything() == before


@pytest.mark.parametrize("role", ["reader", "member"])
async def test_only_an_owner_may_create_keys(house: House, role: str) -> None:
    actor = msgspec.structs.replace(house.owner, role=role)
    # Of a project of which they may know nothing they learn nothing.
    unseen = Code.NOT_FOUND if role == "member" else Code.NOT_PERMITTED
    await refused(house.keys.create(actor, house.draft()), unseen)
    await refused(house.keys.create_admin(actor, "x", None), Code.NOT_PERMITTED)
    await refused(house.keys.revoke_admin(actor, "key_1"), Code.NOT_PERMITTED)
    assert house.changed == []


@pytest.mark.parametrize(
    "loss",
    [
        update(schema.memberships).where(schema.memberships.c.user_id == "user-1").values(role="reader"),
        update(schema.memberships).where(schema.memberships.c.user_id == "user-1").values(removed_at_ms=NOON),
        update(schema.users).where(schema.users.c.id == "user-1").values(disabled_at_ms=NOON),
        delete(schema.memberships).where(schema.memberships.c.user_id == "user-1"),
    ],
    ids=["demoted", "removed", "disabled", "never"],
)
async def test_who_is_no_longer_an_owner_when_the_change_is_made_may_not_make_it(house: House, loss: Any) -> None:
    await house.execute(loss)
    await refused(house.keys.create(house.owner, house.draft()), Code.NOT_PERMITTED)
    assert await house.events() == []


async def test_an_admin_key_revoked_meanwhile_changes_nothing(house: House) -> None:
    admin = await house.keys.create_admin(house.owner, "terraform", None)
    actor = msgspec.structs.replace(house.owner, type="api_key", key_id=admin.key.id)
    made = await house.keys.create(actor, house.draft())
    entry = (await house.rows("audit_events"))[-1]
    assert (entry["resource_id"], entry["actor_type"], entry["actor_id"]) == (made.key.id, "api_key", admin.key.id)
    await house.keys.revoke_admin(house.owner, admin.key.id)
    await refused(house.keys.create(actor, house.draft()), Code.KEY_REVOKED)


async def test_disabling_is_reversible(house: House) -> None:
    issued = await house.keys.create(house.owner, house.draft())
    disabled = await house.keys.disable(house.owner, issued.key.id)
    assert (disabled.disabled_at_ms, disabled.disabled_by) == (house.clock.now_ms(), "user-1")
    assert await death(house, issued.value) is Code.KEY_DISABLED
    enabled = await house.keys.enable(house.owner, issued.key.id)
    assert enabled.status(house.clock.now_ms()) is Status.ACTIVE
    assert await death(house, issued.value) is None
    assert [event for event, _ in await house.events()] == ["api_key.created", "api_key.disabled", "api_key.enabled"]


async def test_disabling_twice_keeps_who_did_it_first(house: House) -> None:
    issued = await house.keys.create(house.owner, house.draft())
    first = await house.keys.disable(house.owner, issued.key.id)
    house.clock.turn(hours=1)
    assert await house.keys.disable(house.owner, issued.key.id) == first


async def test_a_revoked_key_is_dead(house: House) -> None:
    old, new = await rotating(house)
    key = await house.keys.revoke(house.owner, old.key.id)
    assert (key.revoked_at_ms, key.revoked_by) == (house.clock.now_ms(), "user-1")
    assert [await death(house, issued.value) for issued in (old, new)] == [Code.KEY_REVOKED] * 2
    assert house.changed[-1] == old.key.id


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "revoke"])
async def test_revoked_is_final(house: House, verb: str) -> None:
    old, _ = await rotating(house)
    await house.keys.revoke(house.owner, old.key.id)
    before = await house.everything()
    await refused(VERBS[verb](house, house.owner, old.key.id, None), Code.CONFLICT)
    assert await house.everything() == before


async def test_a_disabled_key_that_is_revoked_stays_revoked(house: House) -> None:
    issued = await house.keys.create(house.owner, house.draft())
    await house.keys.disable(house.owner, issued.key.id)
    await house.keys.revoke(house.owner, issued.key.id)
    await refused(house.keys.enable(house.owner, issued.key.id), Code.CONFLICT)
    assert await death(house, issued.value) is Code.KEY_REVOKED


async def test_revoking_twice_keeps_the_first_revocation(house: House) -> None:
    issued = await house.keys.create(house.owner, house.draft())
    first = await house.keys.revoke(house.owner, issued.key.id)
    house.clock.turn(hours=1)
    assert await house.keys.revoke(house.owner, issued.key.id) == first


async def test_a_new_name_is_recorded_with_the_one_before(house: House) -> None:
    issued = await house.keys.create(house.owner, house.draft())
    await house.keys.update(house.owner, issued.key.id, KeyChange(name="billing"))
    await house.keys.update(house.owner, issued.key.id, KeyChange(models=("tiny-1",)))
    told = [msgspec.json.decode(row["details"]) for row in (await house.rows("audit_events"))[-2:]]
    assert told[0] == {"name": {"from": "app", "to": "billing"}}
    assert told[1] == {"name": "billing", "models": {"from": None, "to": ["tiny-1"]}}


async def test_a_change_touches_only_what_it_names(house: House) -> None:
    issued = await house.keys.create(house.owner, house.draft(models=("a",), ip_allowlist=("10.0.0.0/8",)))
    renamed = await house.keys.update(house.owner, issued.key.id, KeyChange(name="  new name "))
    assert renamed == msgspec.structs.replace(issued.key, name="new name")
    change = KeyChange(permissions=READ_ONLY, models=None, ip_allowlist=(), expires_at_ms=NOON + HOUR_MS)
    changed = await house.keys.update(house.owner, issued.key.id, change)
    assert changed == msgspec.structs.replace(
        renamed, permissions=READ_ONLY, models=None, ip_allowlist=(), expires_at_ms=NOON + HOUR_MS
    )
    details = msgspec.json.decode((await house.rows("audit_events"))[-1]["details"])
    assert details["models"] == {"from": ["a"], "to": None}
    assert details["permissions"] == {"from": "all", "to": "read_only"}


BAD_FIELDS: dict[str, list[Any]] = {
    "name": [" ", "", "x" * 101, "a\nb", "a\x00b", "a\u202eb", "\ud800"],
    "models": [(), ("",), (" ",), ("a\nb",), ("x" * 201,), tuple(map(str, range(101)))],
    "ip_allowlist": [("10.0.0.0/33",), ("example.com",), ("",), ("fe80::1%eth0",), ("10.0.0.1/24/8",)],
    "expires_at_ms": [NOON, NOON - 1, 0, -1, 2**63],
}


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field, values in BAD_FIELDS.items() for value in values], ids=repr
)
async def test_a_bad_field_is_refused_by_its_name(house: House, field: str, value: Any) -> None:
    param = field.removesuffix("_ms")
    issued = await house.keys.create(house.owner, house.draft())
    before = await house.everything()
    refusal = await refused(house.keys.create(house.owner, house.draft(**{field: value})), Code.PARAMETER_INVALID)
    assert refusal.param == param
    refusal = await refused(
        house.keys.update(house.owner, issued.key.id, KeyChange(**{field: value})), Code.PARAMETER_INVALID
    )
    assert refusal.param == param
    assert await house.everything() == before


async def test_networks_are_stored_in_one_form(house: House) -> None:
    written = (" 10.1.2.3/8", "2001:DB8::/32", "10.0.0.0/8", "203.0.113.7", "::ffff:192.0.2.1", "::ffff:192.0.2.1/120")
    issued = await house.keys.create(house.owner, house.draft(ip_allowlist=written))
    assert issued.key.ip_allowlist == ("10.0.0.0/8", "2001:db8::/32", "203.0.113.7/32", "192.0.2.1/32", "192.0.2.0/24")


async def test_a_name_may_be_written_in_any_script(house: House) -> None:
    for name in ("Ключ", "\U0001f469\u200d\U0001f4bb", "x" * 100):
        assert (await house.keys.create(house.owner, house.draft(name=name))).key.name == name


async def test_a_key_is_made_only_in_an_active_project_of_the_organization(house: House) -> None:
    await refused(house.keys.create(house.owner, house.draft(project_id="proj_2")), Code.NOT_FOUND)
    await refused(house.keys.create(house.owner, house.draft(project_id="proj_none")), Code.NOT_FOUND)
    await house.projects.archive(house.owner, "proj_1")
    refusal = await refused(house.keys.create(house.owner, house.draft()), Code.CONFLICT)
    assert refusal.param == "project_id"
    assert len(await house.rows("api_keys")) == 2


async def test_two_limits_of_one_kind_on_a_new_key_are_refused(house: House) -> None:
    twice = (LimitDraft(Unit.USD, Window.MONTH, 1), LimitDraft(Unit.USD, Window.MONTH, 2))
    refusal = await refused(house.keys.create(house.owner, house.draft(limits=twice)), Code.PARAMETER_INVALID)
    assert refusal.param == "limits"
    assert await house.rows("limits") == []


async def test_a_limit_below_zero_is_refused_with_its_key(house: House) -> None:
    below = (LimitDraft(Unit.USD, Window.MONTH, -1),)
    await refused(house.keys.create(house.owner, house.draft(limits=below)), Code.PARAMETER_INVALID)
    assert len(await house.rows("api_keys")) == 2


FULL_LOG = {
    "sqlite": ["CREATE TRIGGER full BEFORE INSERT ON audit_events BEGIN SELECT RAISE(ABORT, 'the log is full'); END"],
    "postgresql": [
        """CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
           BEGIN RAISE integrity_constraint_violation USING message = 'the log is full'; END $$""",
        "CREATE TRIGGER full_log BEFORE INSERT ON audit_events FOR EACH ROW EXECUTE FUNCTION refuse()",
    ],
}


async def test_without_its_audit_entry_no_change_is_made(house: House, engine: Engine) -> None:
    old, _ = await rotating(house)
    admin = await house.keys.create_admin(house.owner, "terraform", None)
    limit = await house.limits.set(house.owner, ScopeType.KEY, old.key.id, LimitDraft(Unit.USD, Window.MONTH, 5))
    disabled = await house.keys.create(house.owner, house.draft())
    await house.keys.disable(house.owner, disabled.key.id)
    for statement in FULL_LOG[engine.name]:
        await house.execute(text(statement))
    before, told = await house.everything(), list(house.changed)
    draft = LimitDraft(Unit.TOKENS, Window.MINUTE, 9)
    attempts: list[Callable[[], Awaitable[object]]] = [
        lambda: house.keys.create(house.owner, house.draft(limits=(draft,))),
        lambda: house.keys.create_admin(house.owner, "x", None),
        lambda: house.keys.revoke_admin(house.owner, admin.key.id),
        lambda: house.keys.enable(house.owner, disabled.key.id),
        lambda: house.limits.set(house.owner, ScopeType.KEY, old.key.id, draft),
        lambda: house.limits.delete(house.owner, limit.limit.id),
        lambda: house.projects.create(house.owner, "x"),
        lambda: house.projects.update(house.owner, "proj_1", "x"),
        lambda: house.projects.archive(house.owner, "proj_1"),
        *(lambda verb=verb: VERBS[verb](house, house.owner, old.key.id, None) for verb in VERBS if verb != "enable"),
    ]
    for attempt in attempts:
        with pytest.raises(IntegrityError, match="the log is full"):
            await attempt()
        assert await house.everything() == before
    assert house.changed == told


async def test_a_change_whose_caller_has_gone_is_told_all_the_same(house: House) -> None:
    issued = await house.keys.create(house.owner, house.draft())
    told = asyncio.Event()
    keys = Keys(house.database, house.clock, house.entropy, house.pepper, lambda _: told.set())
    revoking = asyncio.ensure_future(keys.revoke(house.owner, issued.key.id))
    await asyncio.sleep(0)
    revoking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await revoking
    assert not told.is_set()
    await asyncio.wait_for(told.wait(), 10)
    assert await death(house, issued.value) is Code.KEY_REVOKED


async def test_on_change_is_told_only_once_the_change_can_be_read(house: House, engine: Engine, tmp_path: Path) -> None:
    issued = await house.keys.create(house.owner, house.draft())
    seen: list[str] = []
    name = select(schema.keys.c.name)

    def look(key_id: str) -> None:
        asked = name.where(schema.keys.c.id == key_id)
        seen.append(engine.look(tmp_path, lambda connection: str(connection.execute(asked).scalar_one())))

    keys = Keys(house.database, house.clock, house.entropy, house.pepper, look)
    await keys.update(house.owner, issued.key.id, KeyChange(name="after"))
    assert seen == ["after"]


async def test_an_admin_key_lives_and_dies(house: House) -> None:
    issued = await house.keys.create_admin(house.owner, "terraform", NOON + HOUR_MS)
    assert issued.value.startswith("sk-admin-kh_")
    assert (issued.key.kind, issued.key.project_id, issued.key.owner_id) == (Kind.ADMIN, None, "user-1")
    assert await death(house, issued.value) is None
    await refused(house.keys.revoke_admin(house.stranger, issued.key.id), Code.NOT_FOUND)
    await house.keys.revoke_admin(house.owner, issued.key.id)
    assert await death(house, issued.value) is Code.KEY_REVOKED
    events = [("admin_api_key.created", issued.key.id), ("admin_api_key.deleted", issued.key.id)]
    assert await house.events() == events


async def test_a_project_key_is_no_admin_key(house: House) -> None:
    issued = await house.keys.create(house.owner, house.draft())
    await refused(house.keys.revoke_admin(house.owner, issued.key.id), Code.NOT_FOUND)
    assert await death(house, issued.value) is None


async def test_an_admin_key_with_a_bad_field_is_refused(house: House) -> None:
    assert (await refused(house.keys.create_admin(house.owner, "", None), Code.PARAMETER_INVALID)).param == "name"
    refusal = await refused(house.keys.create_admin(house.owner, "x", NOON), Code.PARAMETER_INVALID)
    assert refusal.param == "expires_at"
