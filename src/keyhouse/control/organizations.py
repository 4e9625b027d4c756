"""What an organization is called, and where its days and months begin."""

from collections.abc import Callable

import msgspec

from keyhouse.control.authority import Task, act
from keyhouse.control.fields import read_name, read_time_zone
from keyhouse.store import keys, people
from keyhouse.store.audit import Event
from keyhouse.store.engine import Actor, Change, Database
from keyhouse.store.people import Organization


class Organizations:
    """The verbs on the organization itself. `on_change` is told every key that is concerned."""

    def __init__(self, database: Database, on_change: Callable[[str], None]) -> None:
        self._database = database
        self._on_change = on_change

    async def update(self, actor: Actor, name: str, time_zone: str) -> Organization:
        """Rename the organization, and let the days, weeks and months of its limits and pages begin elsewhere.

        What is used of a limit stays. Raises Refusal(NOT_PERMITTED, PARAMETER_INVALID).
        """
        wanted = {"name": read_name(name), "time_zone": read_time_zone(time_zone)}

        def write(change: Change) -> tuple[Organization, tuple[str, ...]]:
            before = people.get_organization(change.connection, actor.organization_id, for_update=True)
            after = msgspec.structs.replace(before, **wanted)
            people.update_organization(change.connection, after)
            changed = {field: value for field, value in wanted.items() if getattr(before, field) != value}
            details = {field: {"from": getattr(before, field), "to": value} for field, value in changed.items()}
            change.record(Event.ORGANIZATION_UPDATED, after.id, details=details)
            # Gateways remember the zone with each key.
            key_ids = keys.list_ids(change.connection, after.id) if "time_zone" in changed else ()
            change.announce(*key_ids)
            return after, key_ids

        organization, key_ids = await act(self._database, actor, Task.SETTINGS, write)
        for key_id in key_ids:
            self._on_change(key_id)
        return organization
