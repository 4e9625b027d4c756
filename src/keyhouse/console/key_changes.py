"""Pages that change keys: create, rotate, end or extend an old secret, disable, enable, revoke.

A new secret stands in the one answer to the POST that made it, and nowhere else: that answer is a page of its
own and not a redirect. All other changes answer with a redirect to a page that shows them.
"""

from http import HTTPStatus
from typing import Any, Final

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from litestar.status_codes import HTTP_303_SEE_OTHER

from keyhouse.console import wording
from keyhouse.console.doorway import Visit, actor_of, base_url, keys_seen, read_form, session_of
from keyhouse.console.key_form import (
    EXPIRES,
    FIELD_OF,
    MACHINE,
    MAY,
    NEW,
    WINDOWS,
    FaultsError,
    Typed,
    draft_of,
    read_typed,
)
from keyhouse.console.key_page import caller_lines, key_page
from keyhouse.console.keys import Asked, list_page
from keyhouse.console.pages import pages_of
from keyhouse.console.project_switch import chosen, kept, with_project
from keyhouse.control.authority import Task, projects_of, sight_of
from keyhouse.control.issuing import IssuedKey
from keyhouse.control.keys import KeyDraft
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.permissions import Access, Resource
from keyhouse.store.service_accounts import ServiceAccount

OVERLAPS: Final = (
    (0, "Now", "Calls with the old secret fail at once."),
    (wording.HOUR_MS, "1 hour", "Both secrets work for an hour."),
    (24 * wording.HOUR_MS, "24 hours", "Both secrets work for a day."),
    (7 * 24 * wording.HOUR_MS, "7 days", "Both secrets work for a week."),
)
_USUAL_OVERLAP_MS: Final = 24 * wording.HOUR_MS
_EXTENSION_MS: Final = 24 * wording.HOUR_MS
_CALLERS_SHOWN: Final = 5
_MACHINES_MAX: Final = 500
"""How many service accounts the create sheet offers, the oldest first; more are reached by API and command."""


@get("/api-keys/new")
async def show_create(request: Visit) -> Response[Any]:
    """The create sheet."""
    return await _sheet(request, Typed(project=chosen(request)), {}, "", HTTPStatus.OK)


@post("/api-keys")
async def create_key(request: Visit) -> Response[Any]:
    """Create a key and show its secret, once."""
    pages, session = pages_of(request), session_of(request)
    typed = read_typed(await read_form(request))
    sight = sight_of(actor_of(request), Task.OWN_API_KEYS)
    projects = await pages.desk.project_questions.list(session.organization_id, sight=sight)
    try:
        draft = draft_of(typed, [project.id for project in projects], pages.desk.models(), pages.times(session))
        issued = await _create(request, typed, draft)
    except FaultsError as wrong:
        return await _sheet(request, typed, wrong.faults, "", HTTPStatus.UNPROCESSABLE_ENTITY)
    except Refusal as refusal:
        if refusal.code is not Code.PARAMETER_INVALID:
            raise
        field = FIELD_OF.get(refusal.param or "")
        faults, note = ({field: refusal.text}, "") if field else ({}, refusal.text)
        return await _sheet(request, typed, faults, note, HTTPStatus.UNPROCESSABLE_ENTITY)
    # A new key stands in the list behind its secret, whatever that was narrowed to.
    project = (chosen(request) and issued.key.project_id) or ""
    return await list_page(
        request,
        Asked(project=project),
        overlay="keys/secret.html",
        status=HTTPStatus.CREATED,
        issued=issued,
        title="Store this secret now",
        leads_to=with_project("/api-keys", project),
        **_test_call(request, issued),
    )


async def _create(request: Visit, typed: Typed, draft: KeyDraft) -> IssuedKey:
    """Make the key, for oneself or a service account. Raises FaultsError for one that is not of the project."""
    desk, actor = pages_of(request).desk, actor_of(request)
    if typed.owner != MACHINE:
        return await desk.keys.create(actor, draft)
    try:
        return await desk.service_accounts.create_drafted_key(
            actor, draft, typed.account, new_name=typed.account_name if typed.account == NEW else None
        )
    except Refusal as refusal:
        if refusal.code is Code.NOT_FOUND and draft.project_id in {one.project_id for one in await _machines(request)}:
            raise FaultsError({"account": "Choose a service account of this project."}) from None
        raise


async def _machines(request: Visit) -> tuple[ServiceAccount, ...]:
    """The service accounts that this person may make keys for."""
    sight = projects_of(actor_of(request), Task.SERVICE_ACCOUNTS)
    questions = pages_of(request).desk.service_account_questions
    return await questions.of_projects(session_of(request).organization_id, sight, _MACHINES_MAX)


async def _sheet(request: Visit, typed: Typed, faults: dict[str, str], note: str, status: int) -> Response[Any]:
    return await list_page(
        request,
        Asked(project=chosen(request)),
        overlay="keys/create.html",
        status=status,
        typed=typed,
        faults=faults,
        note=note,
        models=pages_of(request).desk.models(),
        choices_may=MAY,
        choices_expires=EXPIRES,
        choices_window=WINDOWS,
        resources=[str(resource) for resource in Resource],
        machine_projects=projects_of(actor_of(request), Task.SERVICE_ACCOUNTS),
        machines=await _machines(request),
    )


def _test_call(request: Visit, issued: IssuedKey) -> dict[str, Any]:
    """The model that the dialog's snippets and its test call name, and whether the key may make that call."""
    desk = pages_of(request).desk
    models = issued.key.models or desk.models()
    may_chat = issued.key.permissions.allow(Resource.CHAT_COMPLETIONS, Access.WRITE)
    model = models[0] if models else ""
    return {
        "model": model,
        "can_test": bool(model) and may_chat,
        "address": base_url(request, desk.public_url),
    }


@get("/api-keys/{key_id:str}/rotate")
async def show_rotate(request: Visit, key_id: FromPath[str]) -> Response[Any]:
    """The question how long both secrets shall work."""
    return await key_page(
        request, key_id, overlay="keys/rotate.html", overlaps=OVERLAPS, usual_overlap=_USUAL_OVERLAP_MS
    )


@post("/api-keys/{key_id:str}/rotate")
async def rotate_key(request: Visit, key_id: FromPath[str]) -> Response[Any]:
    """Give the key a new secret and show it, once."""
    asked = str((await read_form(request)).get("overlap", ""))
    allowed = {str(overlap_ms): overlap_ms for overlap_ms, _, _ in OVERLAPS}
    if asked not in allowed:
        raise Refusal(Code.PARAMETER_INVALID, "This overlap is not on offer.", hint="Choose one of the list.")
    issued = await pages_of(request).desk.keys.rotate(actor_of(request), key_id, allowed[asked])
    return await key_page(
        request,
        key_id,
        overlay="keys/secret.html",
        status=HTTPStatus.CREATED,
        issued=issued,
        title="Store the new secret now",
        leads_to=kept(request, f"/api-keys/{key_id}"),
        **_test_call(request, issued),
    )


@get("/api-keys/{key_id:str}/end-old-secret")
async def show_end_old_secret(request: Visit, key_id: FromPath[str]) -> Response[Any]:
    """The question whether to end it now."""
    return await key_page(request, key_id, overlay="keys/end_old_secret.html")


@post("/api-keys/{key_id:str}/end-old-secret")
async def end_old_secret(request: Visit, key_id: FromPath[str]) -> Response[Any]:
    """End the old secret now."""
    await pages_of(request).desk.keys.end_previous_secret(actor_of(request), key_id)
    return _done(request, key_id, "ended")


@post("/api-keys/{key_id:str}/extend-old-secret")
async def extend_old_secret(request: Visit, key_id: FromPath[str]) -> Response[Any]:
    """Let the old secret live a day longer than it would have."""
    pages, session = pages_of(request), session_of(request)
    row = await pages.desk.key_questions.one(session.organization_id, key_id, keys_seen(request))
    old = row.key.previous_secret(pages.desk.clock.now_ms())
    if old is None or old.ends_at_ms is None:
        raise Refusal(
            Code.CONFLICT, f"The old secret of {row.key.name} has ended already.", hint="Rotate the key again."
        )
    await pages.desk.keys.extend_previous_secret(actor_of(request), key_id, old.ends_at_ms + _EXTENSION_MS)
    return _done(request, key_id, "extended")


@post("/api-keys/{key_id:str}/disable")
async def disable_key(request: Visit, key_id: FromPath[str]) -> Response[Any]:
    """Refuse the key's calls until it is enabled again."""
    await pages_of(request).desk.keys.disable(actor_of(request), key_id)
    return _done(request, key_id, "disabled")


@post("/api-keys/{key_id:str}/enable")
async def enable_key(request: Visit, key_id: FromPath[str]) -> Response[Any]:
    """Accept the key's calls again."""
    await pages_of(request).desk.keys.enable(actor_of(request), key_id)
    return _done(request, key_id, "enabled")


@get("/api-keys/{key_id:str}/revoke")
async def show_revoke(request: Visit, key_id: FromPath[str]) -> Response[Any]:
    """What revoking would break, and the question for the key's name."""
    return await _revoke_dialog(request, key_id, "", "", HTTPStatus.OK)


@post("/api-keys/{key_id:str}/revoke")
async def revoke_key(request: Visit, key_id: FromPath[str]) -> Response[Any]:
    """Revoke the key, for good, if its name was typed."""
    pages, session = pages_of(request), session_of(request)
    typed = str((await read_form(request)).get("name", "")).strip()
    row = await pages.desk.key_questions.one(session.organization_id, key_id, keys_seen(request))
    if typed != row.key.name:
        fault = f"Type {row.key.name}, exactly."
        return await _revoke_dialog(request, key_id, typed, fault, HTTPStatus.UNPROCESSABLE_ENTITY)
    await pages.desk.keys.revoke(actor_of(request), key_id)
    return _done(request, key_id, "revoked")


async def _revoke_dialog(request: Visit, key_id: str, typed: str, fault: str, status: int) -> Response[Any]:
    pages, session = pages_of(request), session_of(request)
    times = pages.times(session)
    since_ms = times.now_ms - wording.HOUR_MS
    questions = pages.desk.key_questions
    requests = await questions.requests_by_secret(session.organization_id, key_id, since_ms)
    found = (await pages.desk.caller_questions.of_key(session.organization_id, key_id, since_ms=since_ms)).callers
    return await key_page(
        request,
        key_id,
        overlay="keys/revoke.html",
        status=status,
        typed=typed,
        fault=fault,
        last_hour=sum(requests.values()),
        last_callers=caller_lines(found[:_CALLERS_SHOWN], found, times),
        more_callers=max(0, len(found) - _CALLERS_SHOWN),
    )


def _done(request: Visit, key_id: str, what: str) -> Response[Any]:
    return Redirect(kept(request, f"/api-keys/{key_id}?done={what}&on={key_id}"), status_code=HTTP_303_SEE_OTHER)
