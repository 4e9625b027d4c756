"""A child key's calls in the books: paid out of its parent's limits, refused once its parent is dead. Both engines."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection, update

from given import NOON, a_limit, a_need, an_opening
from given_engine import Engine
from given_ledger import Desk, a_desk, budget
from keyhouse.core.call import scopes_of
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.money import Counts
from keyhouse.store import schema
from ledger.given_child import a_child

pytestmark = pytest.mark.asyncio

OPENING = msgspec.structs.replace(an_opening(), key_id="key_child", parent_id="key_1")


async def call(desk: Desk, call_id: str, nano_usd: int = 400) -> None:
    opening = msgspec.structs.replace(OPENING, id=call_id)
    async with desk.ledger.hold(opening, a_need(nano_usd, tokens=nano_usd)) as hold:
        hold.sent()
        hold.settle(Counts(nano_usd), status=200)


async def test_a_childs_call_counts_on_its_own_limit_and_on_its_parents(engine: Engine, tmp_path: Path) -> None:
    def own(connection: Connection) -> None:
        a_limit(connection, 700, scope=("key", "key_child"), limit_id="limit_2")

    async with a_desk(engine, tmp_path, budget(1_000), a_child, own) as desk:
        await call(desk, "call_1")
        assert await desk.counters() == [(400, 0, 0), (400, 0, 0)]
        with pytest.raises(Refusal, match=r"The API key sk-kh_1...x9Fa is limited"):
            await call(desk, "call_2")
        await desk.call("call_3", 500)
        assert await desk.counters() == [(900, 0, 0), (400, 0, 0)]
        with pytest.raises(Refusal, match=r"The API key key_1, which made this one, is limited") as caught:
            await call(desk, "call_4", 101)
        assert caught.value.facts["scope_id"] == "key_1"


@pytest.mark.parametrize(
    ("columns", "code"),
    [
        ({"revoked_at_ms": NOON}, Code.KEY_REVOKED),
        ({"disabled_at_ms": NOON}, Code.KEY_DISABLED),
        ({"expires_at_ms": NOON}, Code.KEY_EXPIRED),
    ],
)
async def test_a_child_whose_parent_is_dead_is_refused_by_the_reserving_transaction(
    engine: Engine, tmp_path: Path, columns: dict[str, Any], code: Code
) -> None:
    async with a_desk(engine, tmp_path, a_child) as desk:
        await call(desk, "call_1")
        changed = update(schema.keys).where(schema.keys.c.id == "key_1").values(columns)
        await desk.database.write(lambda connection: connection.execute(changed).rowcount)
        with pytest.raises(Refusal) as caught:
            await call(desk, "call_2")
        assert caught.value.code is code


async def test_a_key_without_a_parent_asks_for_no_more_limits_than_before() -> None:
    assert len(scopes_of(an_opening())) == 4
    assert scopes_of(OPENING)[4:] == (("key", "key_1"),)
