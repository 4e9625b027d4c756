"""The audit log's chain on both engines: whatever is done to the rows behind Keyhouse's back is found."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import Connection, text

from given import AUDIT_KEY, FakeClock, seeded_entropy
from given_control import House, a_house
from given_engine import BOTH, Engine, an_engine
from keyhouse.core.chain import Head, parse_head
from keyhouse.store.audit_chains import Verification, has_entry, open_audit_log, verify

pytestmark = pytest.mark.asyncio


@pytest.fixture(params=BOTH)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    with an_engine(request) as made:
        yield made


@pytest_asyncio.fixture
async def house(engine: Engine, tmp_path: Path) -> AsyncIterator[House]:
    """A house whose audit log of `org-1` has five entries, and that of `org-2` two."""
    async with a_house(tmp_path, FakeClock(), engine) as made:
        for name in ("one", "two", "three", "four", "five"):
            await made.projects.create(made.owner, name)
        for name in ("theirs", "also theirs"):
            await made.projects.create(made.stranger, name)
        yield made


async def verified(house: House) -> Verification:
    return await house.database.read(lambda connection: verify(connection, AUDIT_KEY))


async def tamper(house: House, *statements: str) -> None:
    """Change the database as somebody would who can write to it and does not have the key."""
    for statement in statements:
        await house.execute(text(statement))


async def test_a_log_as_it_was_written_is_whole_and_numbered_without_a_gap(house: House) -> None:
    found = await verified(house)
    assert (found.passes, found.entries) == (True, 7)
    assert {name: head.partition(":")[0] for name, head in found.heads.items()} == {"org-1": "5", "org-2": "2"}
    rows = await house.rows("audit_events")
    assert sorted(row["sequence"] for row in rows if row["organization_id"] == "org-1") == [1, 2, 3, 4, 5]


TAMPERED = {
    "a changed detail": (
        ["UPDATE audit_events SET details = replace(details, 'three', 'thref') WHERE {} = 3"],
        ["org-1: entry 3"],
    ),
    "a changed time": (["UPDATE audit_events SET at_ms = at_ms - 1 WHERE {} = 2"], ["org-1: entry 2"]),
    "another actor": (["UPDATE audit_events SET actor_user_id = 'user-2' WHERE {} = 5"], ["org-1: entry 5"]),
    "a removed entry": (["DELETE FROM audit_events WHERE {} = 3"], ["org-1: entry 3 was taken away"]),
    "two removed entries": (
        ["DELETE FROM audit_events WHERE {} IN (2, 3)"],
        ["org-1: entry 2 to 3 was taken away"],
    ),
    "the end cut off": (
        ["DELETE FROM audit_events WHERE {} >= 4"],
        ["org-1: the log ends with entry 3 and must end with 5: its end was cut off"],
    ),
    "all taken away": (["DELETE FROM audit_events WHERE {} >= 1"], ["org-1: the log ends with entry 0"]),
    "the end cut off, and the head set back": (
        [
            "DELETE FROM audit_events WHERE {} = 5",
            (
                "UPDATE audit_heads SET sequence = 4, last_code = (SELECT code FROM audit_events WHERE {} = 4) "
                "WHERE organization_id = 'org-1'"
            ),
        ],
        ["org-1: the head of the log was changed"],
    ),
    "two entries swapped": (
        [
            "UPDATE audit_events SET sequence = 99 WHERE {} = 2",
            "UPDATE audit_events SET sequence = 2 WHERE {} = 3",
            "UPDATE audit_events SET sequence = 3 WHERE {} = 99",
        ],
        ["org-1: entry 2", "org-1: entry 3", "org-1: entry 4"],
    ),
    "an entry added at the end": (
        [
            (
                "INSERT INTO audit_events (id, organization_id, at_ms, event, actor_type, actor_id, actor_email, "
                "address, resource_id, details, actor_user_id, sequence, code) "
                "SELECT 'audit_x', organization_id, at_ms, event, "
                "actor_type, actor_id, actor_email, address, resource_id, details, actor_user_id, 6, code "
                "FROM audit_events WHERE {} = 5"
            )
        ],
        ["org-1: entry 6", "org-1: the log ends with entry 6 and must end with 5: entries were added"],
    ),
    "an entry added without a number": (
        [
            (
                "INSERT INTO audit_events (id, organization_id, at_ms, event, actor_type, actor_id, actor_email, "
                "address, resource_id, details) "
                "VALUES ('audit_x', 'org-1', 1, 'login.failed', 'session', '', '', '', '', 'null')"
            )
        ],
        ["org-1: entry audit_x has no number: it was added"],
    ),
    "an entry moved to another organization": (
        ["UPDATE audit_events SET organization_id = 'org-2', sequence = 3 WHERE {} = 5"],
        ["org-1: the log ends with entry 4", "org-2: entry 3", "org-2: the log ends with entry 3"],
    ),
    "the head taken away": (
        ["DELETE FROM audit_heads WHERE organization_id = 'org-1'"],
        ["org-1: the head of the log was taken away"],
    ),
    "another organization's head": (
        [
            (
                "UPDATE audit_heads SET sequence = (SELECT sequence FROM audit_heads WHERE organization_id = 'org-2'), "
                "last_code = (SELECT last_code FROM audit_heads WHERE organization_id = 'org-2'), "
                "code = (SELECT code FROM audit_heads WHERE organization_id = 'org-2') WHERE organization_id = 'org-1'"
            )
        ],
        ["org-1: the head of the log was changed"],
    ),
}


async def test_whatever_is_done_to_the_rows_is_found_and_named(house: House) -> None:
    whole = {name: await house.rows(name) for name in ("audit_events", "audit_heads")}
    for what, (statements, expected) in TAMPERED.items():
        await tamper(house, *(line.replace("{}", "organization_id = 'org-1' AND sequence") for line in statements))
        findings = (await verified(house)).findings
        assert len(findings) == len(expected), (what, findings)
        assert all(found.startswith(start) for found, start in zip(findings, expected, strict=True)), (what, findings)
        await house.database.write(lambda c: put_back(c, whole))
        assert (await verified(house)).passes, what


async def test_without_its_key_no_entry_fits(house: House) -> None:
    found = await house.database.read(lambda connection: verify(connection, b"x" * 32))
    assert len(found.findings) == 7 + 2


async def test_a_head_noted_elsewhere_shows_that_an_older_copy_was_put_back(house: House) -> None:
    old = {name: await house.rows(name) for name in ("audit_events", "audit_heads")}
    noted = parse_head((await verified(house)).heads["org-1"])
    await house.projects.create(house.owner, "six")
    later = parse_head((await verified(house)).heads["org-1"])
    await house.database.write(lambda c: put_back(c, old))
    assert (await verified(house)).passes
    holds = [await house.database.read(partial(has_entry, head=head)) for head in (noted, later, Head(0, b""))]
    assert holds == [True, False, True]


async def test_an_organization_whose_head_is_gone_can_change_nothing(house: House) -> None:
    await tamper(house, "DELETE FROM audit_heads WHERE organization_id = 'org-1'")
    with pytest.raises(AssertionError, match="head of the audit log"):
        await house.projects.create(house.owner, "six")
    assert "six" not in {row["name"] for row in await house.rows("projects")}


async def test_changes_at_the_same_time_stand_one_behind_the_other(house: House) -> None:
    await asyncio.gather(*(house.projects.create(house.owner, f"at once {number}") for number in range(12)))
    found = await verified(house)
    assert (found.passes, found.entries) == (True, 19)


async def test_what_was_written_before_there_were_chains_is_chained_once_by_the_next_start(house: House) -> None:
    await tamper(
        house,
        "UPDATE audit_events SET sequence = NULL, code = NULL",
        "UPDATE audit_heads SET sequence = 0, last_code = code, code = NULL",
    )
    await house.database.write(lambda c: c.execute(text("UPDATE audit_heads SET last_code = :x"), {"x": b""}).rowcount)
    assert not (await verified(house)).passes
    chained = [await open_audit_log(house.database, AUDIT_KEY, house.clock, seeded_entropy(3)) for _ in range(2)]
    assert chained == [7, 0]
    found = await verified(house)
    assert (found.passes, found.entries) == (True, 9)
    events = [row["event"] for row in await house.rows("audit_events") if row["sequence"] == 6]
    assert events == ["audit_log.chained"]
    await house.projects.create(house.owner, "six")
    assert (await verified(house)).passes


def put_back(connection: Connection, tables: dict[str, list[dict[str, object]]]) -> None:
    """Make these tables what they were."""
    for name, rows in tables.items():
        connection.execute(text(f"DELETE FROM {name}"))  # noqa: S608  names of ours
        for row in rows:
            columns = ", ".join(row)
            values = ", ".join(f":{column}" for column in row)
            connection.execute(text(f"INSERT INTO {name} ({columns}) VALUES ({values})"), row)  # noqa: S608
