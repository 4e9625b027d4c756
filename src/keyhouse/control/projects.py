"""Creating, renaming and archiving projects."""

from collections.abc import Callable

import msgspec
from msgspec import UNSET, UnsetType

from keyhouse.control.authority import OWNER, Place, Task, act, admit
from keyhouse.control.fields import read_external_key, read_name
from keyhouse.core.clock import Clock, Entropy
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.identifiers import identifier
from keyhouse.store import keys
from keyhouse.store import projects as rows
from keyhouse.store.audit import Event
from keyhouse.store.engine import Actor, Change, Database
from keyhouse.store.project_members import ProjectMember, insert_project_member
from keyhouse.store.projects import Project


class Projects:
    """The verbs on projects. `on_change` is told the id of every key that a change concerns."""

    def __init__(self, database: Database, clock: Clock, entropy: Entropy, on_change: Callable[[str], None]) -> None:
        self._database = database
        self._clock = clock
        self._entropy = entropy
        self._on_change = on_change

    async def create(self, actor: Actor, name: str, external_key_id: str | None = None) -> Project:
        """A new project, of which its maker is an owner. Raises Refusal(PARAMETER_INVALID, NOT_PERMITTED)."""
        await admit(self._database, actor, Task.PROJECTS)
        name, external_key_id = read_name(name), read_external_key(external_key_id)

        def write(change: Change) -> Project:
            project = Project(
                id=identifier("proj_", self._entropy(20)),
                organization_id=actor.organization_id,
                name=name,
                external_key_id=external_key_id,
                is_default=False,
                created_at_ms=change.now_ms,
                archived_at_ms=None,
            )
            rows.insert_project(change.connection, project)
            make_owner(change, project)
            details = {"name": name, "external_key_id": external_key_id}
            change.record(Event.PROJECT_CREATED, project.id, project_id=project.id, details=details)
            return project

        return await act(self._database, actor, Task.PROJECTS, write)

    async def update(
        self,
        actor: Actor,
        project_id: str,
        name: str | UnsetType = UNSET,
        external_key_id: str | UnsetType | None = UNSET,
    ) -> Project:
        """Rename a project; what is left unset stays.

        Raises Refusal(NOT_FOUND, CONFLICT if it is archived, PARAMETER_INVALID, NOT_PERMITTED).
        """
        await admit(self._database, actor, Task.PROJECTS, Place(project_id))
        wanted: dict[str, str | None] = {}
        if name is not UNSET:
            wanted["name"] = read_name(name)
        if external_key_id is not UNSET:
            wanted["external_key_id"] = read_external_key(external_key_id)

        def write(change: Change) -> Project:
            before = rows.get_project(change.connection, actor.organization_id, project_id, for_update=True)
            _refuse_archived(before)
            after = msgspec.structs.replace(before, **wanted)
            rows.update_project(change.connection, after)
            details = {field: {"from": getattr(before, field), "to": value} for field, value in wanted.items()}
            change.record(Event.PROJECT_UPDATED, after.id, project_id=after.id, details=details)
            return after

        return await act(self._database, actor, Task.PROJECTS, write, where=Place(project_id))

    async def archive(self, actor: Actor, project_id: str) -> Project:
        """Archive a project for good: its keys are dead at once, its history stays.

        Raises Refusal(NOT_FOUND, CONFLICT if it is the default project or archived already, NOT_PERMITTED).
        """

        def write(change: Change) -> tuple[Project, tuple[str, ...]]:
            before = rows.get_project(change.connection, actor.organization_id, project_id, for_update=True)
            _refuse_archived(before)
            if before.is_default:
                raise Refusal(
                    Code.CONFLICT,
                    f"The project {before.id} is the default project and cannot be archived.",
                    hint="Revoke its keys if they should no longer work.",
                )
            after = msgspec.structs.replace(before, archived_at_ms=change.now_ms)
            rows.update_project(change.connection, after)
            key_ids = keys.list_ids(change.connection, actor.organization_id, project_id)
            details = {"name": after.name, "keys": len(key_ids)}
            change.record(Event.PROJECT_ARCHIVED, after.id, project_id=after.id, details=details)
            change.announce(*key_ids)
            return after, key_ids

        project, _ = await act(self._database, actor, Task.PROJECTS, write, where=Place(project_id), then=self._tell)
        return project

    def _tell(self, archived: tuple[Project, tuple[str, ...]]) -> None:
        for key_id in archived[1]:
            self._on_change(key_id)


def make_owner(change: Change, project: Project) -> None:
    """Make whoever makes a project an owner of it."""
    user_id = change.actor.user_id
    member = ProjectMember(project.id, user_id, project.organization_id, OWNER, change.now_ms)
    insert_project_member(change.connection, member)


def _refuse_archived(project: Project) -> None:
    if project.archived_at_ms is not None:
        raise Refusal(
            Code.CONFLICT, f"The project {project.id} was archived.", hint="Archiving is final; create a new project."
        )
