"""What of the numbers, calls and limits a person sees, and what they are told where that is not all of it."""

from typing import Final

import msgspec

from keyhouse.console.doorway import Visit, actor_of, session_of
from keyhouse.console.pages import pages_of
from keyhouse.control.authority import Task, sight_of
from keyhouse.core.authority import Sight

NAMED_MAX: Final = 3
"""How many projects and owners are named; more are counted."""


class Narrowed(msgspec.Struct, frozen=True):
    """What a page shows a part of: names of projects, whoever can show more, and by which permission."""

    projects: str
    owners: str
    permission: str


def usage_seen(request: Visit) -> Sight | None:
    """Whose calls, and numbers of them, that person sees: those of some projects and their own; with None all."""
    return sight_of(actor_of(request), Task.USAGE_READ)


def limits_seen(request: Visit) -> Sight | None:
    """Which limits that person sees: those of some projects and their own; with None all."""
    return sight_of(actor_of(request), Task.LIMITS_READ)


async def narrowed(request: Visit, task: Task) -> Narrowed | None:
    """What is told to whoever sees only a part by this task; None for those who see everything."""
    sight = sight_of(actor_of(request), task)
    if sight is None:
        return None
    desk, session = pages_of(request).desk, session_of(request)
    names = await desk.names(session.organization_id, sight.project_ids)
    owners = await desk.people_questions.owners(session.organization_id)
    return Narrowed(
        listed(sorted(names.values())),
        listed([one.name or one.email for one in owners]) or "An owner",
        str(task),
    )


def listed(names: list[str]) -> str:
    """Names as a sentence has them: `A`, `A and B`, `A, B, C and 4 more`."""
    shown, rest = names[:NAMED_MAX], len(names) - NAMED_MAX
    if rest > 0:
        return f"{', '.join(shown)} and {rest} more"
    return " and ".join(part for part in (", ".join(shown[:-1]), *shown[-1:]) if part)
