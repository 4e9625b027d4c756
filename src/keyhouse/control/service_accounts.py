"""The life of a service account: created with its first key, changed, given more keys, and deleted for good.

Its role is shown as OpenAI shows it; what its keys may do is said by the keys' own permissions.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from keyhouse.control.authority import Place, Task, act, admit, require, require_still
from keyhouse.control.fields import read_endpoints, read_expiry, read_models, read_name, read_networks
from keyhouse.control.issuing import IssuedKey, NewKey, issue_key
from keyhouse.control.key_rules import described
from keyhouse.control.keys import KeyDraft
from keyhouse.control.limits import insert_limits, read_drafts
from keyhouse.control.policies import under_policy
from keyhouse.control.repeats import Minting, Once, issue_once
from keyhouse.core.clock import Clock, Entropy
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.identifiers import identifier
from keyhouse.core.permissions import ALL, Permissions
from keyhouse.core.secret import Kind
from keyhouse.store import keys, projects
from keyhouse.store import service_accounts as rows
from keyhouse.store.audit import Event
from keyhouse.store.engine import Actor, Change, Connection, Database
from keyhouse.store.service_accounts import ServiceAccount

KEY_NAME: Final = "Secret Key"
"""What a key is called that nobody gave a name, as at OpenAI."""

ROLES: Final = ("member", "owner")
"""What a service account can be made; one created without a key is `none` until it is, or gets a key."""

_NONE: Final = "none"


class IssuedAccount(msgspec.Struct, frozen=True):
    """A new service account with its first key, whose value is shown once; None if it was made without one."""

    account: ServiceAccount
    issued: IssuedKey | None


class ServiceAccounts:
    """The verbs on service accounts. `on_change` is told the id of every key that a change concerns.

    Each raises Refusal(NOT_PERMITTED) for an actor who may not, and Refusal(NOT_FOUND) for a project that is not
    in the actor's organization, or a service account that is not in the project or was deleted.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        entropy: Entropy,
        pepper: bytes,
        on_change: Callable[[str], None],
    ) -> None:
        self._database = database
        self._clock = clock
        self._entropy = entropy
        self._pepper = pepper
        self._on_change = on_change

    async def create(
        self, actor: Actor, project_id: str, name: str, *, with_key: bool = True, once: Once | None = None
    ) -> IssuedAccount:
        """A new service account and, in the same change, its first key; the same ones for a request that is repeated.

        One without a key shows nothing that is shown once, and is made anew. Raises Refusal(PARAMETER_INVALID,
        CONFLICT).
        """
        place = Place(project_id)
        await admit(self._database, actor, Task.SERVICE_ACCOUNTS, place)
        name = read_name(name)

        def write_alone(change: Change) -> ServiceAccount:
            _require_active_project(change, project_id)
            return self._insert(change, project_id, name, _NONE)

        def write(minting: Minting, change: Change) -> IssuedKey:
            _require_active_project(change, project_id)
            account = self._insert(change, project_id, name, ROLES[0])
            return self._issue(change, account, KeyDraft(KEY_NAME, project_id), minting)

        if not with_key:
            return IssuedAccount(
                await act(self._database, actor, Task.SERVICE_ACCOUNTS, write_alone, where=place), None
            )
        issued = await self._issue_once(actor, once, place, write)
        owner_id = issued.key.owner_id
        made = await self._database.read(lambda c: rows.list_these(c, actor.organization_id, (owner_id,)))
        return IssuedAccount(made[owner_id], issued)

    async def create_key(
        self,
        actor: Actor,
        project_id: str,
        account_id: str,
        name: str | None = None,
        permissions: Permissions = ALL,
        *,
        once: Once | None = None,
    ) -> IssuedKey:
        """One more key of a service account; the same one again for a request that is repeated.

        Raises Refusal(PARAMETER_INVALID, CONFLICT).
        """
        place = Place(project_id)
        await admit(self._database, actor, Task.SERVICE_ACCOUNTS, place)
        name = KEY_NAME if name is None else read_name(name)

        def write(minting: Minting, change: Change) -> IssuedKey:
            _require_active_project(change, project_id)
            account = _locked(change, project_id, account_id)
            return self._issue(change, account, KeyDraft(name, project_id, permissions), minting)

        return await self._issue_once(actor, once, place, write)

    async def create_drafted_key(
        self, actor: Actor, draft: KeyDraft, account_id: str, *, new_name: str | None = None
    ) -> IssuedKey:
        """A key as it is asked for, of a service account of its project; of a new one, made with it, if that is named.

        Raises Refusal(PARAMETER_INVALID, CONFLICT).
        """
        place = Place(draft.project_id)
        await admit(self._database, actor, Task.SERVICE_ACCOUNTS, place)
        account_name = None if new_name is None else read_name(new_name, "service_account_name")
        wanted = msgspec.structs.replace(
            draft,
            name=read_name(draft.name),
            models=read_models(draft.models),
            endpoints=read_endpoints(draft.endpoints),
            ip_allowlist=read_networks(draft.ip_allowlist),
            expires_at_ms=read_expiry(draft.expires_at_ms, self._clock.now_ms()),
            limits=read_drafts(draft.limits),
        )

        def write(change: Change) -> IssuedKey:
            _require_active_project(change, draft.project_id)
            if account_name is None:
                account = _locked(change, draft.project_id, account_id)
            else:
                account = self._insert(change, draft.project_id, account_name, ROLES[0])
            return self._issue(change, account, wanted, Minting(self._entropy))

        return await act(self._database, actor, Task.SERVICE_ACCOUNTS, write, where=place, then=self._tell_issued)

    async def update(
        self,
        actor: Actor,
        project_id: str,
        account_id: str,
        name: str | UnsetType = UNSET,
        role: str | UnsetType = UNSET,
    ) -> ServiceAccount:
        """Rename one or change its role; what is left unset stays. Raises Refusal(PARAMETER_INVALID, CONFLICT)."""
        await admit(self._database, actor, Task.SERVICE_ACCOUNTS, Place(project_id))
        wanted: dict[str, Any] = {}
        if name is not UNSET:
            wanted["name"] = read_name(name)
        if role is not UNSET:
            wanted["role"] = _read_role(role)

        def write(change: Change) -> ServiceAccount:
            _require_active_project(change, project_id)
            return self._update(change, _locked(change, project_id, account_id), wanted)

        return await act(self._database, actor, Task.SERVICE_ACCOUNTS, write, where=Place(project_id))

    async def delete(self, actor: Actor, project_id: str, account_id: str) -> None:
        """Delete a service account for good: all of its keys are revoked with it, at once."""

        def write(change: Change) -> tuple[str, ...]:
            # Whoever makes a key locks this row first: no key can slip in between.
            account = _locked(change, project_id, account_id)
            connection, organization_id = change.connection, actor.organization_id
            rows.update_service_account(connection, msgspec.structs.replace(account, deleted_at_ms=change.now_ms))
            key_ids = keys.list_owned_ids(connection, organization_id, account.id)
            keys.update_owned_as_revoked(connection, organization_id, account.id, change.now_ms, actor.user_id)
            details = {"name": account.name, "keys": key_ids}
            change.record(Event.SERVICE_ACCOUNT_DELETED, account.id, project_id=project_id, details=details)
            change.announce(*key_ids)
            return key_ids

        await act(self._database, actor, Task.SERVICE_ACCOUNTS, write, where=Place(project_id), then=self._tell)

    def _insert(self, change: Change, project_id: str, name: str, role: str) -> ServiceAccount:
        account = ServiceAccount(
            id=identifier("svc_acct_", self._entropy(20)),
            organization_id=change.actor.organization_id,
            project_id=project_id,
            name=name,
            role=role,
            created_at_ms=change.now_ms,
        )
        rows.insert_service_account(change.connection, account)
        details = {"name": name, "role": role}
        change.record(Event.SERVICE_ACCOUNT_CREATED, account.id, project_id=project_id, details=details)
        return account

    def _update(self, change: Change, before: ServiceAccount, wanted: dict[str, Any]) -> ServiceAccount:
        after = msgspec.structs.replace(before, **wanted)
        rows.update_service_account(change.connection, after)
        details = {field: {"from": getattr(before, field), "to": value} for field, value in wanted.items()}
        change.record(Event.SERVICE_ACCOUNT_UPDATED, after.id, project_id=after.project_id, details=details)
        return after

    async def _issue_once(
        self, actor: Actor, once: Once | None, place: Place, write: Callable[[Minting, Change], IssuedKey]
    ) -> IssuedKey:
        task = Task.SERVICE_ACCOUNTS

        def issue(minting: Minting) -> Awaitable[IssuedKey]:
            return act(self._database, actor, task, partial(write, minting), where=place, then=self._tell_issued)

        def require_allowed(connection: Connection, now_ms: int) -> None:
            require(require_still(connection, actor, now_ms, task, place), Task.MODEL_REQUEST, place)

        return await issue_once(self._database, self._clock, self._entropy, self._pepper, once, issue, require_allowed)

    def _issue(self, change: Change, account: ServiceAccount, draft: KeyDraft, minting: Minting) -> IssuedKey:
        require(change.actor, Task.MODEL_REQUEST, Place(account.project_id))
        if account.role == _NONE:
            self._update(change, account, {"role": ROLES[0]})
        new = NewKey(
            kind=Kind.SERVICE_ACCOUNT,
            organization_id=account.organization_id,
            project_id=account.project_id,
            owner_id=account.id,
            name=draft.name,
            permissions=draft.permissions,
            models=draft.models,
            endpoints=draft.endpoints,
            ip_allowlist=draft.ip_allowlist,
            expires_at_ms=draft.expires_at_ms,
        )
        by = change.actor.user_id
        allowed, drafts = under_policy(change, new, draft.limits)
        issued = issue_key(
            change.connection,
            allowed,
            change.now_ms,
            self._entropy,
            self._pepper,
            created_by=by,
            secret_entropy=minting.entropy,
        )
        minting.note(change, issued)
        made = insert_limits(change, drafts, issued.key.id, self._entropy)
        details = described(issued.key) | {"service_account_id": account.id, "limits": made}
        change.record(Event.API_KEY_CREATED, issued.key.id, project_id=account.project_id, details=details)
        change.announce(issued.key.id)
        return issued

    def _tell(self, key_ids: tuple[str, ...]) -> None:
        for key_id in key_ids:
            self._on_change(key_id)

    def _tell_issued(self, issued: IssuedKey) -> None:
        self._on_change(issued.key.id)


def _locked(change: Change, project_id: str, account_id: str) -> ServiceAccount:
    return rows.get_service_account(
        change.connection, change.actor.organization_id, account_id, project_id=project_id, for_update=True
    )


def _require_active_project(change: Change, project_id: str) -> None:
    project = projects.get_project(change.connection, change.actor.organization_id, project_id, for_update=True)
    if project.archived_at_ms is not None:
        raise Refusal(
            Code.CONFLICT,
            f"The project {project.id} was archived.",
            hint="Archiving is final: use a service account of an active project.",
            param="project_id",
        )


def _read_role(role: str) -> str:
    if role not in ROLES:
        raise Refusal(
            Code.PARAMETER_INVALID,
            f"The field role is {role[:60]!r}.",
            hint=f"It is one of {', '.join(ROLES)}.",
            param="role",
        )
    return role
