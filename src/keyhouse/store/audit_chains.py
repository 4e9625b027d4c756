"""The audit log's chains as a whole: making the codes of what was written before there were any, and verifying all.

What is verified is what stands in the database alone: a chain that fits may still be an old copy of itself. Whoever
keeps a head elsewhere, as `keyhouse audit verify` prints it, can prove that nothing after it was taken back.
"""

import hmac
from collections.abc import Callable, Mapping
from typing import Final

import msgspec
from sqlalchemy import Connection, func, select, update

from keyhouse.core.chain import BEGINNING, Head, head_code
from keyhouse.core.clock import Clock, Entropy
from keyhouse.core.identifiers import identifier
from keyhouse.store import audit
from keyhouse.store.audit import ChainedEntry, Entry, Event
from keyhouse.store.engine import Database
from keyhouse.store.schema import audit_events, audit_heads, organizations
from keyhouse.store.turns import Turn, take_turn

AT_ONCE: Final = 1_000
FINDINGS_MAX: Final = 100
"""More are not told one by one."""


class Verification(msgspec.Struct, frozen=True):
    """What was verified: the organizations' heads by id, and what is wrong, in sentences."""

    entries: int
    heads: Mapping[str, str]
    findings: tuple[str, ...]

    @property
    def passes(self) -> bool:
        """Whether everything fits."""
        return not self.findings


async def open_audit_log(database: Database, key: bytes, clock: Clock, entropy: Entropy) -> int:
    """Let changes be made, chained with this key, once what was written before there were chains is chained, too.

    How many entries that were.
    """
    now_ms = clock.now_ms()
    database.chain_with(key)
    return await database.write(
        lambda connection: chain_older(connection, key, now_ms, lambda: identifier("audit_", entropy(20)))
    )


def chain_older(connection: Connection, key: bytes, now_ms: int, new_id: Callable[[], str]) -> int:
    """Number and code what was written before there were chains; how many entries. Nothing the second time.

    That it was done is an entry of its own, so that doing it again to a log that was tampered with is seen.
    """
    take_turn(connection, Turn.AUDIT_CHAINS)
    chained = 0
    unmade = select(audit_heads.c.organization_id).where(audit_heads.c.code.is_(None))
    for organization_id in connection.execute(unmade).scalars().all():
        head = Head(0, BEGINNING)
        for entry in audit.list_unchained(connection, organization_id):
            numbered = msgspec.structs.replace(entry, sequence=head.sequence + 1)
            head = Head(head.sequence + 1, numbered.expected_code(key, head.last_code))
            connection.execute(
                update(audit_events)
                .where(audit_events.c.id == entry.id)
                .values(sequence=head.sequence, code=head.last_code)
            )
        audit.update_head(connection, key, organization_id, head)
        audit.insert_events(connection, key, [_chained(organization_id, now_ms, new_id(), head.sequence)])
        chained += head.sequence
    return chained


def has_entry(connection: Connection, head: Head) -> bool:
    """Whether a log still has the entry that a head named when somebody took note of it."""
    found = select(audit_events.c.id).where(
        audit_events.c.sequence == head.sequence, audit_events.c.code == head.last_code
    )
    return head.sequence == 0 or connection.execute(found).first() is not None


def verify(connection: Connection, key: bytes, organization_id: str | None = None) -> Verification:
    """Verify every chain, or one organization's."""
    wanted = select(organizations.c.id).order_by(organizations.c.id)
    if organization_id is not None:
        wanted = wanted.where(organizations.c.id == organization_id)
    entries, heads, findings = 0, {}, []
    for each in connection.execute(wanted).scalars().all():
        head, count, found = _verify_one(connection, key, each)
        heads[each] = str(head)
        entries += count
        findings += [f"{each}: {finding}" for finding in found]
    if organization_id is None:
        known = select(organizations.c.id)
        strays = connection.execute(
            select(func.count()).select_from(audit_events).where(audit_events.c.organization_id.not_in(known))
        ).scalar_one()
        findings += [f"{strays} entries belong to no organization"] if strays else []
    if len(findings) > FINDINGS_MAX:
        findings = [*findings[:FINDINGS_MAX], f"and {len(findings) - FINDINGS_MAX} more"]
    return Verification(entries, heads, tuple(findings))


def _verify_one(connection: Connection, key: bytes, organization_id: str) -> tuple[Head, int, list[str]]:
    findings: list[str] = []
    last, count = Head(0, BEGINNING), 0
    while chunk := audit.list_chain(connection, organization_id, last.sequence, AT_ONCE):
        for entry in chunk:
            findings += _misfit(key, entry, last)
            # Each entry is held against what stands before it, so that one that was changed is told alone.
            last = Head(entry.sequence or 0, entry.code or b"")
        count += len(chunk)
    unnumbered = audit.list_unchained(connection, organization_id)
    findings += [f"entry {entry.id} has no number: it was added" for entry in unnumbered]
    return last, count + len(unnumbered), findings + _wrong_end(connection, key, organization_id, last)


def _misfit(key: bytes, entry: ChainedEntry, last: Head) -> list[str]:
    sequence = entry.sequence or 0
    if sequence != last.sequence + 1:
        gap = f"{last.sequence + 1}" if sequence == last.sequence + 2 else f"{last.sequence + 1} to {sequence - 1}"
        # The entry behind a gap cannot be held against the one before it.
        return [f"entry {gap} was taken away"]
    if entry.code is None or not hmac.compare_digest(entry.code, entry.expected_code(key, last.last_code)):
        return [f"entry {sequence} ({entry.id}) does not fit: it or the one before it was changed, moved or added"]
    return []


def _wrong_end(connection: Connection, key: bytes, organization_id: str, last: Head) -> list[str]:
    row = connection.execute(
        select(audit_heads.c.sequence, audit_heads.c.last_code, audit_heads.c.code).where(
            audit_heads.c.organization_id == organization_id
        )
    ).one_or_none()
    if row is None:
        return ["the head of the log was taken away"]
    head = Head(row.sequence, row.last_code)
    if row.code is None:
        return ["the log is not chained yet: start Keyhouse once"]
    if not hmac.compare_digest(row.code, head_code(key, organization_id, head)):
        return ["the head of the log was changed"]
    if last.sequence < head.sequence:
        return [f"the log ends with entry {last.sequence} and must end with {head.sequence}: its end was cut off"]
    if last.sequence > head.sequence:
        return [f"the log ends with entry {last.sequence} and must end with {head.sequence}: entries were added"]
    return [] if last == head else ["the log does not end with the entry that its head names"]


def _chained(organization_id: str, now_ms: int, entry_id: str, entries: int) -> Entry:
    return Entry(
        id=entry_id,
        organization_id=organization_id,
        at_ms=now_ms,
        event=Event.AUDIT_LOG_CHAINED,
        actor_type="system",
        actor_id="",
        actor_user_id="",
        actor_email="",
        address="",
        project_id=None,
        resource_id=organization_id,
        details=msgspec.json.encode({"entries": entries}).decode(),
    )
