"""`/policies`: what the organization wants of its keys."""

import msgspec
from litestar import get, post
from msgspec import UNSET, UnsetType

from keyhouse.admin.bodies import read, read_choice
from keyhouse.admin.door import Visit, actor_of
from keyhouse.admin.limits import LimitFields, read_limit
from keyhouse.admin.office import TheOffice
from keyhouse.admin.policy import ROOT
from keyhouse.admin.shapes import Json
from keyhouse.control.policies import PolicyChange
from keyhouse.core.limit import format_amount
from keyhouse.core.policy import Makers, Policy


class PolicyFields(msgspec.Struct, forbid_unknown_fields=True):
    """What to change of the policy; what is left out stays, and null takes a rule away."""

    key_days_max: int | UnsetType | None = UNSET
    key_days_default: int | UnsetType | None = UNSET
    rotation_days: int | UnsetType | None = UNSET
    key_makers: str | UnsetType = UNSET
    models: tuple[str, ...] | UnsetType | None = UNSET
    key_limits: tuple[LimitFields, ...] | UnsetType | None = UNSET


@get(f"{ROOT}/policies")
async def retrieve_policies(request: Visit, office: TheOffice) -> Json:
    """The organization's policy on its keys."""
    return _shown(await office.policies.get(actor_of(request).organization_id))


@post(f"{ROOT}/policies", status_code=200)
async def update_policies(request: Visit, office: TheOffice) -> Json:
    """Change it; keys that break it live on, and are shown to."""
    body = await read(request, PolicyFields)
    limits = body.key_limits
    change = PolicyChange(
        key_days_max=body.key_days_max,
        key_days_default=body.key_days_default,
        rotation_days=body.rotation_days,
        key_makers=UNSET if body.key_makers is UNSET else read_choice(Makers, body.key_makers, "key_makers"),
        models=body.models,
        key_limits=UNSET
        if limits is UNSET
        else tuple(read_limit(fields, f"key_limits[{place}].") for place, fields in enumerate(limits or ())),
    )
    return _shown(await office.policies.update(actor_of(request), change))


def _shown(policy: Policy) -> Json:
    return {
        "object": "organization.policies",
        "key_days_max": policy.key_days_max,
        "key_days_default": policy.key_days_default,
        "rotation_days": policy.rotation_days,
        "key_makers": str(policy.key_makers),
        "models": None if policy.models is None else list(policy.models),
        "key_limits": [
            {
                "unit": str(draft.unit),
                "window": str(draft.window),
                "amount": format_amount(draft.unit, draft.amount),
                "model": draft.model,
                "refuse_when_short": draft.refuse_when_short,
            }
            for draft in policy.key_limits
        ],
    }
