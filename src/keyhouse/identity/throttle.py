"""The throttle before every sign-in: ten failures in five minutes for a person and for an address.

A thousand in all; these are PyPI's figures.

An attempt counts as a failure from the moment it is admitted, in a transaction of its own, and is taken back
only if it succeeds: many guesses at once are therefore counted before the first of them is verified. Nothing
here locks anyone out for good: what is older than five minutes is forgotten.
"""

import hashlib
import ipaddress
from typing import Final

from keyhouse.core.clock import Clock
from keyhouse.core.errors import Code, Refusal
from keyhouse.store import sessions as rows
from keyhouse.store.engine import Connection, Database
from keyhouse.store.turns import Turn, take_turn

WINDOW_MS: Final = 5 * 60_000
FAILURES_PER_PERSON: Final = 10
FAILURES_PER_ADDRESS: Final = 10
FAILURES_IN_ALL: Final = 1_000


class Throttle:
    """Counts attempts in the database, so that every process sees the same."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def admit(self, person: str, address: str) -> int:
        """Admit one attempt and count it as failed; its number, for `succeeded`.

        Raises Refusal(SIGN_IN_THROTTLED) with `retry_after_ms`; a refused attempt is not counted, so that
        whoever waits that long gets in.
        """
        who, where = _person(person), _address(address)
        now_ms = self._clock.now_ms()
        since_ms = now_ms - WINDOW_MS
        # First without the writer: a flood of refused attempts must not keep it from its work.
        counts = await self._database.read(lambda connection: rows.get_attempt_counts(connection, who, where, since_ms))
        _refuse_beyond(counts, now_ms)

        def count(connection: Connection) -> int:
            take_turn(connection, Turn.SIGN_IN)
            rows.delete_attempts(connection, since_ms)
            _refuse_beyond(rows.get_attempt_counts(connection, who, where, since_ms), now_ms)
            return rows.insert_attempt(connection, who, where, now_ms)

        return await self._database.write(count)

    async def succeeded(self, attempt: int) -> None:
        """The attempt was no failure: it no longer counts. Earlier failures still do."""
        await self._database.write(lambda connection: rows.delete_attempt(connection, attempt))


def _refuse_beyond(counts: rows.AttemptCounts, now_ms: int) -> None:
    waits = [
        oldest_ms + WINDOW_MS - now_ms
        for count, allowed, oldest_ms in (
            (counts.by_person, FAILURES_PER_PERSON, counts.oldest_by_person_ms),
            (counts.from_address, FAILURES_PER_ADDRESS, counts.oldest_from_address_ms),
            (counts.in_all, FAILURES_IN_ALL, counts.oldest_in_all_ms),
        )
        if count >= allowed and oldest_ms is not None
    ]
    if not waits:
        return
    retry_after_ms = max(1, *waits)
    minutes = -(-retry_after_ms // 60_000)
    raise Refusal(
        Code.SIGN_IN_THROTTLED,
        "There were too many attempts to sign in.",
        hint=f"Try again in {minutes} minute{'' if minutes == 1 else 's'}.",
        retry_after_ms=retry_after_ms,
    )


def _person(person: str) -> str:
    """What is stored of what was typed: people type passwords into the wrong field."""
    return hashlib.sha256(person.strip().casefold().encode("utf-8", "surrogatepass")).hexdigest()


def _address(address: str) -> str:
    """An IPv6 subscriber has a whole /64, so its addresses count as one."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.IPv6Network((int(parsed) >> 64 << 64, 64)))
    return str(parsed)
