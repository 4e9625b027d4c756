"""`/settings/policies`: what the organization wants of its keys."""

from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar import Response, get, post
from litestar.datastructures import FormMultiDict
from litestar.response import Redirect
from litestar.status_codes import HTTP_303_SEE_OTHER

from keyhouse.console import wording
from keyhouse.console.doorway import Visit, actor_of, read_form, session_of
from keyhouse.console.key_form import WINDOWS, FaultsError, read_amount
from keyhouse.console.pages import pages_of
from keyhouse.console.settings import settings_page
from keyhouse.control.authority import Task
from keyhouse.control.policies import PolicyChange
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.limit import Limit, ScopeType, Unit, Window, format_amount
from keyhouse.core.policy import LimitDraft, Makers, Policy

HERE: Final = "/settings/policies"
DAYS: Final = ("key_days_max", "key_days_default", "rotation_days")
_RATES: Final = (("requests", Unit.REQUESTS), ("tokens", Unit.TOKENS))


class Typed(msgspec.Struct, frozen=True):
    """What stands in the form, as text."""

    key_days_max: str = ""
    key_days_default: str = ""
    rotation_days: str = ""
    key_makers: str = "members"
    models: tuple[str, ...] = ()
    budget: str = ""
    budget_window: str = "month"
    requests: str = ""
    tokens: str = ""


def read_typed(form: FormMultiDict) -> Typed:
    """The form as it was sent."""
    texts = {name: str(form.get(name, "")).strip()[:60] for name in Typed.__struct_fields__ if name != "models"}
    return Typed(**texts, models=tuple(str(one) for one in form.getall("model", [])))


def typed_of(policy: Policy) -> Typed:
    """The form of a policy as it is."""
    found = {_field(draft): draft for draft in policy.key_limits}
    budget = found.get("budget")
    texts = {name: "" if getattr(policy, name) is None else str(getattr(policy, name)) for name in DAYS}
    rates = {name: format_amount(unit, found[name].amount) if name in found else "" for name, unit in _RATES}
    return Typed(
        **texts,
        **rates,
        key_makers=str(policy.key_makers),
        models=policy.models or (),
        budget="" if budget is None else format_amount(Unit.USD, budget.amount),
        budget_window="month" if budget is None else str(budget.window),
    )


def change_of(typed: Typed, before: Policy) -> PolicyChange:
    """The change that the form asks for; limits that it has no field for stay. Raises FaultsError."""
    faults: dict[str, str] = {}
    days = {name: _days(getattr(typed, name), name, faults) for name in DAYS}
    drafts = [draft for draft in before.key_limits if not _field(draft)]
    asked = [("budget", typed.budget, Unit.USD, typed.budget_window)]
    asked += [(name, getattr(typed, name), unit, "minute") for name, unit in _RATES]
    for field, text, unit, window in asked:
        if not text:
            continue
        try:
            drafts.append(LimitDraft(unit, Window(window), read_amount(unit, text)))
        except ValueError:
            faults[field] = "Write it as 1500 or 1,500."
    if typed.key_makers not in set(Makers):
        faults["key_makers"] = "Choose one of the list."
    if faults:
        raise FaultsError(faults)
    return PolicyChange(
        **days, key_makers=Makers(typed.key_makers), models=typed.models or None, key_limits=tuple(drafts)
    )


def others_of(policy: Policy) -> list[str]:
    """The limits on new keys that the form has no field for, in words."""
    return [
        f"{wording.limit_size(limit)} {wording.every(limit)}" + (f" of {draft.model}" if draft.model else "")
        for draft in policy.key_limits
        if not _field(draft)
        for limit in (Limit("", "", ScopeType.KEY, "", draft.unit, draft.window, draft.amount, draft.model),)
    ]


def _field(draft: LimitDraft) -> str:
    """The field of the form that a limit stands in, if there is one."""
    if draft.model is not None or draft.refuse_when_short:
        return ""
    if draft.unit is Unit.USD and str(draft.window) in dict(WINDOWS):
        return "budget"
    return next((name for name, unit in _RATES if (draft.unit, draft.window) == (unit, Window.MINUTE)), "")


def _days(text: str, field: str, faults: dict[str, str]) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        faults[field] = "Write days as a whole number, or nothing."
        return None
    return int(text[:9])


@get("/settings/policies")
async def show_policies(request: Visit) -> Response[Any]:
    """The policy as it is."""
    policy = await pages_of(request).desk.policies.get(session_of(request).organization_id)
    return await _page(request, policy, typed_of(policy), {}, HTTPStatus.OK)


@post("/settings/policies")
async def change_policies(request: Visit) -> Response[Any]:
    """Change it; keys that break it live on, and are shown to."""
    desk = pages_of(request).desk
    typed = read_typed(await read_form(request))
    before = await desk.policies.get(session_of(request).organization_id)
    try:
        await desk.policies.update(actor_of(request), change_of(typed, before))
    except FaultsError as wrong:
        return await _page(request, before, typed, wrong.faults, HTTPStatus.UNPROCESSABLE_ENTITY)
    except Refusal as refusal:
        if refusal.code is not Code.PARAMETER_INVALID:
            raise
        field = refusal.param if refusal.param in DAYS else "budget"
        return await _page(request, before, typed, {field: refusal.text}, HTTPStatus.UNPROCESSABLE_ENTITY)
    return Redirect(HERE, status_code=HTTP_303_SEE_OTHER)


async def _page(request: Visit, policy: Policy, typed: Typed, faults: dict[str, str], status: int) -> Response[Any]:
    pages = pages_of(request)
    known = list(pages.desk.models())
    return await settings_page(
        request,
        "settings/policies.html",
        HERE,
        status=status,
        policy=policy,
        typed=typed,
        faults=faults,
        windows=WINDOWS,
        models=[*known, *(name for name in typed.models if name not in known)],
        others=others_of(policy),
        may_edit=pages.may(session_of(request), Task.POLICIES),
    )
