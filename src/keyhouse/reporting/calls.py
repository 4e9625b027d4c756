"""Calls, a page of them or one with the account of its charge."""

from typing import Final

from keyhouse.core.authority import Sight
from keyhouse.core.clock import Clock
from keyhouse.core.errors import Code, Refusal
from keyhouse.reporting.explanations import ExplainedCall, explain
from keyhouse.store import calls, prices
from keyhouse.store.calls import CallPage, CallSelection
from keyhouse.store.engine import Connection, Database

DAY_MS: Final = 86_400_000


class CallQuestions:
    """Asks for an organization's calls."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def since(self, end_ms: int | None) -> int:
        """From when on to list calls if nobody says: a day before the end, or before now."""
        return max(0, (self._clock.now_ms() if end_ms is None else end_ms) - DAY_MS)

    async def list(self, organization_id: str, selection: CallSelection, *, after: str | None, limit: int) -> CallPage:
        """At most `limit` calls, newest first, older than the one called `after`. A page may be short or empty and
        still be followed by others.

        Raises Refusal(PARAMETER_INVALID) for too many keys.
        """
        return await self._database.read(lambda c: calls.list_calls(c, organization_id, selection, after, limit))

    async def one(self, organization_id: str, call_id: str, *, sight: Sight | None = None) -> ExplainedCall:
        """One of them, explained; raises Refusal(NOT_FOUND), also for one out of sight."""
        found = await self._database.read(lambda c: explained(c, organization_id, call_id))
        call = found.call
        if sight is not None and call.project_id not in sight.project_ids and call.owner_id != sight.user_id:
            raise missing(call_id)
        return found


def explained(connection: Connection, organization_id: str, call_id: str) -> ExplainedCall:
    """A call of this organization with the account of its charge; raises Refusal(NOT_FOUND)."""
    call = calls.find_call(connection, organization_id, call_id)
    if call is None:
        raise missing(call_id)
    price = None if call.price_id is None else prices.find_price(connection, call.price_id)
    periods = calls.list_counted_periods(connection, organization_id, call.reserved.period_ids)
    return explain(call, price, periods)


def explained_anywhere(connection: Connection, call_id: str) -> ExplainedCall:
    """The same for whoever holds the database itself: a call of any organization."""
    organization_id = calls.find_organization_id(connection, call_id)
    if organization_id is None:
        raise missing(call_id)
    return explained(connection, organization_id, call_id)


def missing(call_id: str) -> Refusal:
    """There is no such call."""
    return Refusal(
        Code.NOT_FOUND,
        f"There is no call {call_id[:60]} here.",
        hint="An answer's x-keyhouse-call-id header names its call; calls are deleted once they are no longer kept.",
    )
