"""Which models a project may use."""

from collections.abc import Callable, Iterable

from keyhouse.control.authority import Place, Task, act, admit
from keyhouse.control.fields import read_models
from keyhouse.control.limits import require_active_project
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.key import ALLOW_LIST, DENY_LIST, ModelPolicy
from keyhouse.store import keys, model_permissions
from keyhouse.store.audit import Event
from keyhouse.store.engine import Actor, Change, Database


class ModelPermissions:
    """The verbs on a project's models. `on_change` is told the id of every key that a change concerns."""

    def __init__(self, database: Database, on_change: Callable[[str], None]) -> None:
        self._database = database
        self._on_change = on_change

    async def set(self, actor: Actor, project_id: str, mode: str, models: Iterable[str]) -> ModelPolicy:
        """Let a project use only these models, or all but these: on every gateway from the next call on.

        An empty list of those it may use allows none. Raises Refusal(NOT_FOUND, CONFLICT if the project was archived,
        PARAMETER_INVALID, NOT_PERMITTED).
        """
        await admit(self._database, actor, Task.MODEL_PERMISSIONS, Place(project_id))
        if mode not in (ALLOW_LIST, DENY_LIST):
            raise Refusal(
                Code.PARAMETER_INVALID,
                f"The field mode is {mode[:60]!r}.",
                hint=f"It is {ALLOW_LIST} or {DENY_LIST}.",
                param="mode",
            )
        named = list(models)
        policy = ModelPolicy(mode, (read_models(named, "model_ids") or ()) if named else ())

        def write(change: Change) -> tuple[str, ...]:
            require_active_project(change.connection, actor.organization_id, project_id)
            before = model_permissions.find_model_policy(change.connection, project_id)
            put = model_permissions.insert_model_policy if before is None else model_permissions.update_model_policy
            put(change.connection, project_id, policy)
            old = {} if before is None else _described(before)
            details = {name: {"from": old.get(name), "to": value} for name, value in _described(policy).items()}
            return _recorded(change, Event.MODEL_PERMISSIONS_UPDATED, project_id, details)

        await act(self._database, actor, Task.MODEL_PERMISSIONS, write, where=Place(project_id), then=self._tell)
        return policy

    async def delete(self, actor: Actor, project_id: str) -> None:
        """Let a project use every model again. Raises Refusal(NOT_FOUND, CONFLICT, NOT_PERMITTED)."""

        def write(change: Change) -> tuple[str, ...]:
            require_active_project(change.connection, actor.organization_id, project_id)
            before = model_permissions.find_model_policy(change.connection, project_id)
            if before is None:
                raise missing(project_id)
            model_permissions.delete_model_policy(change.connection, project_id)
            return _recorded(change, Event.MODEL_PERMISSIONS_DELETED, project_id, _described(before))

        await act(self._database, actor, Task.MODEL_PERMISSIONS, write, where=Place(project_id), then=self._tell)

    def _tell(self, key_ids: tuple[str, ...]) -> None:
        for key_id in key_ids:
            self._on_change(key_id)


def missing(project_id: str) -> Refusal:
    """The project may use every model: it has no list."""
    return Refusal(
        Code.NOT_FOUND,
        f"The project {project_id} has no model permissions: it may use every model.",
        hint="Set some by POST to the same address.",
    )


def _described(policy: ModelPolicy) -> dict[str, object]:
    """A project's models as the audit log tells them."""
    return {"mode": policy.mode, "models": policy.models}


def _recorded(change: Change, event: Event, project_id: str, details: object) -> tuple[str, ...]:
    """Record the change and announce it for every key of the project; their ids."""
    change.record(event, project_id, project_id=project_id, details=details)
    key_ids = keys.list_ids(change.connection, change.actor.organization_id, project_id)
    change.announce(*key_ids)
    return key_ids
