"""`/spend_limit` and `/projects/{project_id}/spend_limit`: retrieve, update, delete.

A spend limit is the limit in usd a month on the project or the organization, for all models, and in cents: what is set
here is what the ledger enforces, to the nano-USD and before the call.
"""

from typing import Final

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath

from keyhouse.admin.bodies import read
from keyhouse.admin.door import Visit, actor_of
from keyhouse.admin.office import Office, TheOffice
from keyhouse.admin.policy import ROOT
from keyhouse.admin.shapes import Json
from keyhouse.control.limits import LimitDraft
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.limit import LimitState, ScopeType, Unit, Window
from keyhouse.core.money import AMOUNT_MAX, NANO_PER_CENT

CENTS_MAX: Final = AMOUNT_MAX // NANO_PER_CENT

_ORGANIZATION: Final = f"{ROOT}/spend_limit"
_PROJECT: Final = f"{ROOT}/projects/{{project_id:str}}/spend_limit"


class Spend(msgspec.Struct):
    """An amount of money a month; OpenAI has no other currency and no other interval."""

    threshold_amount: int
    currency: str
    interval: str


class SpendLimitFields(Spend):
    """What a spend limit is set to, in cents."""


@get(_ORGANIZATION)
async def retrieve_organization_spend_limit(request: Visit, office: TheOffice) -> Json:
    """What the organization may spend in a month."""
    return await _shown(request, office, None)


@post(_ORGANIZATION, status_code=200)
async def update_organization_spend_limit(request: Visit, office: TheOffice) -> Json:
    """Set what the organization may spend in a month, at once."""
    return await _set(request, office, None)


@delete(_ORGANIZATION, status_code=200)
async def delete_organization_spend_limit(request: Visit, office: TheOffice) -> Json:
    """Let the organization spend without a limit of its own."""
    return await _delete(request, office, None)


@get(_PROJECT)
async def retrieve_project_spend_limit(request: Visit, office: TheOffice, project_id: FromPath[str]) -> Json:
    """What a project may spend in a month."""
    return await _shown(request, office, project_id)


@post(_PROJECT, status_code=200)
async def update_project_spend_limit(request: Visit, office: TheOffice, project_id: FromPath[str]) -> Json:
    """Set what a project may spend in a month, at once."""
    return await _set(request, office, project_id)


@delete(_PROJECT, status_code=200)
async def delete_project_spend_limit(request: Visit, office: TheOffice, project_id: FromPath[str]) -> Json:
    """Let a project spend without a limit of its own."""
    return await _delete(request, office, project_id)


def require_usd_a_month(fields: Spend) -> None:
    """Raise Refusal(PARAMETER_INVALID) for another currency or interval."""
    for name, only in (("currency", "USD"), ("interval", "month")):
        value: str = getattr(fields, name)
        if value != only:
            raise Refusal(
                Code.PARAMETER_INVALID, f"The field {name} is {value[:60]!r}.", hint=f"It is {only}.", param=name
            )


async def _shown(request: Visit, office: Office, project_id: str | None) -> Json:
    found = await _find(request, office, project_id)
    if found is None:
        what = "The organization" if project_id is None else f"The project {project_id}"
        raise Refusal(
            Code.NOT_FOUND, f"{what} has no spend limit.", hint="Set one by POST to the same address, in cents."
        )
    return {
        "object": _kind(project_id),
        # Parts of a cent, which only a limit can have, are rounded up: nothing would be another limit.
        "threshold_amount": -(-found.limit.amount // NANO_PER_CENT),
        "currency": "USD",
        "interval": "month",
        # Reached: not a nano-USD more is reserved.
        "enforcement": {"status": "inactive" if found.left else "enforcing"},
        "limit_id": found.limit.id,
    }


async def _set(request: Visit, office: Office, project_id: str | None) -> Json:
    body = await read(request, SpendLimitFields)
    require_usd_a_month(body)
    if not 1 <= body.threshold_amount <= CENTS_MAX:
        raise Refusal(
            Code.PARAMETER_INVALID,
            f"The field threshold_amount is {body.threshold_amount}.",
            hint=f"It is an amount in cents, from 1 to {CENTS_MAX}.",
            param="threshold_amount",
        )
    draft = LimitDraft(Unit.USD, Window.MONTH, body.threshold_amount * NANO_PER_CENT)
    await office.limits.set(actor_of(request), *_scope(request, project_id), draft, is_amount_alone=True)
    return await _shown(request, office, project_id)


async def _delete(request: Visit, office: Office, project_id: str | None) -> Json:
    shown = await _shown(request, office, project_id)
    await office.limits.delete(actor_of(request), shown["limit_id"])
    return {"object": f"{_kind(project_id)}.deleted", "deleted": True}


async def _find(request: Visit, office: Office, project_id: str | None) -> LimitState | None:
    organization_id = actor_of(request).organization_id
    if project_id is not None:
        await office.project_questions.one(organization_id, project_id)
    for state in await office.limit_questions.list(organization_id, *_scope(request, project_id)):
        if (state.limit.unit, state.limit.window, state.limit.model) == (Unit.USD, Window.MONTH, None):
            return state
    return None


def _scope(request: Visit, project_id: str | None) -> tuple[ScopeType, str]:
    if project_id is None:
        return ScopeType.ORGANIZATION, actor_of(request).organization_id
    return ScopeType.PROJECT, project_id


def _kind(project_id: str | None) -> str:
    return "organization.spend_limit" if project_id is None else "project.spend_limit"
