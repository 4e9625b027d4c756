"""Why a call cost what it cost: counts times price, line by line, and whatever else decided. Pure.

The lines come from the function that the charge itself was derived with, and are rounded once, upwards, as it
was. Where they do not add up to the charge, the outcome says what was charged instead, and why.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

import msgspec

from keyhouse.core.call import Basis, Closing, State
from keyhouse.core.decide import Adjusted, charged_on, reserved_on
from keyhouse.core.limit import Limit, Unit, Window
from keyhouse.core.money import DEFAULT_TIER, PICO_PER_NANO, Counts, Price, Rate, cost_lines, cost_nano_usd, format_usd
from keyhouse.store.calls import Call, CountedPeriod


class Outcome(StrEnum):
    """How a charge follows from the lines."""

    RUNNING = "running"
    RELEASED = "released"
    EXACT = "exact"
    CAPPED = "capped"
    RESERVED = "reserved"
    STATED = "stated"
    UNPRICED = "unpriced"
    UNEXPLAINED = "unexplained"


class Line(msgspec.Struct, frozen=True):
    """So many of an item times what each costs."""

    item: str
    count: int
    each_pico_usd: int
    pico_usd: int


class Charge(msgspec.Struct, frozen=True):
    """The lines, what they add up to, that sum rounded once, and what was charged.

    `rate` is the one that the tokens were charged by; it is None, and there are no lines, where nothing was
    counted or no price is known. `overrun_nano_usd` is what was charged beyond what had been reserved.
    """

    outcome: Outcome
    rate: Rate | None
    lines: tuple[Line, ...]
    rounded_nano_usd: int
    charged_nano_usd: int | None
    overrun_nano_usd: int = 0

    @property
    def sum_pico_usd(self) -> int:
        """What the lines add up to, before it is rounded."""
        return sum(line.pico_usd for line in self.lines)

    @property
    def rounding_pico_usd(self) -> int:
        """What rounding added: less than one nano-USD."""
        return self.rounded_nano_usd * PICO_PER_NANO - self.sum_pico_usd


class CountedLimit(msgspec.Struct, frozen=True):
    """What a call reserved on a limit, was charged on it, None while it runs, and had given back: zero or below.

    All in the limit's unit, nano-USD for usd.
    """

    period: CountedPeriod
    reserved: int
    charged: int | None
    adjusted: int = 0


class ExplainedCall(msgspec.Struct, frozen=True):
    """A call and the whole account of its charge; `notes` are sentences.

    `forgotten_limits` are those it counted on whose minute is not kept any more.
    """

    call: Call
    charge: Charge
    limits: tuple[CountedLimit, ...]
    forgotten_limits: int
    notes: tuple[str, ...]


FLAGS: Final = {
    "abandoned": "It was cut short without another word, and what had been seen until then was counted.",
    "client_left": "The client left before the answer was complete.",
    "fell_back": "The upstream would not or could not answer, and the next one was tried, as a call of its own.",
    "no_answer": "It was sent and never answered: the whole input that it may have had is counted.",
    "no_usage": "The upstream did not say what was used.",
    "orphaned": "",  # told by its outcome
    "overrun": "",  # told with the figure
    "rate_limited": "The upstream answered 429.",
    "refused_late": "The upstream read the prompt before it refused or gave up, and may charge for that.",
    "tier_unpriced": "What the upstream asks for that service tier is not known; it may be more than was charged.",
    "unreachable": "No connection to the upstream could be made.",
    "upstream_cut": "The upstream broke off in the middle of its answer.",
    "upstream_error": "The upstream answered with an error of its own (5xx).",
    "usage_clamped": "What the upstream said was used could not be true.",
}
"""What a call's flags mean, in words."""


def explain(call: Call, price: Price | None, periods: Sequence[CountedPeriod]) -> ExplainedCall:
    """The account of a call with its own price, and those periods it counted on that are still kept."""
    charge = charge_of(call, price)
    return ExplainedCall(
        call=call,
        charge=charge,
        limits=tuple(_on(call, period) for period in periods),
        forgotten_limits=len(call.reserved.period_ids) - len(periods),
        notes=tuple(_notes(call, charge)),
    )


def charge_of(call: Call, price: Price | None) -> Charge:
    """What was counted, what it costs, and how the charge follows from it."""
    charged, reserved = call.charged_nano_usd, call.reserved.nano_usd
    if call.state is State.HELD:
        return _without_lines(Outcome.RUNNING, None)
    if call.state is State.RELEASED:
        return _without_lines(Outcome.RELEASED if charged == 0 else Outcome.UNEXPLAINED, charged)
    if call.price_id is None and charged is None:
        return _without_lines(Outcome.UNPRICED, charged)
    if call.state is State.ORPHANED:
        return _without_lines(Outcome.RESERVED if charged == reserved else Outcome.UNEXPLAINED, charged)
    if call.basis is Basis.STATED:
        return _without_lines(Outcome.STATED if charged == reserved else Outcome.UNEXPLAINED, charged)
    if price is None or charged is None:
        return _without_lines(Outcome.UNEXPLAINED, charged)
    cost = cost_nano_usd(call.counts, price, call.tier)
    if charged == cost:
        outcome = Outcome.EXACT
    elif call.basis is Basis.COUNTED and charged == reserved < cost:
        outcome = Outcome.CAPPED
    else:
        outcome = Outcome.UNEXPLAINED
    return Charge(
        outcome=outcome,
        rate=price.rate(call.tier, call.counts.input),
        lines=tuple(Line(*line) for line in cost_lines(call.counts, price, call.tier)),
        rounded_nano_usd=cost,
        charged_nano_usd=charged,
        overrun_nano_usd=max(0, charged - reserved),
    )


def _without_lines(outcome: Outcome, charged_nano_usd: int | None) -> Charge:
    return Charge(outcome, None, (), 0, charged_nano_usd)


def _on(call: Call, period: CountedPeriod) -> CountedLimit:
    limit = period.limit
    reserved = reserved_on(limit, call.reserved)
    match call.state:
        case State.HELD:
            return CountedLimit(period, reserved, None)
        case State.RELEASED:
            return CountedLimit(period, reserved, 0)
        case State.SETTLED:
            return CountedLimit(period, reserved, charged_on(limit, _closing(call)))
        case State.ORPHANED:
            charged = 0 if limit.unit is Unit.CONCURRENCY else reserved
            return CountedLimit(period, reserved, charged, _given_on(limit, call))


def _closing(call: Call) -> Closing:
    return Closing(call.id, call.state, call.basis, call.counts, call.charged_nano_usd)


def _given_on(limit: Limit, call: Call) -> int:
    """What a late settle gave back of this limit."""
    if call.adjustment is None:
        return 0
    given: Adjusted = call.adjustment.given
    match limit.unit:
        case Unit.USD:
            return given.nano_usd
        case Unit.REQUESTS:
            return given.requests
        case Unit.TOKENS:
            return given.tokens_estimate if limit.window is Window.MINUTE else given.tokens
        case Unit.IMAGES:
            return given.images
        case Unit.AUDIO_SECONDS:
            return given.audio_seconds
        case Unit.CHARACTERS:
            return given.characters
        case Unit.CONCURRENCY:
            return 0


def _notes(call: Call, charge: Charge) -> list[str]:
    notes = [_outcome(call, charge)]
    if charge.rate is not None:
        notes += _rate(call.tier, call.counts, charge.rate)
    if charge.overrun_nano_usd:
        notes.append(
            f"It was charged ${format_usd(charge.overrun_nano_usd)} more than it had reserved: the upstream reported "
            "more than the worst case."
        )
    if call.adjustment is not None:
        notes.append(_adjustment(call, call.adjustment.given, call.adjustment.at_ms))
    notes += [sentence for flag in call.flags if (sentence := FLAGS.get(flag, f"It is flagged {flag}."))]
    return notes


def _outcome(call: Call, charge: Charge) -> str:
    reserved = f"${format_usd(call.reserved.nano_usd)}"
    match charge.outcome:
        case Outcome.RUNNING:
            return "It is running: what it reserved is held until it ends."
        case Outcome.RELEASED:
            return "No token was used: it costs nothing, and what it had reserved was released."
        case Outcome.EXACT:
            if call.basis is Basis.UPSTREAM:
                return "The upstream reported what was used; times its price, that is the charge."
            return "The gateway counted what was used; times its price, that is the charge."
        case Outcome.CAPPED:
            return (
                f"The gateway counted what was used, which would cost ${format_usd(charge.rounded_nano_usd)}; what is "
                f"only counted is never charged with more than was reserved, {reserved}."
            )
        case Outcome.RESERVED:
            return (
                "Its gateway died while it ran, and nobody knows what was used: it was charged all that it had "
                f"reserved, {reserved}, because releasing it could let a budget be overspent."
            )
        case Outcome.STATED:
            return f"Whoever had the key verified said what it costs, {reserved}, and that is the charge."
        case Outcome.UNPRICED:
            return (
                "The model's price was not known, so nothing was charged; limits in other units count it all the same."
            )
        case Outcome.UNEXPLAINED:
            return (
                "The charge does not follow from what was counted and its price. Check the books with "
                "`keyhouse ledger verify`."
            )


def _rate(tier: str, counts: Counts, rate: Rate) -> list[str]:
    """What is special about the rate that the tokens were charged by."""
    notes = []
    if tier != rate.tier:
        notes.append(f"The service tier {tier} has no rate of its own: the {rate.tier} one applies.")
    elif tier != DEFAULT_TIER:
        notes.append(f"The rate is the one of the service tier {tier}.")
    if rate.from_input_tokens:
        notes.append(
            f"Its input of {counts.input:,} tokens is a long one: from {rate.from_input_tokens:,} on, every token is "
            "charged by the rate for long prompts."
        )
    return notes


def _adjustment(call: Call, given: Adjusted, at_ms: int) -> str:
    when = datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    told = f"Its gateway had only been paused and told on {when} what was really used"
    if not given.nano_usd:
        return f"{told}: nothing had to be given back in usd."
    cost = format_usd(call.reserved.nano_usd + given.nano_usd)
    return f"{told}: ${format_usd(-given.nano_usd)} was given back, so it cost ${cost}."
