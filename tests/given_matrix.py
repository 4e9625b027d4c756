"""Who may what, as a table in text that every route has a line of, for the doors that have a policy.

The permission is written without its `api.organization.`. `~` before it: every member may ask, and is shown what they
may see. `@`: it is asked in the project of what is named. `own`: the thing is the asker's own. `as ROLE`: the asker
must have all that this role has. `or`: either is enough. `anyone` and `signed in` take no permission. `{name}` stands
for the id of a thing that is there, `{n}` for a new number, `{soon}` for a moment to come.
"""

import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from keyhouse.core.authority import ORGANIZATION_ROLES, OWN, PROJECT_ROLES, Grant, Task, Tasks, implied
from keyhouse.store import schema

_LINE: Final = re.compile(r"(?P<method>GET|POST|DELETE) +(?P<path>\S+) +(?P<takes>[^{]*[^{ ])(?: +(?P<body>\{.*))?")
_EVERYTHING: Final = {name: str(table.select()) for name, table in schema.METADATA.tables.items()}
_ID: Final = re.compile(r"\{(\w+)\}")
OPEN: Final = ("anyone", "signed in")
"""What takes no permission."""


class Line(msgspec.Struct, frozen=True):
    """A route: what it takes, and a body that it takes, with the places of ids in it."""

    method: str
    path: str
    query: str
    takes: str
    body: str | None

    @property
    def is_seen(self) -> bool:
        """Whether every member may ask, and is shown what they may see."""
        return self.takes.startswith("~")

    @property
    def tasks(self) -> list[Task]:
        """The permissions that it takes by their names."""
        return [
            Task(f"api.{name}" if f"api.{name}" in set(Task) else f"api.organization.{name}")
            for name in re.findall(r"[\w.]+\.\w+", self.takes)
        ]

    def allows(self, role: str, grants: Sequence[Grant], project_id: str, *, is_own: bool = False) -> bool:
        """Whether someone with these roles may ask it of a thing of this project."""
        if self.takes in OPEN:
            return True
        place = project_id if "{project_id}" in self.path or self.takes.startswith(("@", "~")) else None
        if " or " in self.takes:
            return any(task in _held(role, grants, place) for task in self.tasks)
        is_own = is_own or " own" in self.takes
        covered = [PROJECT_ROLES[name] for name in re.findall(r"as (\w+)", self.takes)]
        held, there = _held(role, grants, project_id), _held(role, grants, place)
        return all(tasks <= held for tasks in covered) and all(
            task in there or (is_own and OWN.get(task) in there) for task in self.tasks
        )

    def refusal(self, role: str, grants: Sequence[Grant], project_id: str) -> int:
        """The status for someone who may not: who sees nothing of a project learns nothing of what is in it."""
        is_hidden = "{project_id}" in self.path and not _held(role, grants, project_id)
        return 404 if is_hidden or (self.takes.startswith("@") and self.method == "GET") else 403

    def address(self, ids: Mapping[str, str]) -> str:
        """The path and query with these ids in it."""
        return filled(self.path, ids) + self.query

    def written(self, ids: Mapping[str, str]) -> Any:
        """The body with these ids in it; None where there is none."""
        return None if self.body is None else msgspec.json.decode(filled(self.body, ids))


def _held(role: str, grants: Sequence[Grant], project_id: str | None) -> Tasks:
    """What these roles give there, from the tables alone: what the product makes of them is what is tried."""
    held = set(ORGANIZATION_ROLES.get(role, ()))
    for grant in grants:
        if grant.project_id is None or grant.project_id == project_id:
            held |= grant.tasks
    return frozenset(held)


def lines(file: Path, prefix: str = "") -> dict[tuple[str, str], Line]:
    """Every line of a table by its route, as the policy names it."""
    found: dict[tuple[str, str], Line] = {}
    for text in file.read_text().splitlines():
        if text and not text.startswith("#"):
            row = _LINE.fullmatch(text)
            assert row is not None, text
            path, mark, query = row["path"].partition("?")
            line = Line(row["method"], prefix + path, mark + query, row["takes"], row["body"])
            assert (line.method, line.path) not in found, text
            found[line.method, line.path] = line
    return found


def filled(text: str, ids: Mapping[str, str]) -> str:
    """The text with ids in their places."""
    return _ID.sub(lambda name: ids[name[1]], text)


def places(text: str) -> list[str]:
    """The names of the places of ids in a text, each once."""
    return list(dict.fromkeys(_ID.findall(text)))


class Role(msgspec.Struct, frozen=True):
    """Someone of the organization, by what their roles give."""

    name: str
    organization: str = "member"
    project: str | None = None
    own: Tasks = frozenset()

    def grants(self, project_id: str) -> tuple[Grant, ...]:
        """What they have beside the role in the organization."""
        project = (Grant(PROJECT_ROLES[self.project], project_id),) if self.project else ()
        return (*project, Grant(implied(self.own))) if self.own else project


ROLES: Final = (
    *(Role(f"organization {name}", organization=name) for name in ORGANIZATION_ROLES),
    *(Role(f"project {name}", project=name) for name in PROJECT_ROLES),
)
"""The roles that are always there."""


def only(task: Task) -> Role:
    """Someone who has a role of the organization's own, with this permission and no other."""
    return Role(f"only {task}", own=frozenset({task}))


def all_but(task: Task) -> Role:
    """The same with every permission that does not bring this one with it."""
    return Role(f"all but {task}", own=frozenset(each for each in Task if task not in implied({each})))


class Rows:
    """All that is in a SQLite file, read and put back behind its owner's back."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def everything(self) -> dict[str, list[Any]]:
        """All rows of all tables."""
        with _opened(self._file) as file:
            return {name: file.execute(statement).fetchall() for name, statement in _EVERYTHING.items()}

    @contextmanager
    def kept(self) -> Iterator[Callable[[], None]]:
        """How to put everything back to what it is now."""
        now = sqlite3.connect(":memory:")
        with _opened(self._file) as file:
            file.backup(now)

        def put_back() -> None:
            with _opened(self._file) as file:
                now.backup(file)

        try:
            yield put_back
        finally:
            now.close()


@contextmanager
def _opened(file: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(file)
    try:
        connection.execute("PRAGMA synchronous = OFF")
        yield connection
    finally:
        connection.close()
