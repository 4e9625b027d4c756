"""The auditor finds an hour or a day that was folded and disagrees with its slots, on every engine."""

from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import Connection, Table, delete, insert, update

from given import NOON
from given_engine import Engine
from given_ledger import a_desk
from keyhouse.core.rollup import HOUR_MS
from keyhouse.ledger.auditor import report
from keyhouse.store.evidence import gather
from keyhouse.store.folded import FoldedEvidence, list_wrong
from keyhouse.store.folding import DAYS, HOURS, RECENT
from keyhouse.store.schema import (
    adjustments,
    usage_day,
    usage_day_by_key,
    usage_day_by_owner,
    usage_hour,
    usage_whole_hour,
    usage_whole_hour_by_key,
    usage_whole_hour_by_owner,
)
from reporting.given_rollups import a_slot, fold_at_once
from store.test_evidence import a_call

pytestmark = pytest.mark.asyncio

CALLED: Final = ("org-1", "proj_1", "tiny-1", "local", "/v1/chat/completions")


def folded(connection: Connection) -> None:
    """A day with two hours of two keys, both folded."""
    for hour, key in ((0, "key_1"), (1, "key_1"), (1, "key_2")):
        a_slot(connection, NOON + hour * HOUR_MS, key_id=key, requests=3, cost_nano_usd=50)
    for hour in (0, 1):
        for fold in (HOURS, RECENT):
            fold_at_once(connection, fold, (NOON + hour * HOUR_MS, NOON + (hour + 1) * HOUR_MS), NOON)
    fold_at_once(connection, DAYS, (NOON - 11 * HOUR_MS, NOON + 13 * HOUR_MS), NOON)


async def test_what_is_as_its_slots_are_is_counted_and_has_nothing_against_it(engine: Engine, tmp_path: Path) -> None:
    async with a_desk(engine, tmp_path, folded) as desk:
        evidence = await desk.database.read(gather)
        assert evidence.totals.folded == 3
        assert evidence.folded == ()
        await desk.database.write(lambda c: c.execute(delete(usage_hour)).rowcount)
        assert len((await desk.database.read(gather)).folded) == 2 + 2 + 3 + 1 + 1 + 2


@pytest.mark.parametrize(
    ("table", "group"),
    [
        (usage_whole_hour, CALLED),
        (usage_whole_hour_by_owner, ("org-1", "proj_1", "user-1")),
        (usage_whole_hour_by_key, ("org-1", "proj_1", "user-1", "key_1")),
        (usage_day, CALLED),
        (usage_day_by_owner, ("org-1", "proj_1", "user-1")),
        (usage_day_by_key, ("org-1", "proj_1", "user-1", "key_1")),
    ],
    ids=lambda value: value.name if isinstance(value, Table) else "",
)
async def test_a_row_that_says_something_else_is_found(
    engine: Engine, tmp_path: Path, table: Table, group: tuple[str, ...]
) -> None:
    async with a_desk(engine, tmp_path, folded) as desk:
        starts_ms = NOON if "whole_hour" in table.name else NOON - 11 * HOUR_MS
        these = [table.c.starts_at_ms == starts_ms, *([table.c.key_id == "key_1"] if "key_id" in table.c else [])]
        more = (
            update(table).where(*these).values(requests=table.c.requests + 2, cost_nano_usd=table.c.cost_nano_usd - 1)
        )
        await desk.database.write(lambda c: c.execute(more).rowcount)
        wrong = FoldedEvidence(table.name, starts_ms, group, {"requests": 2, "cost_nano_usd": -1})
        assert await desk.database.read(list_wrong) == [wrong]
        (line,) = [
            line for line in report(await desk.database.read(gather)).disagreements if line.startswith(table.name)
        ]
        assert line.endswith("beside its hours it has +2 requests, -1 cost_nano_usd")
        less = (
            update(table).where(*these).values(requests=table.c.requests - 2, cost_nano_usd=table.c.cost_nano_usd + 1)
        )
        await desk.database.write(lambda c: c.execute(less).rowcount)


async def test_a_row_within_what_is_folded_that_belongs_to_nothing_is_found(engine: Engine, tmp_path: Path) -> None:
    def astray(connection: Connection) -> None:
        row = {"organization_id": "org-1", "project_id": "proj_1", "owner_id": "user-9", "requests": 4}
        between = NOON + HOUR_MS // 2
        connection.execute(insert(usage_whole_hour_by_owner).values(row | {"starts_at_ms": between}))

    async with a_desk(engine, tmp_path, folded, astray) as desk:
        whose = ("org-1", "proj_1", "user-9")
        wrong = FoldedEvidence("usage_whole_hour_by_owner", NOON, whose, {"requests": 4})
        assert await desk.database.read(list_wrong) == [wrong]


async def test_what_a_late_settle_changed_is_not_wrong_until_it_is_folded_again(engine: Engine, tmp_path: Path) -> None:
    def settle_late(connection: Connection) -> None:
        a_call(connection, "call_5", "orphaned", "[]", 100, basis="reserved")
        late = {"call_id": "call_5", "at_ms": NOON + HOUR_MS, "nano_usd": -10, "requests": 0, "tokens": 0}
        connection.execute(insert(adjustments).values(late | {"tokens_estimate": 0, "reason": "settled late"}))
        first = usage_hour.c.starts_at_ms == NOON
        connection.execute(update(usage_hour).where(first).values(cost_nano_usd=usage_hour.c.cost_nano_usd - 10))

    async with a_desk(engine, tmp_path, folded) as desk:
        await desk.database.write(settle_late)
        assert await desk.database.read(list_wrong) == []
        await desk.database.write(lambda c: c.execute(delete(adjustments)).rowcount)
        assert {wrong.table for wrong in await desk.database.read(list_wrong)} == {
            "usage_whole_hour",
            "usage_whole_hour_by_owner",
            "usage_whole_hour_by_key",
            "usage_day",
            "usage_day_by_owner",
            "usage_day_by_key",
        }
