"""The form of a role: permissions as things and how far access to each goes, and back to a list. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from keyhouse.console import wording
from keyhouse.core.authority import EVERYTHING, IN_A_PROJECT, Task, Tasks
from keyhouse.core.errors import Code, Refusal

_TITLES: Final = {
    "api.groups": "Groups",
    "api.model": "Calls of models",
    "api.organization.admin_api_keys": "Admin keys",
    "api.organization.audit_logs": "Audit log",
    "api.organization.policies": "Key policies",
    "api.organization.projects": "Projects",
    "api.organization.projects.api_keys": "API keys",
    "api.organization.projects.roles": "Roles in projects",
    "api.organization.projects.own_api_keys": "API keys of their own",
    "api.organization.projects.usage": "Usage, performance and costs",
    "api.organization.projects.users": "People in projects",
    "api.organization.upstreams": "Upstreams and models",
    "api.organization.users": "People",
}
_TITLES_HERE: Final = {
    "api.organization.projects": "The project itself",
    "api.organization.projects.roles": "Roles",
    "api.organization.projects.users": "People",
}
"""Where they are about a single project."""

_ACCESS: Final = {"read": "See", "write": "Change", "request": "Make"}
_FIELD_LENGTH_MAX: Final = 200
_FIELD_OF: Final = {"role_name": "name", "description": "description", "permissions": "access"}
_MENDED: Final = frozenset({Code.PARAMETER_INVALID, Code.CONFLICT, Code.NOT_PERMITTED})


class Thing(msgspec.Struct, frozen=True):
    """What a role can give access to. `choices` are values of the field and their titles, the least first."""

    field: str
    title: str
    choices: tuple[tuple[str, str], ...]


class Typed(msgspec.Struct, frozen=True):
    """What stands in the form, as text; `access` by the field of each thing."""

    name: str = ""
    description: str = ""
    access: dict[str, str] = {}


def _parts(task: Task) -> tuple[str, str]:
    thing, _, access = task.rpartition(".")
    return thing, access


def _field(thing: str) -> str:
    return "may_" + thing.removeprefix("api.").replace(".", "_")


def things(held: Tasks, *, in_project: bool = False) -> tuple[tuple[str, tuple[Thing, ...]], ...]:
    """What may be given by someone who holds this, in two groups: in every project, and in the organization; or, for
    a role of a project, in one.
    """
    inside, outside = ("In this project" if in_project else "In every project"), "In the organization"
    groups: dict[str, dict[str, list[str]]] = {inside: {}, outside: {}}
    for task in sorted(held & (IN_A_PROJECT if in_project else EVERYTHING)):
        thing, access = _parts(task)
        groups[inside if task in IN_A_PROJECT else outside].setdefault(thing, []).append(access)
    return tuple(
        (title, tuple(sorted((_thing(*one, in_project) for one in found.items()), key=lambda thing: thing.title)))
        for title, found in groups.items()
        if found
    )


def _thing(name: str, accesses: Iterable[str], in_project: bool) -> Thing:
    choices = (("", "None"), *((one, _ACCESS.get(one, one)) for one in sorted(accesses)))  # read, then write
    return Thing(_field(name), title_of(name, in_project=in_project), choices)


def title_of(thing: str, *, in_project: bool = False) -> str:
    """What the permissions of a thing are about."""
    special = (_TITLES_HERE.get(thing) if in_project else None) or _TITLES.get(thing)
    return special or wording.sentence(thing.rpartition(".")[2].replace("_", " "))


def read_typed(form: Mapping[str, Any]) -> Typed:
    """The form as it was sent."""
    given = {name: str(value).strip()[:_FIELD_LENGTH_MAX] for name, value in form.items()}
    return Typed(
        given.get("name", ""),
        given.get("description", ""),
        {name: value for name, value in given.items() if name.startswith("may_") and value},
    )


def typed_of(name: str, description: str | None, permissions: Iterable[str]) -> Typed:
    """The form of a role as it is. Whoever may change something may see it, so the widest access is chosen."""
    access: dict[str, str] = {}
    for task in sorted(map(Task, permissions)):
        thing, how = _parts(task)
        access[_field(thing)] = how
    return Typed(name, description or "", access)


def permissions_of(typed: Typed) -> list[str]:
    """The permissions that the form asks for; what is in no list of `things` is left out."""
    by_field = {(_field(thing), access): task for task in Task for thing, access in (_parts(task),)}
    return [str(by_field[asked]) for asked in sorted(typed.access.items()) if asked in by_field]


def in_words(permissions: Iterable[str], *, in_project: bool = False) -> tuple[str, ...]:
    """What a role may do, a phrase for each thing: `change API keys`, `see usage`."""
    access: dict[str, str] = {}
    for task in sorted(map(Task, permissions)):
        thing, how = _parts(task)
        access[thing] = how
    return tuple(
        sorted(
            f"{title_of(thing, in_project=in_project)}: {_ACCESS.get(how, how).lower()}"
            for thing, how in access.items()
        )
    )


def faults_of(refusal: Refusal) -> dict[str, str]:
    """What is said in the form, by the field that it is about; raises what the form cannot mend."""
    if refusal.code not in _MENDED:
        raise refusal
    field = "access" if refusal.code is Code.NOT_PERMITTED else _FIELD_OF.get(refusal.param or "", "access")
    return {field: refusal.text}
