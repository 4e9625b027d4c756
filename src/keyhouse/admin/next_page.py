"""Pages in the form whose `next` is the mark to go on behind: OpenAI's NextCursorPage.

A mark is an id and, where it may be gone when it is asked for, when that was made: `group_x.1796079600000`.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from keyhouse.admin import shapes
from keyhouse.admin.door import Visit
from keyhouse.admin.queries import query_of
from keyhouse.admin.shapes import Json

T = TypeVar("T")


def next_page(
    request: Visit,
    found: Sequence[T],
    id_of: Callable[[T], str],
    shown: Callable[[T], Json],
    *,
    limit_default: int,
    limit_max: int,
    made_at_ms: Callable[[T], int | None] = lambda _: None,
) -> Json:
    """The page of what was found that the query's `limit`, `after` and `order` (asc unless desc) ask for.

    `made_at_ms` is what the rows are ordered by, then their ids; what is always there, and first, has none. Without it
    they keep their order.
    """
    query = query_of(request)
    limit, after = query.integer("limit", 0, limit_max), query.text("after")

    def place_of(row: T) -> tuple[int, str]:
        at_ms = made_at_ms(row)
        return (0, "") if at_ms is None else (at_ms, id_of(row))

    def mark_of(row: T) -> str:
        at_ms = made_at_ms(row)
        return id_of(row) if at_ms is None else f"{id_of(row)}.{at_ms}"

    is_turned = query.choice("order", ("asc", "desc"), "asc") == "desc"
    rows = sorted(found, key=place_of)
    gone = _place(after)
    if gone is not None and after is not None:
        after = after.rpartition(".")[0]
        if after not in map(id_of, rows):
            rows = [row for row in rows if (place_of(row) < gone if is_turned else place_of(row) > gone)]
            after = None
    rows, has_more = shapes.page_behind(
        rows[::-1] if is_turned else rows, id_of, after, limit_default if limit is None else limit
    )
    return {
        "object": "list",
        "data": [shown(row) for row in rows],
        "has_more": has_more,
        "next": mark_of(rows[-1]) if has_more else None,
    }


def _place(mark: str | None) -> tuple[int, str] | None:
    """Where the row of this mark was, if it says so."""
    mark_id, _, at_ms = (mark or "").rpartition(".")
    return (int(at_ms), mark_id) if mark_id and at_ms.isascii() and at_ms.isdigit() and len(at_ms) <= 15 else None
