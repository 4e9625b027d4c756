"""Keys that deserve a second look: what is wrong, how many, and which."""

from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from litestar import Response, get

from keyhouse.console.doorway import Visit, keys_seen, session_of
from keyhouse.console.key_view import key_line
from keyhouse.console.pages import pages_of
from keyhouse.reporting.hygiene import LONG_UNUSED_DAYS, PAGE, UNUSED_DAYS, Habit


class Finding(msgspec.Struct, frozen=True):
    """A habit in words: its name, why it matters, and what to do."""

    title: str
    why: str
    none: str


FINDINGS: Final = {
    Habit.OWNER_GONE: Finding(
        "Owner gone",
        "Whoever these keys belong to is no longer here, so calls with them are refused. Revoke them.",
        "Every key belongs to somebody who is here.",
    ),
    Habit.NO_LIMIT: Finding(
        "No limit",
        "Nothing but the limits of their project and organization holds these keys. Give each a budget.",
        "Every key has a limit of its own.",
    ),
    Habit.NO_EXPIRY: Finding(
        "No expiry",
        "These keys live until somebody revokes them. A date makes somebody look again.",
        "Every key has an end.",
    ),
    Habit.LONG_UNUSED: Finding(
        f"Unused {LONG_UNUSED_DAYS} d",
        "Nobody has called with these keys for three months. Disable them; that is reversible.",
        "Every key was used or made in the last three months.",
    ),
    Habit.UNUSED: Finding(
        f"Unused {UNUSED_DAYS} d",
        "Nobody has called with these keys for a month. Ask their owners, or disable them.",
        "Every key was used or made in the last month.",
    ),
}


def address(habit: Habit, page: int = 1) -> str:
    """The page's address for one habit."""
    query = {"show": str(habit)} | ({"page": page} if page > 1 else {})
    return f"/hygiene?{urlencode(query)}"


@get("/hygiene")
async def show_hygiene(request: Visit) -> Response[Any]:
    """The counts, and the keys with the habit that the address names: the first that any key has, if it names none."""
    pages, session = pages_of(request), session_of(request)
    query, times = request.query_params, pages.times(session)
    shown = query.get("show", "")
    number = query.get("page", "1")
    page = int(number) if number.isascii() and number.isdigit() and 0 < int(number[:6]) < 10_000 else 1
    wanted = Habit(shown) if shown in set(Habit) else None
    found = await pages.desk.hygiene.page(session.organization_id, wanted, page, keys_seen(request))
    asked = found.habit
    first = (page - 1) * PAGE + 1
    last = first + len(found.rows) - 1
    total = found.found.counts[asked]
    return await pages.signed_in(
        request,
        "hygiene/hygiene.html",
        here="/hygiene",
        overlay=None,
        toast=None,
        findings=[(address(habit), habit, FINDINGS[habit], found.found.counts[habit]) for habit in Habit],
        asked=asked,
        finding=FINDINGS[asked],
        total=total,
        living=found.found.total,
        keys=[key_line(row, times) for row in found.rows],
        first=first,
        last=last,
        before=address(asked, page - 1) if page > 1 else None,
        following=address(asked, page + 1) if last < total else None,
    )
