"""Limits, each as it stands in its present period."""

from keyhouse.core.clock import Clock
from keyhouse.core.limit import LimitState, ScopeType
from keyhouse.store import limits, people
from keyhouse.store.engine import Database


class LimitQuestions:
    """Asks for an organization's limits."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def list(
        self, organization_id: str, scope_type: ScopeType | None = None, scope_id: str | None = None
    ) -> tuple[LimitState, ...]:
        """The limits of the organization, of one type of scope, or on one scope: ordered by scope, then by age."""
        now_ms = self._clock.now_ms()
        scopes = None if scope_id is None else {(scope, scope_id) for scope in ScopeType}
        states = await self._database.read(
            lambda c: limits.list_states(
                c, organization_id, people.get_organization(c, organization_id).time_zone, now_ms, scopes=scopes
            )
        )
        return tuple(state for state in states if scope_type in (None, state.limit.scope_type))

    async def one(self, organization_id: str, limit_id: str) -> LimitState:
        """One of them; raises Refusal(NOT_FOUND)."""
        now_ms = self._clock.now_ms()
        return await self._database.read(
            lambda c: limits.get_state(
                c, organization_id, people.get_organization(c, organization_id).time_zone, now_ms, limit_id
            )
        )
