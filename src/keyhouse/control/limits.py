"""Setting and deleting limits."""

from collections.abc import Iterable

import msgspec

from keyhouse.control.authority import Place, Task, act, may_at, unseen
from keyhouse.control.fields import read_model
from keyhouse.core.clock import Clock, Entropy
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.identifiers import identifier
from keyhouse.core.limit import Limit, LimitState, ScopeType, format_amount, require_window
from keyhouse.core.money import AMOUNT_MAX
from keyhouse.core.policy import LimitDraft
from keyhouse.store import keys, people, projects, service_accounts
from keyhouse.store import limits as rows
from keyhouse.store.audit import Event
from keyhouse.store.engine import Actor, Change, Connection, Database

__all__ = [
    "LimitDraft",
    "Limits",
    "describe",
    "describe_draft",
    "insert_limits",
    "new_limit",
    "read_draft",
    "read_drafts",
]


class Limits:
    """The verbs on limits."""

    def __init__(self, database: Database, clock: Clock, entropy: Entropy) -> None:
        self._database = database
        self._clock = clock
        self._entropy = entropy

    async def set(
        self, actor: Actor, scope_type: ScopeType, scope_id: str, draft: LimitDraft, *, is_amount_alone: bool = False
    ) -> LimitState:
        """Put a limit on a key, a user, a service account, a project or the organization; how it stands.

        A live one with the same scope, unit, window and model keeps its id and what was used of it, and gets
        the new amount, at once; `is_amount_alone` leaves all else of it as it was.
        Raises Refusal(NOT_FOUND, CONFLICT, PARAMETER_INVALID, NOT_PERMITTED).
        """
        draft = read_draft(draft)

        def where(connection: Connection, actor: Actor) -> Place:
            named = f"{scope_type} {scope_id}"
            if scope_type in (ScopeType.USER, ScopeType.ORGANIZATION):
                return Place(named=named)
            project_id = _project_at(connection, actor.organization_id, scope_type, scope_id)
            return _seen_place(actor, project_id, named)

        def write(change: Change) -> LimitState:
            connection, organization_id = change.connection, actor.organization_id
            # Locked, so that of those who set the same limit at once the second finds the first one's.
            zone = people.get_organization(connection, organization_id, for_update=True).time_zone
            project_id = _project_of(connection, organization_id, scope_type, scope_id)
            limit = new_limit(draft, organization_id, scope_type, scope_id, change.now_ms, self._entropy)
            limit, found = put_limit(change, limit, is_amount_alone=is_amount_alone)
            details = describe(limit) | {
                "previous_amount": None if found is None else format_amount(found.unit, found.amount),
                "previous_refuse_when_short": None if found is None else found.refuse_when_short,
            }
            change.record(Event.LIMIT_SET, limit.id, project_id=project_id, details=details)
            return rows.get_state(connection, organization_id, zone, change.now_ms, limit.id)

        return await act(self._database, actor, Task.LIMITS, write, where=where)

    async def delete(self, actor: Actor, limit_id: str) -> None:
        """Take a limit out of force, at once. Raises Refusal(NOT_FOUND, NOT_PERMITTED)."""

        def where(connection: Connection, actor: Actor) -> Place:
            named, limit = f"limit {limit_id}", rows.find_limit(connection, actor.organization_id, limit_id)
            if limit is not None and limit.scope_type is ScopeType.USER and limit.scope_id == actor.user_id:
                return Place(named=named)  # one's own is seen by everybody
            project_id = None if limit is None else _project_named(connection, limit)
            return _seen_place(actor, project_id, named)

        def write(change: Change) -> None:
            limit = rows.get_limit(change.connection, actor.organization_id, limit_id, for_update=True)
            rows.delete_limit(change.connection, limit.id, change.now_ms)
            project_id = _project_named(change.connection, limit)
            change.record(Event.LIMIT_DELETED, limit.id, project_id=project_id, details=describe(limit))

        await act(self._database, actor, Task.LIMITS, write, where=where)


def read_draft(draft: LimitDraft, param: str | None = None) -> LimitDraft:
    """The draft in the form it is stored in; raises Refusal(PARAMETER_INVALID) that names `param`, else the field."""
    try:
        require_window(draft.unit, draft.window)
    except ValueError as fault:
        raise Refusal(
            Code.PARAMETER_INVALID,
            f"A limit in {draft.unit} cannot be by the {draft.window}.",
            hint=f"{str(fault).capitalize()}.",
            param=param or "window",
        ) from None
    if not 0 <= draft.amount <= AMOUNT_MAX:
        raise Refusal(
            Code.PARAMETER_INVALID,
            "The amount is too large." if draft.amount > 0 else "The amount is below zero.",
            hint=f"It may be from 0 to {format_amount(draft.unit, AMOUNT_MAX)}.",
            param=param or "amount",
        )
    if draft.model is None:
        return draft
    return msgspec.structs.replace(draft, model=read_model(draft.model))


def read_drafts(drafts: Iterable[LimitDraft], param: str = "limits") -> tuple[LimitDraft, ...]:
    """The same for the limits of a new key, of which no two may be alike."""
    limits = tuple(read_draft(draft, param) for draft in drafts)
    kinds = {(draft.unit, draft.window, draft.model) for draft in limits}
    if len(kinds) < len(limits):
        raise Refusal(
            Code.PARAMETER_INVALID,
            "Two of the limits have the same unit, window and model.",
            hint="Keep the one that is meant.",
            param=param,
        )
    return limits


def new_limit(
    draft: LimitDraft, organization_id: str, scope_type: ScopeType, scope_id: str, now_ms: int, entropy: Entropy
) -> Limit:
    """A limit from a draft that `read_draft` has seen."""
    return Limit(
        id=identifier("limit_", entropy(20)),
        organization_id=organization_id,
        scope_type=scope_type,
        scope_id=scope_id,
        unit=draft.unit,
        window=draft.window,
        amount=draft.amount,
        model=draft.model,
        refuse_when_short=draft.refuse_when_short,
        created_at_ms=now_ms,
    )


def put_limit(change: Change, limit: Limit, *, is_amount_alone: bool = False) -> tuple[Limit, Limit | None]:
    """Write a limit; a live one of its kind keeps its id and gets the new amount. The limit, and how that was before.

    Where the amount is all that was said, what else was set of that one stays.

    The organization is locked by the caller, so that of those who set the same limit at once the second finds the
    first one's.
    """
    found = rows.find_like(change.connection, limit)
    if found is None:
        rows.insert_limit(change.connection, limit, change.actor.user_id)
        return limit, None
    refuse_when_short = found.refuse_when_short if is_amount_alone else limit.refuse_when_short
    limit = msgspec.structs.replace(found, amount=limit.amount, refuse_when_short=refuse_when_short)
    rows.update_limit(change.connection, limit)
    return limit, found


def insert_limits(
    change: Change, drafts: Iterable[LimitDraft], key_id: str, entropy: Entropy
) -> list[dict[str, object]]:
    """Put limits on a new key; as the audit log tells them. `read_drafts` has seen them."""
    organization_id = change.actor.organization_id
    made = [new_limit(draft, organization_id, ScopeType.KEY, key_id, change.now_ms, entropy) for draft in drafts]
    for limit in made:
        rows.insert_limit(change.connection, limit, change.actor.user_id)
    return [describe(limit) for limit in made]


def describe(limit: Limit) -> dict[str, object]:
    """A limit as the audit log tells it."""
    return {"scope": {"type": limit.scope_type, "id": limit.scope_id}} | describe_draft(limit)


def describe_draft(draft: LimitDraft | Limit) -> dict[str, object]:
    """The same without its scope."""
    return {
        "unit": draft.unit,
        "window": draft.window,
        "amount": format_amount(draft.unit, draft.amount),
        "model": draft.model,
        "refuse_when_short": draft.refuse_when_short,
    }


def _project_of(connection: Connection, organization_id: str, scope_type: ScopeType, scope_id: str) -> str | None:
    """The project a scope belongs to, None for one that belongs to the whole organization.

    Raises Refusal(NOT_FOUND) for a scope of another organization, Refusal(CONFLICT) for one that makes no calls
    any more.
    """
    match scope_type:
        case ScopeType.KEY:
            key = keys.get_key(connection, organization_id, scope_id)
            if key.revoked_at_ms is not None:
                raise _makes_no_calls(f"The API key {key.id} was revoked.", "A revoked key")
            return key.project_id
        case ScopeType.USER:
            _require_member(connection, organization_id, scope_id)
            return None
        case ScopeType.SERVICE_ACCOUNT:
            account = service_accounts.find_service_account(connection, organization_id, scope_id)
            if account is None:
                raise _not_here("service account", scope_id, "List a project's service accounts to see their ids.")
            if account.deleted_at_ms is not None:
                raise _makes_no_calls(f"The service account {scope_id} was deleted.", "A deleted service account")
            return account.project_id
        case ScopeType.PROJECT:
            require_active_project(connection, organization_id, scope_id)
            return scope_id
        case ScopeType.ORGANIZATION:
            if scope_id != organization_id:
                raise _not_here("organization", scope_id, f"Yours is {organization_id}.")
            return None


def require_active_project(connection: Connection, organization_id: str, project_id: str) -> None:
    """Go on only if the project makes calls; raises Refusal(NOT_FOUND, CONFLICT)."""
    project = projects.get_project(connection, organization_id, project_id)
    if project.archived_at_ms is not None:
        raise Refusal(
            Code.CONFLICT, f"The project {project.id} was archived.", hint="Archiving is final; use an active project."
        )


def _seen_place(actor: Actor, project_id: str | None, named: str) -> Place:
    """The place of what the actor named; raises Refusal(NOT_FOUND) unless they may see it there.

    What is in no project is the organization's, or not there at all.
    """
    place = Place(project_id, named=named)
    if not may_at(actor, Task.LIMITS_READ, place):
        raise unseen(actor, named)
    return place


def _project_named(connection: Connection, limit: Limit) -> str | None:
    """The project a limit's scope belongs to, whatever became of it."""
    return _project_at(connection, limit.organization_id, limit.scope_type, limit.scope_id)


def _project_at(connection: Connection, organization_id: str, scope_type: ScopeType, scope_id: str) -> str | None:
    """The project a scope belongs to, whatever became of it; None if to none, or if there is no such scope."""
    match scope_type:
        case ScopeType.KEY:
            key = keys.find_key(connection, organization_id, scope_id)
            return None if key is None else key.project_id
        case ScopeType.SERVICE_ACCOUNT:
            account = service_accounts.find_service_account(connection, organization_id, scope_id)
            return None if account is None else account.project_id
        case ScopeType.PROJECT:
            return scope_id
        case ScopeType.USER | ScopeType.ORGANIZATION:
            return None


def _require_member(connection: Connection, organization_id: str, user_id: str) -> None:
    member = people.find_member(connection, organization_id, user_id)
    if member is None:
        raise _not_here("user", user_id, "Name a member of the organization by their id.")
    if member.gone_at_ms is not None:
        raise _makes_no_calls(f"The user {user_id} is no longer a member.", "Someone who left")


def _not_here(what: str, scope_id: str, hint: str) -> Refusal:
    return Refusal(Code.NOT_FOUND, f"There is no {what} {scope_id} here.", hint=hint)


def _makes_no_calls(what: str, who: str) -> Refusal:
    return Refusal(Code.CONFLICT, what, hint=f"{who} makes no calls to be limited.")
