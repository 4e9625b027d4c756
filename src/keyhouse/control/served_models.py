"""Adding, changing and removing models: which upstreams serve a name, in which order, and at what price."""

from collections.abc import Callable, Collection

import msgspec

from keyhouse.control.authority import Task, act
from keyhouse.control.upstreams import Reload, require_same_name, require_sense
from keyhouse.core.clock import Entropy
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.identifiers import identifier
from keyhouse.core.written import Configured, WrittenModel
from keyhouse.store import people
from keyhouse.store import served_models as rows
from keyhouse.store.audit import Event
from keyhouse.store.engine import CATALOG, Actor, Change, Connection, Database
from keyhouse.store.served_models import StoredModel
from keyhouse.store.upstreams import list_upstreams


class Models:
    """The verbs on models. What is `configured` is not changed here, and its names are taken."""

    def __init__(self, database: Database, entropy: Entropy, configured: Configured, reload: Reload) -> None:
        self._database = database
        self._entropy = entropy
        self._taken = {model.name for model in configured.models}
        self._upstreams = {upstream.name for upstream in configured.upstreams}
        self._reload = reload

    async def create(self, actor: Actor, written: WrittenModel) -> StoredModel:
        """A new model. Raises Refusal(PARAMETER_INVALID, CONFLICT, NOT_PERMITTED)."""
        model_id = identifier("model_", self._entropy(20))

        def write(change: Change) -> StoredModel:
            require_sense(lambda: written.require_sense(self._known(change.connection, actor.organization_id)))
            self._require_free(written.name, {one.written.name for one in rows.list_models(change.connection)})
            made = StoredModel(model_id, actor.organization_id, written, change.now_ms, actor.user_id)
            rows.insert_model(change.connection, made)
            change.announce(CATALOG)
            change.record(Event.MODEL_CREATED, made.id, details=describe(written))
            return made

        made = await act(self._database, actor, Task.UPSTREAMS, write)
        await self._reload()
        return made

    async def update(self, actor: Actor, model_id: str, rewrite: Callable[[WrittenModel], WrittenModel]) -> StoredModel:
        """Rewrite a model. Its name stays; calls that run keep the price that they were reserved at.

        Raises Refusal(NOT_FOUND, PARAMETER_INVALID, NOT_PERMITTED).
        """

        def write(change: Change) -> StoredModel:
            known = self._known(change.connection, actor.organization_id)
            before = rows.get_model(change.connection, actor.organization_id, model_id, for_update=True)
            written = rewrite(before.written)
            require_sense(lambda: written.require_sense(known))
            require_same_name(before.written.name, written.name)
            after = msgspec.structs.replace(before, written=written)
            rows.update_model(change.connection, after)
            change.announce(CATALOG)
            change.record(
                Event.MODEL_UPDATED,
                after.id,
                details=describe(written) | {"previous": describe(before.written)},
            )
            return after

        after = await act(self._database, actor, Task.UPSTREAMS, write)
        await self._reload()
        return after

    async def delete(self, actor: Actor, model_id: str) -> None:
        """Remove a model: its name is not served any more. Raises Refusal(NOT_FOUND, NOT_PERMITTED)."""

        def write(change: Change) -> None:
            found = rows.get_model(change.connection, actor.organization_id, model_id, for_update=True)
            rows.delete_model(change.connection, found.id)
            change.announce(CATALOG)
            change.record(Event.MODEL_DELETED, found.id, details=describe(found.written))

        await act(self._database, actor, Task.UPSTREAMS, write)
        await self._reload()

    def _known(self, connection: Connection, organization_id: str) -> Collection[str]:
        """The upstreams that a model may name. None of them is removed before this change is done."""
        people.get_organization(connection, organization_id, for_update=True)
        return self._upstreams | {one.written.name for one in list_upstreams(connection)}

    def _require_free(self, name: str, stored: set[str]) -> None:
        if name in self._taken:
            raise Refusal(
                Code.CONFLICT,
                f"The configuration has a model {name}, and what is configured wins.",
                hint="Choose another name, or take it out of the configuration.",
                param="name",
            )
        if name in stored:
            raise Refusal(
                Code.CONFLICT,
                f"There is a model {name} already.",
                hint="Choose another name, or change that one.",
                param="name",
            )


def describe(written: WrittenModel) -> dict[str, object]:
    """A model as the audit log tells it: what was written, prices included."""
    told: dict[str, object] = msgspec.to_builtins(written)
    return {name: value for name, value in told.items() if value not in (None, [])}
