"""Who is there: people, projects, machines, as rows. All of it is drawn, and the same for the same draw."""

from random import Random
from typing import Final

import msgspec

from keyhouse.core.identifiers import identifier
from keyhouse.demo import names
from keyhouse.store.grants import IN_PROJECT
from keyhouse.store.groups import GROUP_ID

DAY_MS: Final = 86_400_000
FOUNDED_DAYS: Final = 420
"""How old the organization is."""

PEOPLE_MAX: Final = 2_000
MACHINES_MAX: Final = 400
IN_A_GROUP: Final = 5
PROJECTS_OF_A_GROUP: Final = 3


class Place(msgspec.Struct, frozen=True):
    """The organization that is filled, and who owns it."""

    organization_id: str
    owner_id: str


class Owner(msgspec.Struct, frozen=True):
    """Who can have keys in a project: a person who may have left, or a machine."""

    id: str
    project_id: str
    name: str
    is_machine: bool
    gone_at_ms: int | None = None


Tables = dict[str, tuple[tuple[str, ...], list[tuple[object, ...]]]]


class Town(msgspec.Struct, frozen=True):
    """Rows by table, with the columns they have, and who of them can own keys."""

    rows: Tables
    project_ids: tuple[str, ...]
    people: tuple[Owner, ...]
    machines: tuple[Owner, ...]


def build(place: Place, keys: int, now_ms: int, draw: Random) -> Town:
    """An organization for so many keys: projects, people in them, and machines."""
    founded_ms = now_ms - FOUNDED_DAYS * DAY_MS
    count = min(len(names.PROJECTS), max(4, keys // 10))
    projects = [
        (identifier("proj_", draw.randbytes(20)), place.organization_id, name, None, 0, founded_ms + at * DAY_MS, None)
        for at, name in enumerate(names.PROJECTS[:count])
    ]
    ids = tuple(str(row[0]) for row in projects)
    people, members = _people(place, min(PEOPLE_MAX, max(8, keys // 4)), ids, founded_ms, now_ms, draw)
    accounts = _machines(min(MACHINES_MAX, max(4, keys // 8)), ids, draw)
    organization = place.organization_id
    return Town(
        {
            "projects": (
                (
                    *("id", "organization_id", "name", "external_key_id", "is_default", "created_at_ms"),
                    "archived_at_ms",
                ),
                list(projects),
            ),
            "users": (
                ("id", "email", "name", "created_at_ms"),
                [(one.id, _email(one, at), one.name, founded_ms) for at, one in enumerate(people)],
            ),
            "memberships": (
                ("organization_id", "user_id", "role", "added_at_ms", "removed_at_ms"),
                [
                    (organization, one.id, "reader" if at % 40 == 3 else "member", founded_ms, one.gone_at_ms)
                    for at, one in enumerate(people)
                ],
            ),
            "project_members": (("project_id", "user_id", "organization_id", "role", "added_at_ms"), members),
            "service_accounts": (
                ("id", "organization_id", "project_id", "name", "role", "created_at_ms"),
                [(one.id, organization, one.project_id, one.name, "member", founded_ms) for one in accounts],
            ),
            **_groups(place, [one for one in people if one.gone_at_ms is None], ids, founded_ms, draw),
        },
        ids,
        tuple(people),
        tuple(accounts),
    )


def _people(
    place: Place, count: int, project_ids: tuple[str, ...], founded_ms: int, now_ms: int, draw: Random
) -> tuple[list[Owner], list[tuple[object, ...]]]:
    people: list[Owner] = []
    members: list[tuple[object, ...]] = []
    for at in range(count):
        given = names.GIVEN[at % len(names.GIVEN)]
        family = names.FAMILY[(at * 7 + at // len(names.GIVEN)) % len(names.FAMILY)]
        home = project_ids[at % len(project_ids)]
        gone = now_ms - draw.randrange(1, 30) * DAY_MS if at % 25 == 17 else None
        one = Owner(
            identifier("user-", draw.randbytes(20)), home, f"{given} {family}", is_machine=False, gone_at_ms=gone
        )
        people.append(one)
        if gone is not None:
            continue
        role = "owner" if at < len(project_ids) else "viewer" if at % 11 == 5 else "member"
        members.append((home, one.id, place.organization_id, role, founded_ms))
        if draw.random() < 0.3 and (other := draw.choice(project_ids)) != home:
            members.append((other, one.id, place.organization_id, "member", founded_ms))
    return people, members


def _groups(place: Place, people: list[Owner], project_ids: tuple[str, ...], founded_ms: int, draw: Random) -> Tables:
    """Some people together, with a role in some projects."""
    made = [(identifier(GROUP_ID, draw.randbytes(20)), name, role) for name, role in names.GROUPS]
    organization = place.organization_id
    return {
        "groups": (
            ("id", "organization_id", "name", "created_at_ms"),
            [(group_id, organization, name, founded_ms) for group_id, name, _ in made],
        ),
        "group_members": (
            ("group_id", "user_id", "added_at_ms"),
            [
                (group_id, one.id, founded_ms)
                for group_id, _, _ in made
                for one in draw.sample(people, min(IN_A_GROUP, len(people)))
            ],
        ),
        "role_assignments": (
            ("principal_id", "role_id", "project_id", "organization_id", "created_at_ms", "created_by"),
            [
                (group_id, IN_PROJECT + role, project_id, organization, founded_ms, place.owner_id)
                for group_id, _, role in made
                for project_id in draw.sample(project_ids, min(PROJECTS_OF_A_GROUP, len(project_ids)))
            ],
        ),
    }


def _machines(count: int, project_ids: tuple[str, ...], draw: Random) -> list[Owner]:
    kinds = names.MACHINES
    return [
        Owner(
            identifier("svc_acct_", draw.randbytes(20)),
            project_ids[at % len(project_ids)],
            kinds[at % len(kinds)] + (f"-{at // len(kinds) + 1}" if at >= len(kinds) else ""),
            is_machine=True,
        )
        for at in range(count)
    ]


def _email(one: Owner, at: int) -> str:
    name = one.name.lower().replace(" ", ".")
    return f"{name}{at if at >= len(names.GIVEN) else ''}@{names.DOMAIN}"
