"""The form of a role: permissions as things and how far access to each goes, and back to a list. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from keyhouse.console import wording
from keyhouse.core.authority import EVERYTHING, IN_A_PROJECT, Task, Tasks

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
_ACCESS: Final = {"read": "See", "write": "Change", "request": "Make"}
_FIELD_LENGTH_MAX: Final = 200


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


def things(held: Tasks) -> tuple[tuple[str, tuple[Thing, ...]], ...]:
    """What may be given by someone who holds this, in two groups: in every project, and in the organization."""
    groups: dict[str, dict[str, list[str]]] = {"In every project": {}, "In the organization": {}}
    for task in sorted(EVERYTHING & held):
        thing, access = _parts(task)
        group = "In every project" if task in IN_A_PROJECT else "In the organization"
        groups[group].setdefault(thing, []).append(access)
    return tuple(
        (title, tuple(sorted((_thing(name, accesses) for name, accesses in found.items()), key=lambda one: one.title)))
        for title, found in groups.items()
        if found
    )


def _thing(name: str, accesses: Iterable[str]) -> Thing:
    ordered = sorted(accesses)  # read, then write
    return Thing(_field(name), title_of(name), (("", "None"), *((one, _ACCESS.get(one, one)) for one in ordered)))


def title_of(thing: str) -> str:
    """What the permissions of a thing are about."""
    return _TITLES.get(thing) or wording.sentence(thing.rpartition(".")[2].replace("_", " "))


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


def in_words(permissions: Iterable[str]) -> tuple[str, ...]:
    """What a role may do, a phrase for each thing: `change API keys`, `see usage`."""
    access: dict[str, str] = {}
    for task in sorted(map(Task, permissions)):
        thing, how = _parts(task)
        access[thing] = how
    return tuple(sorted(f"{title_of(thing)}: {_ACCESS.get(how, how).lower()}" for thing, how in access.items()))
