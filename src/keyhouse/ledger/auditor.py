"""The auditor: adds the books up again from the calls and says where they disagree."""

import msgspec

from keyhouse.core.limit import Unit, format_amount
from keyhouse.core.money import format_usd
from keyhouse.store.engine import Connection
from keyhouse.store.evidence import Evidence, PeriodEvidence, RollupEvidence, Totals, gather
from keyhouse.store.folded import FoldedEvidence


class Report(msgspec.Struct, frozen=True):
    """What was checked, and a sentence for each disagreement."""

    totals: Totals
    disagreements: tuple[str, ...]

    @property
    def passes(self) -> bool:
        """Whether everything agrees."""
        return not self.disagreements


def audit(connection: Connection) -> Report:
    """Check I1, I2, the rollups, what was folded of them, and every call's row, on one snapshot."""
    return report(gather(connection))


def report(evidence: Evidence) -> Report:
    """The evidence in sentences."""
    lines = [line for period in evidence.periods for line in _of_period(period)]
    lines += [_of_rollup(rollup) for rollup in evidence.rollups]
    lines += [_of_folded(folded) for folded in evidence.folded]
    lines += [
        f"call {call_id} ({state}) is not closed properly or counts on a missing period"
        for call_id, state in evidence.strays
    ]
    return Report(evidence.totals, tuple(lines))


def _of_period(found: PeriodEvidence) -> list[str]:
    name = f"limit {found.limit_id}, period {found.period}"
    unit = Unit(found.unit)
    lines = []
    for what, says, adds in (
        ("settled", found.settled, found.settled_expected),
        ("reserved", found.reserved, found.reserved_expected),
    ):
        if says != adds:
            lines.append(
                f"{name}: {what} says {format_amount(unit, says)}, its calls add up to {format_amount(unit, adds)}"
            )
    if found.settled + found.reserved > found.peak + found.overrun:
        lines.append(
            f"{name}: settled and reserved are {format_amount(unit, found.settled + found.reserved)}, "
            f"more than the {format_amount(unit, found.peak)} it ever allowed"
        )
    return lines or [f"{name}: a counter is negative"]


def _of_rollup(found: RollupEvidence) -> str:
    says = _sums(found.requests, found.input_tokens, found.output_tokens, found.cost_nano_usd)
    adds = _sums(
        found.requests_expected,
        found.input_tokens_expected,
        found.output_tokens_expected,
        found.cost_nano_usd_expected,
    )
    return (
        f"usage of {found.key_id} on {found.model} from {found.starts_at_ms}: says {says}, its calls add up to {adds}"
    )


def _of_folded(found: FoldedEvidence) -> str:
    more = ", ".join(f"{value:+} {name}" for name, value in found.more.items())
    return f"{found.table} of {', '.join(found.group)} from {found.starts_at_ms}: beside its hours it has {more}"


def _sums(requests: int | None, given: int | None, output: int | None, cost: int | None) -> str:
    if requests is None:
        return "nothing"
    return f"{requests} requests, {given} + {output} tokens, ${format_usd(cost or 0)}"
