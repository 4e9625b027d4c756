"""Every kind of key dies of everything that ends it, where it is recognized and where its call is reserved.

LiteLLM #25553, #34217, #35535: a revoked key came back with a request that was under way, one lived on after its team
was deleted, and admin keys were not asked. On both engines.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from sqlalchemy import update

from given import a_need, an_opening
from given_control import PEPPER, House, refused
from given_engine import Engine
from keyhouse.control.admin_keys import AdminKeys
from keyhouse.control.children import Children
from keyhouse.control.issuing import IssuedKey
from keyhouse.control.keys import KeyChange
from keyhouse.core.children import ChildDraft
from keyhouse.core.decide import Admitted, Refused, Reserve
from keyhouse.core.errors import Code
from keyhouse.core.key import why_dead
from keyhouse.store import schema

pytestmark = pytest.mark.asyncio

Death = Callable[[House, IssuedKey], Awaitable[Any]]


async def a_user_key(house: House) -> IssuedKey:
    return await house.keys.create(house.owner, house.draft())


async def an_accounts_key(house: House) -> IssuedKey:
    made = await house.accounts.create(house.owner, "proj_1", "bot")
    assert made.issued is not None
    return made.issued


async def a_child_key(house: House, parent: IssuedKey | None = None) -> IssuedKey:
    above = parent or await a_user_key(house)
    children = Children(house.database, house.entropy, PEPPER, house.changed.append)
    return await children.mint(await house.credential(above.value), ChildDraft("run", 3_600), "")


async def expire(house: House, issued: IssuedKey) -> None:
    await house.keys.update(house.owner, issued.key.id, KeyChange(expires_at_ms=house.clock.now_ms() + 1_000))
    house.clock.turn(seconds=1)


async def remove_member(house: House, _: IssuedKey) -> None:
    left = update(schema.memberships).where(schema.memberships.c.user_id == "user-1")
    await house.execute(left.values(removed_at_ms=house.clock.now_ms()))


async def disable_user(house: House, _: IssuedKey) -> None:
    off = update(schema.users).where(schema.users.c.id == "user-1")
    await house.execute(off.values(disabled_at_ms=house.clock.now_ms()))


DEATHS: dict[str, tuple[Death, Code]] = {
    "revoked": (lambda h, k: h.keys.revoke(h.owner, k.key.id), Code.KEY_REVOKED),
    "disabled": (lambda h, k: h.keys.disable(h.owner, k.key.id), Code.KEY_DISABLED),
    "expired": (expire, Code.KEY_EXPIRED),
    "rotated": (lambda h, k: h.keys.rotate(h.owner, k.key.id, 0), Code.KEY_ROTATED),
    "project archived": (lambda h, _: h.projects.archive(h.owner, "proj_1"), Code.PROJECT_ARCHIVED),
    "member removed": (remove_member, Code.KEY_OWNER_GONE),
    "user disabled": (disable_user, Code.KEY_OWNER_GONE),
    "account deleted": (lambda h, k: h.accounts.delete(h.owner, "proj_1", k.key.owner_id), Code.KEY_REVOKED),
}
MACHINES = ("account deleted",)
PEOPLE = ("member removed", "user disabled")


async def reserves(house: House, engine: Engine, issued: IssuedKey) -> Code | None:
    """Why the transaction that reserves a call refuses this key; None if it does not."""
    key = issued.key
    opening = msgspec.structs.replace(
        an_opening(f"call_{key.id}_{house.clock.now_ms()}"),
        key_id=key.id,
        secret_version=key.current.version,
        owner_id=key.owner_id,
        owner_type=str(key.kind),
        parent_id=key.parent_id,
    )
    books = engine.books(house.database, house.clock)
    await books.begin()
    (verdict,) = (await books.run([Reserve(opening, a_need())])).verdicts
    await books.end()
    assert isinstance(verdict, Admitted | Refused)
    return verdict.code if isinstance(verdict, Refused) else None


async def require_dead(house: House, engine: Engine, issued: IssuedKey, code: Code) -> None:
    assert why_dead((await house.credential(issued.value)).standing, house.clock.now_ms()) is code
    assert await reserves(house, engine, issued) is code


@pytest.mark.parametrize("death", [name for name in DEATHS if name not in MACHINES])
async def test_a_persons_key_and_its_child_die_of_it(house: House, engine: Engine, death: str) -> None:
    parent = await a_user_key(house)
    child = await a_child_key(house, parent)
    assert [await reserves(house, engine, each) for each in (parent, child)] == [None, None]
    house.clock.turn(ms=1)
    kill, code = DEATHS[death]
    await kill(house, parent)
    await require_dead(house, engine, parent, code)
    if death == "rotated":
        # A rotation is no death of the key: what hangs on the key lives on.
        assert await reserves(house, engine, child) is None
        return
    await require_dead(house, engine, child, code)


@pytest.mark.parametrize("death", [name for name in DEATHS if name not in PEOPLE])
async def test_a_machines_key_dies_of_it(house: House, engine: Engine, death: str) -> None:
    issued = await an_accounts_key(house)
    assert await reserves(house, engine, issued) is None
    house.clock.turn(ms=1)
    kill, code = DEATHS[death]
    await kill(house, issued)
    await require_dead(house, engine, issued, code)


@pytest.mark.parametrize("death", ["revoked", *PEOPLE])
async def test_an_admin_key_dies_of_it(house: House, death: str) -> None:
    issued = await house.keys.create_admin(house.owner, "terraform", None)
    admin_keys = AdminKeys(house.database, house.clock, PEPPER)
    header = [f"Bearer {issued.value}"]
    assert (await admin_keys.authenticate(header, "")).key_id == issued.key.id
    if death == "revoked":
        await house.keys.revoke_admin(house.owner, issued.key.id)
    else:
        await DEATHS[death][0](house, issued)
    code = Code.KEY_REVOKED if death == "revoked" else Code.KEY_OWNER_GONE
    await refused(admin_keys.authenticate(header, ""), code)
