"""`/limits`: list, set, retrieve, delete."""

from typing import Final

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath
from msgspec import UNSET, UnsetType

from keyhouse.admin import shapes
from keyhouse.admin.bodies import read, read_amount, read_choice
from keyhouse.admin.door import Visit, actor_of
from keyhouse.admin.office import TheOffice
from keyhouse.admin.policy import ROOT
from keyhouse.admin.queries import query_of
from keyhouse.admin.shapes import Json
from keyhouse.control.authority import Task, sight_of
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.limit import ScopeType, Unit, Window
from keyhouse.core.policy import LimitDraft

_KIND: Final = "organization.limit"
_LIMIT: Final = f"{ROOT}/limits/{{limit_id:str}}"


class LimitFields(msgspec.Struct, forbid_unknown_fields=True):
    """A limit without its scope. The amount is decimal text or a number, read as it was written.

    A limit in concurrency may leave the window out: it has none but the total.
    """

    unit: str
    amount: msgspec.Raw
    window: str | UnsetType = UNSET
    model: str | None = None
    refuse_when_short: bool = False


class Scope(msgspec.Struct, forbid_unknown_fields=True):
    """What a limit stands on. The organization's own id may be left out."""

    type: str
    id: str | None = None


class ScopedLimit(LimitFields, forbid_unknown_fields=True, kw_only=True):
    """A limit with its scope."""

    scope: Scope


@get(f"{ROOT}/limits")
async def list_limits(request: Visit, office: TheOffice) -> Json:
    """The limits that the asker sees, those of one type of scope, or those on one scope."""
    query = query_of(request)
    limit, after = query.page_limit(), query.text("after")
    named = query.text("scope_type")
    scope_type = None if named is None else read_choice(ScopeType, named, "scope_type")
    actor = actor_of(request)
    found = await office.limit_questions.list(
        actor.organization_id,
        scope_type=scope_type,
        scope_id=query.text("scope_id"),
        sight=sight_of(actor, Task.LIMITS_READ),
        mark=after,
    )
    rows, has_more = shapes.page_behind(found, lambda state: state.limit.id, after, limit)
    return shapes.page([shapes.limit(row) for row in rows], has_more=has_more)


@post(f"{ROOT}/limits", status_code=200)
async def set_limit(request: Visit, office: TheOffice) -> Json:
    """Set a limit; one with the same scope, unit, window and model gets the new amount, at once."""
    body = await read(request, ScopedLimit)
    actor = actor_of(request)
    scope_type = read_choice(ScopeType, body.scope.type, "scope.type")
    scope_id = body.scope.id
    if scope_id is None:
        if scope_type is not ScopeType.ORGANIZATION:
            raise Refusal(
                Code.PARAMETER_MISSING,
                "The field scope.id is missing.",
                hint=f"Name the {scope_type} that the limit is for by its id.",
                param="scope.id",
            )
        scope_id = actor.organization_id
    return shapes.limit(await office.limits.set(actor, scope_type, scope_id, read_limit(body)))


@get(_LIMIT)
async def retrieve_limit(request: Visit, office: TheOffice, limit_id: FromPath[str]) -> Json:
    """One limit."""
    actor = actor_of(request)
    sight = sight_of(actor, Task.LIMITS_READ)
    return shapes.limit(await office.limit_questions.one(actor.organization_id, limit_id, sight=sight))


@delete(_LIMIT, status_code=200)
async def delete_limit(request: Visit, office: TheOffice, limit_id: FromPath[str]) -> Json:
    """Take a limit out of force, at once."""
    await office.limits.delete(actor_of(request), limit_id)
    return shapes.deleted(_KIND, limit_id)


def read_limit(fields: LimitFields, place: str = "") -> LimitDraft:
    """A limit from its fields; `place` stands before their names in a refusal."""
    unit = read_choice(Unit, fields.unit, f"{place}unit")
    return LimitDraft(
        unit=unit,
        window=_window(unit, fields.window, f"{place}window"),
        amount=read_amount(unit, fields.amount, f"{place}amount"),
        model=fields.model,
        refuse_when_short=fields.refuse_when_short,
    )


def _window(unit: Unit, named: str | UnsetType, param: str) -> Window:
    if named is not UNSET:
        return read_choice(Window, named, param)
    if unit is Unit.CONCURRENCY:
        return Window.TOTAL
    raise Refusal(
        Code.PARAMETER_MISSING,
        f"The field {param} is missing.",
        hint=f"It is one of {', '.join(Window)}; only a limit in {Unit.CONCURRENCY} does without.",
        param=param,
    )
