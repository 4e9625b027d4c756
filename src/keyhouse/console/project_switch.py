"""The project that a page is narrowed to: its address alone says which, and the left menu offers the others.

Pages about keys, calls, numbers and limits show that project only. All others show the same as without it, and keep
it in what leads on from them.
"""

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

import msgspec
from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from keyhouse.console.desk import Desk
from keyhouse.console.doorway import Visit, actor_of, session_of
from keyhouse.control.authority import Task, sight_of
from keyhouse.store.projects import Project

FIELD: Final = "project"
"""What it is called in addresses."""

OFFERED_MAX: Final = 200
"""How many projects the menu offers; the others are found in the settings."""

_ID_LENGTH_MAX: Final = 64
_FORGOTTEN: Final = frozenset({FIELD, "after", "done", "key", "on", "page"})
"""What an address does not take along to another project: places in a list, one key, what was just done."""

_NARROWED: Final = ("/api-keys", "/calls", "/costs", "/limits", "/performance", "/usage")


class Offered(msgspec.Struct, frozen=True):
    """A project in the menu, and the address of this page in it."""

    name: str
    address: str
    is_chosen: bool


class ProjectSwitch(msgspec.Struct, frozen=True):
    """What the menu shows. `id` and `name` are of the project that is chosen, empty and all if none is.

    `everything` is the address of this page with all projects, `left_out` how many more projects there are than are
    offered.
    """

    id: str
    name: str
    offered: tuple[Offered, ...]
    everything: str
    left_out: int


def chosen(request: Visit) -> str:
    """The id of the project that the address names, empty if it names none."""
    return str(request.query_params.get(FIELD, ""))[:_ID_LENGTH_MAX].strip()


def kept(request: Visit, path: str) -> str:
    """This path in the project that the address of the request names."""
    return with_project(path, chosen(request))


def with_project(path: str, project_id: str) -> str:
    """This path in a project; as it is for none."""
    if not project_id:
        return path
    return f"{path}{'&' if '?' in path else '?'}{urlencode({FIELD: project_id})}"


@pass_context
def within(context: Context, path: str) -> Markup:
    """The filter of templates: this path in the project that the page is narrowed to."""
    return Markup.escape(with_project(path, context["switch"].id))


async def switch_of(request: Visit, desk: Desk, here: str, narrowed_to: str | None = None) -> ProjectSwitch:
    """What the menu offers this person: the projects that they may see.

    `here` is the page's line in the menu, `narrowed_to` its project if that is not what the address says.
    """
    sight = sight_of(actor_of(request), Task.PROJECTS_READ)
    seen = await desk.project_questions.list(session_of(request).organization_id, include_archived=True, sight=sight)
    wanted, path = chosen(request) if narrowed_to is None else narrowed_to, _path(request, here)
    living = sorted((one for one in seen if one.archived_at_ms is None), key=lambda one: one.name.casefold())
    query = [
        (name, value)
        for name, value in parse_qsl(request.url.query)
        if path == request.url.path and name not in _FORGOTTEN
    ]
    return ProjectSwitch(
        id=wanted,
        name=_name(seen, wanted),
        offered=tuple(
            Offered(one.name, _address(path, [*query, (FIELD, one.id)]), is_chosen=one.id == wanted)
            for one in living[:OFFERED_MAX]
        ),
        everything=_address(path, query),
        left_out=max(0, len(living) - OFFERED_MAX),
    )


def _name(seen: Sequence[Project], wanted: str) -> str:
    if not wanted:
        return "All projects"
    return next((one.name for one in seen if one.id == wanted), "No such project")


def _path(request: Visit, here: str) -> str:
    """Where a switch leads: to this page, or to the list that it belongs to where it is about one thing of it."""
    path = request.url.path
    is_within_a_list = any(path.startswith(f"{one}/") for one in _NARROWED) and path != "/costs/statement"
    return here if request.method != "GET" or is_within_a_list else path


def _address(path: str, query: list[tuple[str, Any]]) -> str:
    return f"{path}?{urlencode(query)}" if query else path
