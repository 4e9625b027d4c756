"""The reader of `POST /v1/keys/children`."""

from typing import Any, Final, TypeVar

import msgspec

from keyhouse.core.children import ChildDraft
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.limit import Unit, Window, parse_amount
from keyhouse.core.permissions import parse_permissions
from keyhouse.core.policy import LimitDraft
from keyhouse.wire import body as bodies

T = TypeVar("T", bound=Unit | Window)

HOUR_SECONDS: Final = 3_600
NAME: Final = "child key"


class _Limit(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    unit: str
    amount: str | int | float
    window: str = "total"
    model: str | None = None
    refuse_when_short: bool = False


class _Fields(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    name: str = NAME
    expires_in_seconds: int = HOUR_SECONDS
    permissions: Any = None
    models: tuple[str, ...] | None = None
    budget_usd: str | int | float | None = None
    limits: tuple[_Limit, ...] = ()


_DECODER: Final = msgspec.json.Decoder(_Fields)


def read_child(body: bytes) -> ChildDraft:
    """Read a request's body; an empty one asks for a child of an hour. Raises Refusal that names the parameter."""
    fields = bodies.read_own(body or b"{}", _DECODER)
    limits = [_limit(limit, f"limits[{place}]") for place, limit in enumerate(fields.limits)]
    if fields.budget_usd is not None:
        amount = _amount(Unit.USD, fields.budget_usd, "budget_usd")
        limits.insert(0, LimitDraft(Unit.USD, Window.TOTAL, amount))
    permissions = None
    if fields.permissions is not None:
        try:
            permissions = parse_permissions(fields.permissions)
        except ValueError as fault:
            raise _invalid("permissions", str(fault)) from None
    return ChildDraft(fields.name, fields.expires_in_seconds, permissions, fields.models, tuple(limits))


def _limit(limit: _Limit, param: str) -> LimitDraft:
    unit = _choice(Unit, limit.unit, f"{param}.unit")
    window = _choice(Window, limit.window, f"{param}.window")
    amount = _amount(unit, limit.amount, f"{param}.amount")
    return LimitDraft(unit, window, amount, limit.model, limit.refuse_when_short)


def _choice(choices: type[T], value: str, param: str) -> T:
    try:
        return choices(value)
    except ValueError:
        known = ", ".join(str(choice) for choice in choices)
        raise _invalid(param, f"{value[:60]!r} is not one of {known}") from None


def _amount(unit: Unit, value: object, param: str) -> int:
    try:
        return parse_amount(unit, value)
    except ValueError as fault:
        raise _invalid(param, str(fault)) from None


def _invalid(param: str, why: str) -> Refusal:
    return Refusal(Code.PARAMETER_INVALID, f"Invalid value for `{param}`: {why}.", param=param)
