"""An organization's policy on its keys: setting it, and holding new and changed keys to it."""

from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from keyhouse.control.authority import OWNER, Task, act, admit
from keyhouse.control.fields import read_models
from keyhouse.control.issuing import NewKey
from keyhouse.control.limits import describe_draft, read_drafts
from keyhouse.core.authority import ORGANIZATION_ROLES, tasks_in
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.policy import DAY_MS, LimitDraft, Makers, Policy
from keyhouse.store import people
from keyhouse.store import policies as rows
from keyhouse.store.audit import Event
from keyhouse.store.engine import Actor, Change, Database

DAYS_MAX: Final = 3_650


class PolicyChange(msgspec.Struct, frozen=True):
    """What to change of a policy; what is left unset stays."""

    key_days_max: int | UnsetType | None = UNSET
    key_days_default: int | UnsetType | None = UNSET
    rotation_days: int | UnsetType | None = UNSET
    key_makers: Makers | UnsetType = UNSET
    models: tuple[str, ...] | UnsetType | None = UNSET
    key_limits: tuple[LimitDraft, ...] | UnsetType = UNSET


class Policies:
    """The verbs on an organization's policy."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, organization_id: str) -> Policy:
        """The organization's policy."""
        return await self._database.read(lambda connection: rows.find_policy(connection, organization_id))

    async def update(self, actor: Actor, change: PolicyChange) -> Policy:
        """Change the policy. Keys that break it live on, and are shown to. Raises Refusal(PARAMETER_INVALID)."""
        await admit(self._database, actor, Task.POLICIES)
        given = {name: getattr(change, name) for name in change.__struct_fields__}
        wanted = {name: value for name, value in given.items() if value is not UNSET}
        for name in ("key_days_max", "key_days_default", "rotation_days"):
            _require_days(name, wanted.get(name))
        if "models" in wanted:
            wanted["models"] = read_models(wanted["models"])
        if "key_limits" in wanted:
            wanted["key_limits"] = read_drafts(wanted["key_limits"], "key_limits")

        def write(writing: Change) -> Policy:
            connection, organization_id = writing.connection, actor.organization_id
            people.get_organization(connection, organization_id, for_update=True)
            before = rows.find_policy(connection, organization_id)
            after = msgspec.structs.replace(before, **wanted)
            if after.key_days_max is not None and (after.key_days_default or 0) > after.key_days_max:
                raise _wrong("key_days_default", "is more than key_days_max", "A usual life is within the longest.")
            rows.update_policy(connection, organization_id, after, writing.now_ms)
            old, new = _described(before), _described(after)
            details = {name: {"from": old[name], "to": new[name]} for name in wanted}
            writing.record(Event.POLICIES_UPDATED, organization_id, details=details)
            return after

        return await act(self._database, actor, Task.POLICIES, write)


def under_policy(change: Change, new: NewKey, drafts: tuple[LimitDraft, ...]) -> tuple[NewKey, tuple[LimitDraft, ...]]:
    """A new key and its limits as the organization's policy wants them. Who may make keys is said of people alone: a
    child key is made by a key that one of them made for that.

    Raises Refusal(NOT_PERMITTED, PARAMETER_INVALID) for what it does not allow.
    """
    policy = rows.find_policy(change.connection, new.organization_id)
    if policy.key_makers is Makers.OWNERS and new.parent_id is None and not _is_owner(change.actor):
        raise Refusal(
            Code.NOT_PERMITTED,
            "The organization's policy lets owners alone create keys.",
            hint="Ask an owner for a key, or to change the policy.",
        )
    expires_at_ms, models = new.expires_at_ms, new.models
    if expires_at_ms is None and policy.key_days is not None:
        expires_at_ms = change.now_ms + policy.key_days * DAY_MS
    if models is None:
        models = policy.models
    require_within(policy, expires_at_ms, models, change.now_ms)
    kinds = {(draft.unit, draft.window, draft.model) for draft in drafts}
    added = tuple(draft for draft in policy.key_limits if (draft.unit, draft.window, draft.model) not in kinds)
    return msgspec.structs.replace(new, expires_at_ms=expires_at_ms, models=models), drafts + added


def require_within(
    policy: Policy, expires_at_ms: int | UnsetType | None, models: tuple[str, ...] | UnsetType | None, from_ms: int
) -> None:
    """Raise Refusal(PARAMETER_INVALID) for an end or for models that the policy does not allow; unset is neither.

    `from_ms` is when the key's life begins.
    """
    days = policy.key_days_max
    if (
        days is not None
        and expires_at_ms is not UNSET
        and (expires_at_ms is None or expires_at_ms > from_ms + days * DAY_MS)
    ):
        raise Refusal(
            Code.PARAMETER_INVALID,
            f"The organization's policy lets a key live {days} days at most.",
            hint="Choose an earlier end, or have the policy changed.",
            param="expires_at",
        )
    allowed = policy.models
    if allowed is None or models is UNSET:
        return
    if models is None or not set(models) <= set(allowed):
        raise Refusal(
            Code.PARAMETER_INVALID,
            f"The organization's policy allows these models alone: {', '.join(allowed)}.",
            hint="Name some of them, or have the policy changed.",
            param="models",
        )


def _is_owner(actor: Actor) -> bool:
    """Whether somebody may do all that an owner may, also by a group."""
    return tasks_in(actor.role, actor.grants) >= ORGANIZATION_ROLES[OWNER]


def _require_days(name: str, days: int | None) -> None:
    if days is not None and not 1 <= days <= DAYS_MAX:
        raise _wrong(name, f"is {days}", f"It is from 1 to {DAYS_MAX} days, or null for none.")


def _wrong(name: str, what: str, hint: str) -> Refusal:
    return Refusal(Code.PARAMETER_INVALID, f"The field {name} {what}.", hint=hint, param=name)


def _described(policy: Policy) -> dict[str, object]:
    """A policy as the audit log tells it."""
    told = msgspec.structs.asdict(policy)
    return told | {"key_limits": [describe_draft(draft) for draft in policy.key_limits]}
