"""The page for people who cannot find their key: the inspector, where they are looking, and what an error means.

What is pasted comes in a form's body, is compared, and stands in no address, no log and no answer.
"""

from typing import Any

from litestar import Response, get, post

from keyhouse.console.doorway import Visit, actor_of, keys_seen, read_form, session_of
from keyhouse.console.help_view import Answer, answers
from keyhouse.console.meanings import meanings
from keyhouse.console.narrowing import listed, narrowed
from keyhouse.console.pages import pages_of
from keyhouse.control.authority import Task, sight_of
from keyhouse.reporting.keys import KeyQuery


@get("/help")
async def show_help(request: Visit) -> Response[Any]:
    """The page before anything was asked."""
    return await _page(request, "", ())


@post("/help", status_code=200)
async def inspect_key(request: Visit) -> Response[Any]:
    """The page with what became of the key that was pasted."""
    pages, session = pages_of(request), session_of(request)
    text = str((await read_form(request)).get("key", ""))
    found = await pages.desk.inspections.look(session.organization_id, text, keys_seen(request))
    return await _page(request, found.shown, answers(found, pages.times(session)))


async def _page(request: Visit, shown: str, found: tuple[Answer, ...]) -> Response[Any]:
    pages, session = pages_of(request), session_of(request)
    questions = pages.desk.key_questions
    revoked = await questions.page(
        session.organization_id, KeyQuery(status="revoked", limit=0, sight=keys_seen(request))
    )
    owned = await questions.owned(session.user_id)
    seen = await pages.desk.project_questions.list(
        session.organization_id, sight=sight_of(actor_of(request), Task.PROJECTS_READ)
    )
    sight = keys_seen(request)
    others = [one for one in session.organizations if one[0] != session.organization_id]
    return await pages.signed_in(
        request,
        "help/help.html",
        here="/help",
        overlay=None,
        toast=None,
        shown=shown,
        answers=found,
        revoked=revoked.total,
        revoked_more=revoked.is_more,
        elsewhere=[(one, name, owned.get(one, 0)) for one, name in others],
        narrowed=await narrowed(request, Task.API_KEYS_READ),
        out_of_sight=listed([one.name for one in seen if sight is not None and one.id not in sight.project_ids]),
        meanings=meanings(),
    )
