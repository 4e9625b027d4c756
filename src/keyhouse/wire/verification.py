"""The reader of `POST /v1/keys/verify`: which key, what it shall be allowed to do, and what doing it costs."""

from typing import Any, Final

import msgspec

from keyhouse.core.bound import Need
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.limit import Unit, format_amount, parse_amount
from keyhouse.core.money import PICO_PER_NANO
from keyhouse.core.permissions import Access, Resource, parse_permissions
from keyhouse.wire import body as bodies

MODEL_CHARACTERS_MAX: Final = 200
KEY_CHARACTERS_MAX: Final = 500
COST_MAX: Final = 10**12
"""What a verification may cost, in each unit: a thousand dollars in nano-USD. Sums must stay numbers of a database."""

_COSTS: Final = (Unit.USD, Unit.REQUESTS, Unit.TOKENS, Unit.IMAGES, Unit.AUDIO_SECONDS, Unit.CHARACTERS)


class _Fields(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    key: str
    permissions: Any = None
    cost: dict[str, Any] | None = None
    model: str | None = None
    ip: str | None = None


_DECODER: Final = msgspec.json.Decoder(_Fields)


class Verification(msgspec.Struct, frozen=True):
    """What is asked of a key. `cost` is by unit, nano-USD for usd; without a request it is nothing at all, and only
    looked at.
    """

    key: str
    grants: tuple[tuple[Resource, Access], ...]
    cost: dict[Unit, int]
    model: str | None
    ip: str | None

    def __repr__(self) -> str:
        return "Verification(...)"

    @property
    def is_consuming(self) -> bool:
        """Whether it costs anything."""
        return bool(self.cost[Unit.REQUESTS])

    def need(self) -> Need:
        """The cost as the ledger takes it."""
        cost = self.cost
        return Need(
            input_tokens=cost[Unit.TOKENS],
            input_tokens_estimate=cost[Unit.TOKENS],
            output_tokens_max=0,
            output_tokens_requested=0,
            choices=1,
            base_pico=cost[Unit.USD] * PICO_PER_NANO,
            output_token_pico=0,
            output_is_bounded=True,
            images=cost[Unit.IMAGES],
            audio_seconds=cost[Unit.AUDIO_SECONDS],
            characters=cost[Unit.CHARACTERS],
        )


def read_verification(body: bytes) -> Verification:
    """Read a request's body. Raises Refusal that names the parameter at fault."""
    fields = bodies.read_own(body, _DECODER)
    if not 1 <= len(fields.key) <= KEY_CHARACTERS_MAX:
        raise _invalid("key", f"it has {len(fields.key)} characters", "Send one whole key.")
    if fields.model is not None and not 1 <= len(fields.model) <= MODEL_CHARACTERS_MAX:
        raise _invalid("model", f"it has {len(fields.model)} characters", "Name one model.")
    for name in ("model", "ip"):
        text = getattr(fields, name) or ""
        if len(text) > MODEL_CHARACTERS_MAX or not text.isprintable():
            raise _invalid(name, "it has characters that cannot be seen, or too many", "Write it as people do.")
    return Verification(fields.key, _grants(fields.permissions), _cost(fields.cost or {}), fields.model, fields.ip)


def _grants(given: Any) -> tuple[tuple[Resource, Access], ...]:
    if given is None:
        return ()
    if not isinstance(given, dict):
        raise _invalid("permissions", "it is not an object", 'Send resource and access: {"chat_completions": "write"}.')
    try:
        return tuple(sorted(parse_permissions(given).grants.items()))
    except ValueError as fault:
        raise _invalid("permissions", str(fault), "The reference lists resources and accesses.") from None


def _cost(given: dict[str, Any]) -> dict[Unit, int]:
    cost = dict.fromkeys(_COSTS, 0) | {Unit.REQUESTS: 1}
    for name, value in given.items():
        if name not in _COSTS:
            raise _invalid("cost", f"there is no unit {name[:60]!r}", f"It has {', '.join(_COSTS)}.")
        try:
            cost[Unit(name)] = parse_amount(Unit(name), value)
        except ValueError as fault:
            raise _invalid(f"cost.{name}", str(fault), 'Write it as text, such as "0.01".') from None
        if cost[Unit(name)] > COST_MAX:
            raise _invalid(
                f"cost.{name}", "no request costs as much", f"It is at most {format_amount(Unit(name), COST_MAX)}."
            )
    if cost[Unit.REQUESTS] > 1:
        raise _invalid("cost.requests", "a verification is one request", "Send 1, or 0 to consume nothing.")
    if not cost[Unit.REQUESTS] and any(cost.values()):
        raise _invalid("cost.requests", "what costs something is a request", "Send 1, or leave the other units out.")
    return cost


def _invalid(param: str, why: str, hint: str) -> Refusal:
    return Refusal(Code.PARAMETER_INVALID, f"Invalid value for `{param}`: {why}.", hint=hint, param=param)
