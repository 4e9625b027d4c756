"""`/settings/upstreams`: the servers that models run on, added, changed, tried and removed.

A credential goes in and never comes out: not into a page, also not when the form comes back.
"""

from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from litestar.status_codes import HTTP_303_SEE_OTHER
from msgspec import UNSET

from keyhouse.console import wording
from keyhouse.console.doorway import Visit, actor_of, read_form, session_of
from keyhouse.console.key_form import FaultsError
from keyhouse.console.member_view import StatusView
from keyhouse.console.pages import pages_of
from keyhouse.console.settings import settings_page
from keyhouse.console.upstream_form import AUTHS, FIELDS, Typed, read_credential, read_typed, typed_of, written_of
from keyhouse.control.authority import Task
from keyhouse.core.errors import Code, Refusal
from keyhouse.reporting.catalog import KnownUpstream

HERE: Final = "/settings/upstreams"


class UpstreamLine(msgspec.Struct, frozen=True):
    """An upstream as a line of the list."""

    id: str
    name: str
    base_url: str
    status: StatusView
    credential: str
    source: str
    models: tuple[str, ...]
    may_change: bool


@get("/settings/upstreams")
async def show_upstreams(request: Visit) -> Response[Any]:
    """Every upstream."""
    return await upstreams_page(request, overlay=None)


async def upstreams_page(
    request: Visit, *, overlay: str | None, status: int = HTTPStatus.OK, **words: Any
) -> Response[Any]:
    """The list, and a sheet or a dialog on it if there is one."""
    pages, session = pages_of(request), session_of(request)
    found = await pages.desk.catalog.questions.upstreams(session.organization_id)
    return await settings_page(
        request,
        "settings/upstreams.html",
        HERE,
        overlay=overlay,
        status=status,
        upstreams=[_line(request, one) for one in found],
        may_edit=pages.may(session, Task.UPSTREAMS),
        **words,
    )


def _line(request: Visit, found: KnownUpstream) -> UpstreamLine:
    desk, name = pages_of(request).desk, found.written.name
    served = tuple(model for model, at in desk.catalog.served().items() if any(one.upstream == name for one in at))
    failures = desk.catalog.failures().get(name, 0)
    failed = f"{wording.plural(failures, 'call')} failed since the start" if failures else ""
    if found.is_shadowed:
        status = StatusView("disabled", "Not used", "the configuration has one of its name")
    elif name in desk.catalog.cooling():
        status = StatusView("expires", "Cooling down", failed)
    else:
        status = StatusView("active", "In use" if served else "Ready", failed)
    held = {None: "in the configuration", True: "kept encrypted", False: "none"}
    return UpstreamLine(
        id=found.id,
        name=name,
        base_url=found.written.base_url,
        status=status,
        credential=held[found.has_credential],
        source="configuration" if found.is_configured else "added here",
        models=served,
        may_change=not found.is_configured,
    )


@get("/settings/upstreams/new")
async def show_new_upstream(request: Visit) -> Response[Any]:
    """The sheet of a new upstream."""
    return await _sheet(request, None, Typed(), {}, HTTPStatus.OK)


@post("/settings/upstreams")
async def create_upstream(request: Visit) -> Response[Any]:
    """Add an upstream, used by every gateway at once."""
    form = await read_form(request)
    typed = read_typed(form)
    credential = read_credential(form, is_new=True)
    try:
        await pages_of(request).desk.catalog.upstreams.create(
            actor_of(request), written_of(typed), None if credential is UNSET else credential
        )
    except FaultsError as wrong:
        return await _sheet(request, None, typed, wrong.faults, HTTPStatus.UNPROCESSABLE_ENTITY)
    except Refusal as refusal:
        return await _refused(request, None, typed, refusal)
    return _done()


@get("/settings/upstreams/{upstream_id:str}/edit")
async def show_edit_upstream(request: Visit, upstream_id: FromPath[str]) -> Response[Any]:
    """The sheet, as the upstream is now."""
    found = await _added(request, upstream_id)
    return await _sheet(request, found, typed_of(found.written), {}, HTTPStatus.OK)


@post("/settings/upstreams/{upstream_id:str}/edit")
async def edit_upstream(request: Visit, upstream_id: FromPath[str]) -> Response[Any]:
    """Change an upstream; its credential stays unless another one is given."""
    found = await _added(request, upstream_id)
    form = await read_form(request)
    typed = msgspec.structs.replace(read_typed(form), name=found.written.name)
    try:
        written = written_of(typed)
        await pages_of(request).desk.catalog.upstreams.update(
            actor_of(request), upstream_id, lambda _: written, read_credential(form, is_new=False)
        )
    except FaultsError as wrong:
        return await _sheet(request, found, typed, wrong.faults, HTTPStatus.UNPROCESSABLE_ENTITY)
    except Refusal as refusal:
        return await _refused(request, found, typed, refusal)
    return _done()


@post("/settings/upstreams/{upstream_id:str}/test")
async def test_upstream(request: Visit, upstream_id: FromPath[str]) -> Response[Any]:
    """Ask it for its models and, where one is named, for one word; and say what came of it."""
    desk, session = pages_of(request).desk, session_of(request)
    found = await desk.catalog.questions.upstream(session.organization_id, upstream_id)
    model = str((await read_form(request)).get("model", "")).strip()[:200] or None
    try:
        steps = await desk.catalog.test(found.written.name, model)
    except Refusal as refusal:
        if refusal.code is not Code.CONFLICT:
            raise
        steps = [{"step": "models", "is_good": False, "says": refusal.text}]
    return await upstreams_page(
        request, overlay="settings/upstream_test.html", found=found, steps=steps, tried=model or ""
    )


@get("/settings/upstreams/{upstream_id:str}/delete")
async def show_delete_upstream(request: Visit, upstream_id: FromPath[str]) -> Response[Any]:
    """The question whether to remove an upstream."""
    found = await _added(request, upstream_id)
    return await upstreams_page(request, overlay="settings/delete_upstream.html", found=found, fault="")


@post("/settings/upstreams/{upstream_id:str}/delete")
async def delete_upstream(request: Visit, upstream_id: FromPath[str]) -> Response[Any]:
    """Remove an upstream that serves no model."""
    found = await _added(request, upstream_id)
    try:
        await pages_of(request).desk.catalog.upstreams.delete(actor_of(request), upstream_id)
    except Refusal as refusal:
        if refusal.code is not Code.CONFLICT:
            raise
        return await upstreams_page(
            request,
            overlay="settings/delete_upstream.html",
            status=HTTPStatus.UNPROCESSABLE_ENTITY,
            found=found,
            fault=refusal.text,
        )
    return _done()


async def _added(request: Visit, upstream_id: str) -> KnownUpstream:
    """An upstream that was added here; raises Refusal(NOT_FOUND, CONFLICT) for what is in the configuration."""
    questions = pages_of(request).desk.catalog.questions
    found = await questions.upstream(session_of(request).organization_id, upstream_id)
    if found.is_configured:
        raise Refusal(
            Code.CONFLICT,
            f"The upstream {found.written.name} is in the configuration, and is changed there.",
            hint="Change keyhouse.toml or the environment, and restart.",
        )
    return found


async def _refused(request: Visit, found: KnownUpstream | None, typed: Typed, refusal: Refusal) -> Response[Any]:
    if refusal.code not in (Code.PARAMETER_INVALID, Code.CONFLICT):
        raise refusal
    field = refusal.param if refusal.param in FIELDS else "name"
    return await _sheet(request, found, typed, {field: refusal.text}, HTTPStatus.UNPROCESSABLE_ENTITY)


async def _sheet(
    request: Visit, found: KnownUpstream | None, typed: Typed, faults: dict[str, str], status: int
) -> Response[Any]:
    return await upstreams_page(
        request,
        overlay="settings/upstream.html",
        status=status,
        found=found,
        typed=typed,
        faults=faults,
        auths=AUTHS,
    )


def _done() -> Response[Any]:
    return Redirect(HERE, status_code=HTTP_303_SEE_OTHER)
