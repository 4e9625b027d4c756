"""Whatever happens in whatever order, the counters equal the calls and never pass the amounts."""

from collections.abc import Mapping

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from given import NOON, a_need, an_opening
from given_decide import SCOPES, a_period, rows_of
from keyhouse.core.bound import Need
from keyhouse.core.call import Closing, State
from keyhouse.core.decide import (
    Adjusted,
    Admitted,
    Closed,
    HeldCall,
    Operation,
    Period,
    Refused,
    Reserve,
    decide,
)
from keyhouse.core.limit import Unit, Window, require_window
from keyhouse.core.money import Counts


def kinds() -> list[tuple[Unit, Window]]:
    """Every unit in a minute and in a month, and what runs at once."""
    found = []
    for unit in Unit:
        for window in (Window.MINUTE, Window.MONTH, Window.TOTAL):
            try:
                require_window(unit, window)
            except ValueError:
                continue
            if unit is Unit.CONCURRENCY or window is not Window.TOTAL:
                found.append((unit, window))
    return found


KINDS = kinds()
SMALL = st.integers(0, 60)
NEEDS = st.builds(
    lambda money, tokens, images, seconds, characters: msgspec.structs.replace(
        a_need(money, tokens=tokens, output_tokens=tokens, nano_usd_per_output_token=3),
        images=images,
        audio_seconds=seconds,
        characters=characters,
    ),
    st.integers(0, 400),
    *[SMALL] * 4,
)
CLOSINGS = st.builds(
    lambda number, state, used, media, charged: Closing(
        f"call_{number}",
        state,
        counts=Counts(used, 0, 0, used // 2, images=media, audio_seconds=media * 2, characters=media * 3),
        charged_nano_usd=charged,
    ),
    st.integers(0, 8),
    st.sampled_from([State.SETTLED, State.RELEASED, State.ORPHANED]),
    st.integers(0, 500),
    SMALL,
    st.none() | st.integers(0, 500),
)
STEPS = st.lists(NEEDS | CLOSINGS, max_size=40)


def holds(period: Period, call: HeldCall) -> int:
    """What a running call holds on a period."""
    reserved = call.reserved
    is_minute = period.limit.window is Window.MINUTE
    return {
        Unit.USD: reserved.nano_usd,
        Unit.REQUESTS: 1,
        Unit.TOKENS: reserved.tokens_estimate if is_minute else reserved.tokens,
        Unit.IMAGES: reserved.images,
        Unit.AUDIO_SECONDS: reserved.audio_seconds,
        Unit.CHARACTERS: reserved.characters,
        Unit.CONCURRENCY: 1,
    }[period.limit.unit]


class Model:
    """What the counters must be: sums over the calls, kept by the simplest means."""

    def __init__(self, periods: list[Period]) -> None:
        self.periods = periods
        self.calls: dict[str, HeldCall] = {}
        self.settled = dict.fromkeys((period.id for period in periods), 0)

    def take(self, operation: Operation, verdict: object, before: Mapping[str, State]) -> None:
        """Note one verdict."""
        if isinstance(operation, Reserve):
            if isinstance(verdict, Admitted):
                self.calls[operation.opening.id] = HeldCall(operation.opening.id, State.HELD, verdict.reserved)
            else:
                assert isinstance(verdict, Refused)
            return
        if isinstance(verdict, Closed):
            assert before[operation.call_id] is State.HELD
            for period in self.periods_of(operation.call_id):
                self.settled[period.id] += self.final(period, operation)
        elif isinstance(verdict, Adjusted):
            assert self.calls[operation.call_id].state is State.ORPHANED
            orphaned = Closing(operation.call_id, State.ORPHANED)
            for period in self.periods_of(operation.call_id):
                self.settled[period.id] += min(0, self.final(period, operation) - self.final(period, orphaned))

    def periods_of(self, call_id: str) -> list[Period]:
        """The periods a call counts on."""
        return [period for period in self.periods if period.id in self.calls[call_id].reserved.period_ids]

    def final(self, period: Period, closing: Closing) -> int:
        """What a call that closes so counts on a period for good."""
        if closing.state is State.RELEASED or period.limit.unit is Unit.CONCURRENCY:
            return 0
        if closing.state is State.ORPHANED:
            return holds(period, self.calls[closing.call_id])
        counts = closing.counts
        return {
            Unit.USD: closing.charged_nano_usd or 0,
            Unit.REQUESTS: 1,
            Unit.TOKENS: counts.input + counts.output,
            Unit.IMAGES: counts.images,
            Unit.AUDIO_SECONDS: counts.audio_seconds,
            Unit.CHARACTERS: counts.characters,
        }[period.limit.unit]

    def check(self) -> None:
        """The counters are the calls', and no admission has passed an amount."""
        for period in self.periods:
            on_it = [
                call
                for call in self.calls.values()
                if call.state is State.HELD and period.id in call.reserved.period_ids
            ]
            assert period.reserved == sum(holds(period, call) for call in on_it)
            assert period.settled == self.settled[period.id]
            assert 0 <= period.settled + period.reserved <= period.peak + period.overrun
            if period.limit.unit is Unit.CONCURRENCY:
                assert (period.settled, period.overrun, period.reserved) == (0, 0, len(on_it))
                assert period.reserved <= period.limit.amount


@settings(max_examples=300)
@given(
    STEPS,
    st.dictionaries(st.sampled_from(range(len(KINDS))), st.integers(0, 300), max_size=3),
    st.lists(st.integers(1, 8), min_size=1, max_size=8),
)
def test_the_counters_equal_the_calls_and_never_pass_the_amounts(
    steps: list[Need | Closing], tight: dict[int, int], sizes: list[int]
) -> None:
    periods = [
        a_period(tight.get(place, 10**9), unit=unit, window=window, scope=list(SCOPES)[place % 4], period_id=place)
        for place, (unit, window) in enumerate(KINDS)
    ]
    model = Model(periods)
    rows = rows_of(periods)
    rows.calls = model.calls
    pending: list[Operation] = []
    asked = 0
    for number, step in enumerate(steps):
        if isinstance(step, Closing):
            pending.append(step)
        else:
            pending.append(Reserve(an_opening(f"call_{asked}"), step))
            asked += 1
        if len(pending) < sizes[number % len(sizes)]:
            continue
        before = {call.id: call.state for call in model.calls.values()}
        for operation, verdict in zip(pending, decide(pending, rows, NOON).verdicts, strict=True):
            model.take(operation, verdict, before)
        pending = []
        model.check()
