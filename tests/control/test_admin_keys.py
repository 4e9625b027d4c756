"""Recognizing admin keys; every failure raises."""

from collections.abc import Callable
from typing import Any, cast

import pytest
from sqlalchemy import Connection, update

from given import NOON
from given_control import PEPPER, House, refused
from given_engine import statements_of
from keyhouse.control.admin_keys import AdminKeys
from keyhouse.core.errors import Code
from keyhouse.core.secret import Kind, mint
from keyhouse.store import schema
from keyhouse.store.engine import Database, Unavailable

pytestmark = pytest.mark.asyncio

ADDRESS = "192.0.2.7"


def admin_keys(house: House) -> AdminKeys:
    return AdminKeys(house.database, house.clock, PEPPER)


async def test_an_admin_key_acts_as_its_owner(house: House) -> None:
    issued = await house.keys.create_admin(house.owner, "terraform", None)
    for header in (f"Bearer {issued.value}", f"bearer  {issued.value} "):
        actor = await admin_keys(house).authenticate([header], ADDRESS)
        assert (actor.type, actor.organization_id, actor.user_id) == ("api_key", "org-1", "user-1")
        assert (actor.email, actor.role) == ("user-1@example.com", "owner")
        assert (actor.key_id, actor.address) == (issued.key.id, ADDRESS)


async def test_its_authority_is_its_owners_at_this_moment(house: House) -> None:
    issued = await house.keys.create_admin(house.owner, "terraform", None)
    await house.execute(update(schema.memberships).values(role="reader"))
    actor = await admin_keys(house).authenticate([f"Bearer {issued.value}"], ADDRESS)
    assert actor.role == "reader"


@pytest.mark.parametrize("headers", [[], [""], ["Bearer"], ["Bearer "], ["Basic dXNlcjpwYXNz"]], ids=repr)
async def test_no_credential_is_refused(house: House, headers: list[str]) -> None:
    await refused(admin_keys(house).authenticate(headers, ADDRESS), Code.CREDENTIAL_MISSING)


async def test_two_credentials_are_refused_even_if_alike(house: House) -> None:
    issued = await house.keys.create_admin(house.owner, "terraform", None)
    header = f"Bearer {issued.value}"
    await refused(admin_keys(house).authenticate([header, header], ADDRESS), Code.CREDENTIAL_TWICE)


async def test_what_is_not_shaped_like_a_key_never_reaches_the_database(house: House) -> None:
    issued = await house.keys.create_admin(house.owner, "terraform", None)
    statements = statements_of(house.database)
    flipped = issued.value[:-1] + ("0" if issued.value[-1] != "0" else "1")
    shapes = ["x", "' OR 1=1 --", "\x00", "x" * 1_000_000, "\udcff", flipped, f"{issued.value}, Bearer {issued.value}"]
    for text in shapes:
        refusal = await refused(admin_keys(house).authenticate([f"Bearer {text}"], ADDRESS), Code.KEY_MALFORMED)
        assert len(refusal.text) < 300
        assert issued.value not in refusal.text
    assert statements == []
    await admin_keys(house).authenticate([f"Bearer {issued.value}"], ADDRESS)
    assert len(statements) > 0


async def test_a_key_that_was_never_issued_is_unknown(house: House) -> None:
    value = mint(Kind.ADMIN, "key_0123456789", house.entropy).value
    await refused(admin_keys(house).authenticate([f"Bearer {value}"], ADDRESS), Code.KEY_UNKNOWN)


async def test_another_servers_pepper_recognizes_nothing(house: House) -> None:
    issued = await house.keys.create_admin(house.owner, "terraform", None)
    other = AdminKeys(house.database, house.clock, b"q" * 32)
    await refused(other.authenticate([f"Bearer {issued.value}"], ADDRESS), Code.KEY_UNKNOWN)


async def test_a_project_key_is_of_the_wrong_kind(house: House) -> None:
    issued = await house.keys.create(house.owner, house.draft())
    await refused(admin_keys(house).authenticate([f"Bearer {issued.value}"], ADDRESS), Code.KEY_WRONG_KIND)


async def test_a_project_key_is_refused_by_its_shape_alone(house: House) -> None:
    never_issued = mint(Kind.USER, "key_0123456789", house.entropy).value
    await refused(admin_keys(house).authenticate([f"Bearer {never_issued}"], ADDRESS), Code.KEY_WRONG_KIND)


async def test_a_row_of_the_wrong_kind_is_refused_whatever_its_secret_says(house: House) -> None:
    issued = await house.keys.create_admin(house.owner, "terraform", None)
    await house.execute(update(schema.keys).where(schema.keys.c.id == issued.key.id).values(kind="user"))
    await refused(admin_keys(house).authenticate([f"Bearer {issued.value}"], ADDRESS), Code.KEY_WRONG_KIND)


async def test_a_dead_admin_key_is_refused_and_told_why(house: House) -> None:
    keys, owner_row = schema.keys, schema.users.c.id == "user-1"
    member_row = schema.memberships.c.user_id == "user-1"
    cases: list[tuple[Callable[[str], Any], Code]] = [
        (lambda key_id: update(keys).where(keys.c.id == key_id).values(revoked_at_ms=NOON), Code.KEY_REVOKED),
        (lambda key_id: update(keys).where(keys.c.id == key_id).values(disabled_at_ms=NOON), Code.KEY_DISABLED),
        (lambda key_id: update(keys).where(keys.c.id == key_id).values(expires_at_ms=NOON), Code.KEY_EXPIRED),
        (lambda _: update(schema.memberships).where(member_row).values(removed_at_ms=NOON), Code.KEY_OWNER_GONE),
        (lambda _: update(schema.users).where(owner_row).values(disabled_at_ms=NOON), Code.KEY_OWNER_GONE),
    ]
    made = [await house.keys.create_admin(house.owner, "terraform", None) for _ in cases]
    for issued, (kill, code) in zip(made, cases, strict=True):
        await admin_keys(house).authenticate([f"Bearer {issued.value}"], ADDRESS)
        await house.execute(kill(issued.key.id))
        refusal = await refused(admin_keys(house).authenticate([f"Bearer {issued.value}"], ADDRESS), code)
        assert issued.value not in refusal.text

        def revive(connection: Connection) -> None:
            connection.execute(update(schema.memberships).values(removed_at_ms=None))
            connection.execute(update(schema.users).values(disabled_at_ms=None))

        await house.database.write(revive)


async def test_an_admin_keys_expiry_counts_to_the_millisecond(house: House) -> None:
    issued = await house.keys.create_admin(house.owner, "terraform", NOON + 1_000)
    house.clock.turn(ms=999)
    await admin_keys(house).authenticate([f"Bearer {issued.value}"], ADDRESS)
    house.clock.turn(ms=1)
    await refused(admin_keys(house).authenticate([f"Bearer {issued.value}"], ADDRESS), Code.KEY_EXPIRED)


async def test_one_key_is_not_another(house: House) -> None:
    first = await house.keys.create_admin(house.owner, "one", None)
    second = await house.keys.create_admin(house.owner, "two", None)
    await house.keys.revoke_admin(house.owner, first.key.id)
    actor = await admin_keys(house).authenticate([f"Bearer {second.value}"], ADDRESS)
    assert actor.key_id == second.key.id
    await refused(admin_keys(house).authenticate([f"Bearer {first.value}"], ADDRESS), Code.KEY_REVOKED)


async def test_its_last_use_is_written_afterwards_and_never_in_authentication(house: House) -> None:
    issued = await house.keys.create_admin(house.owner, "terraform", None)
    admin_keys = AdminKeys(house.database, house.clock, PEPPER)

    async def last_use() -> int | None:
        (row,) = [row for row in await house.rows("api_keys") if row["id"] == issued.key.id]
        used_at_ms: int | None = row["last_used_at_ms"]
        return used_at_ms

    await admin_keys.authenticate([f"Bearer {issued.value}"], "192.0.2.1")
    assert await last_use() is None
    used_at_ms = house.clock.now_ms()
    house.clock.turn(hours=1)
    await admin_keys.write_uses()
    assert await last_use() == used_at_ms
    # Another gateway that is late does not turn it back.
    late = AdminKeys(house.database, house.clock, PEPPER)
    house.clock.turn(hours=-2)
    await late.authenticate([f"Bearer {issued.value}"], "192.0.2.1")
    await late.write_uses()
    assert await last_use() == used_at_ms


async def test_a_last_use_that_cannot_be_written_is_written_the_next_time(house: House) -> None:
    issued = await house.keys.create_admin(house.owner, "terraform", None)

    class Away:
        """The database, away at the first write."""

        failures = 1

        def __getattr__(self, name: str) -> Any:
            if name == "write" and self.failures:
                self.failures -= 1
                raise Unavailable("away")
            return getattr(house.database, name)

    admin_keys = AdminKeys(cast("Database", Away()), house.clock, PEPPER)
    await admin_keys.authenticate([f"Bearer {issued.value}"], "")
    with pytest.raises(Unavailable):
        await admin_keys.write_uses()
    await admin_keys.write_uses()
    assert [row["last_used_at_ms"] for row in await house.rows("api_keys") if row["id"] == issued.key.id] == [
        house.clock.now_ms()
    ]
