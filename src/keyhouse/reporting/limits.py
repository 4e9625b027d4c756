"""Limits, each as it stands in its present period."""

from keyhouse.core.authority import Sight
from keyhouse.core.clock import Clock
from keyhouse.core.limit import LimitState, ScopeType
from keyhouse.store import limits, people
from keyhouse.store.engine import Connection, Database


class LimitQuestions:
    """Asks for an organization's limits."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def list(
        self,
        organization_id: str,
        scope_type: ScopeType | None = None,
        scope_id: str | None = None,
        *,
        sight: Sight | None = None,
        mark: str | None = None,
    ) -> tuple[LimitState, ...]:
        """The limits of the organization, of one type of scope, or on one scope: ordered by scope, then by age.

        With a sight only those it takes in; in its place also the one with the id `mark`, if it was deleted.
        """
        now_ms = self._clock.now_ms()
        scopes = None if scope_id is None else {(scope, scope_id) for scope in ScopeType}
        states = await self._database.read(
            lambda c: limits.list_states(
                c, organization_id, _zone(c, organization_id), now_ms, scopes=scopes, sight=sight, mark=mark
            )
        )
        return tuple(state for state in states if scope_type in (None, state.limit.scope_type))

    async def one(self, organization_id: str, limit_id: str, *, sight: Sight | None = None) -> LimitState:
        """One of them; raises Refusal(NOT_FOUND), also for one out of sight."""
        now_ms = self._clock.now_ms()
        return await self._database.read(
            lambda c: limits.get_state(c, organization_id, _zone(c, organization_id), now_ms, limit_id, sight=sight)
        )


def _zone(connection: Connection, organization_id: str) -> str:
    return people.get_organization(connection, organization_id).time_zone
