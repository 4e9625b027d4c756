"""A project's rate limits for one model, all of them set in one change. Each is a limit like any other."""

from collections.abc import Mapping
from typing import Final

from keyhouse.control.authority import Place, Task, act, admit
from keyhouse.control.fields import read_model
from keyhouse.control.limits import LimitDraft, new_limit, put_limit, read_draft, require_active_project
from keyhouse.core.clock import Entropy
from keyhouse.core.limit import ScopeType, Unit, Window
from keyhouse.store import limits as rows
from keyhouse.store import people
from keyhouse.store.audit import Event
from keyhouse.store.engine import Actor, Change, Database

RATES: Final[Mapping[str, tuple[Unit, Window]]] = {
    "max_requests_per_1_minute": (Unit.REQUESTS, Window.MINUTE),
    "max_tokens_per_1_minute": (Unit.TOKENS, Window.MINUTE),
    "max_images_per_1_minute": (Unit.IMAGES, Window.MINUTE),
    "max_audio_seconds_per_1_minute": (Unit.AUDIO_SECONDS, Window.MINUTE),
    "max_requests_per_1_day": (Unit.REQUESTS, Window.DAY),
}
"""OpenAI's names for rate limits, and what limit each is; the seconds of audio are Keyhouse's own."""


class RateLimits:
    """The verbs on rate limits."""

    def __init__(self, database: Database, entropy: Entropy) -> None:
        self._database = database
        self._entropy = entropy

    async def update(
        self, actor: Actor, project_id: str, rate_limit_id: str, model: str, amounts: Mapping[str, int | None]
    ) -> None:
        """Set a project's rate limits for a model, by their names in `RATES`, at once; None takes one out of force.

        Raises Refusal(NOT_FOUND, CONFLICT if the project was archived, PARAMETER_INVALID, NOT_PERMITTED).
        """
        await admit(self._database, actor, Task.LIMITS, Place(project_id))
        model = read_model(model)
        drafts = {
            name: read_draft(LimitDraft(*RATES[name], amount or 0, model=model), name)
            for name, amount in amounts.items()
        }

        def write(change: Change) -> None:
            connection, organization_id = change.connection, actor.organization_id
            people.get_organization(connection, organization_id, for_update=True)
            require_active_project(connection, organization_id, project_id)
            details: dict[str, object] = {"model": model}
            for name, draft in drafts.items():
                limit = new_limit(draft, organization_id, ScopeType.PROJECT, project_id, change.now_ms, self._entropy)
                found = rows.find_like(connection, limit)
                if amounts[name] is not None:
                    put_limit(change, limit, is_amount_alone=True)
                elif found is not None:
                    rows.delete_limit(connection, found.id, change.now_ms)
                details[name] = {"from": None if found is None else found.amount, "to": amounts[name]}
            change.record(Event.RATE_LIMIT_UPDATED, rate_limit_id, project_id=project_id, details=details)

        await act(self._database, actor, Task.LIMITS, write, where=Place(project_id))
