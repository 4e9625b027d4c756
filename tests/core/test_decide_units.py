"""The decision for every unit and scope: what is held, what is counted, and which refusal is told."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from given import NOON, a_need, an_opening
from given_decide import a_period, one, rows_of
from keyhouse.core.call import Basis, Closing, Opening, State
from keyhouse.core.decide import (
    Adjusted,
    Admitted,
    Closed,
    HeldCall,
    Ignored,
    Operation,
    Period,
    Refused,
    Reserve,
    Reserved,
    decide,
)
from keyhouse.core.errors import Code
from keyhouse.core.limit import ScopeType, Unit, Window
from keyhouse.core.money import Counts

MEDIA = (Unit.IMAGES, Unit.AUDIO_SECONDS, Unit.CHARACTERS)


def at_once(amount: int, **fields: Any) -> Period:
    """A limit on calls that run at the same moment."""
    period = a_period(amount, unit=Unit.CONCURRENCY, window=Window.TOTAL, **fields)
    period.ends_at_ms = None
    return period


def reserve(call_id: str = "call_1", /, **need: Any) -> Reserve:
    return Reserve(an_opening(call_id), msgspec.structs.replace(a_need(), **need))


def held(call_id: str, verdict: object) -> HeldCall:
    """The call that this verdict admitted."""
    assert isinstance(verdict, Admitted)
    return HeldCall(call_id, State.HELD, verdict.reserved)


def settle(call_id: str = "call_1", /, **counts: int) -> Closing:
    return Closing(call_id, State.SETTLED, Basis.UPSTREAM, Counts(**counts), charged_nano_usd=1)


CLOSINGS = [
    settle(output=5),
    Closing("call_1", State.RELEASED),
    Closing("call_1", State.ORPHANED, Basis.RESERVED),
    Closing("call_1", State.SETTLED, Basis.COUNTED, charged_nano_usd=None),
]


@pytest.mark.parametrize("closing", CLOSINGS, ids=lambda closing: f"{closing.state} {closing.basis}")
def test_a_call_is_held_while_it_runs_freed_however_it_ends_and_never_used_up(closing: Closing) -> None:
    period = at_once(1)
    rows = rows_of([period])
    call = held("call_1", one(reserve("call_1"), rows))
    assert (period.reserved, period.settled, period.left) == (1, 0, 0)
    assert isinstance(one(reserve("call_2"), rows), Refused)
    rows.calls = {"call_1": call}
    assert isinstance(one(closing, rows), Closed)
    assert (period.reserved, period.settled, period.overrun) == (0, 0, 0)
    assert isinstance(one(reserve("call_2"), rows), Admitted)


def test_a_late_settle_of_an_orphan_takes_nothing_from_what_runs() -> None:
    period = at_once(2)
    rows = rows_of([period])
    call = held("call_1", one(reserve("call_1"), rows))
    rows.calls = {"call_1": call}
    one(Closing("call_1", State.ORPHANED, Basis.RESERVED), rows)
    one(reserve("call_2"), rows)
    for late in (settle(output=1), Closing("call_1", State.RELEASED), settle(output=1)):
        assert isinstance(one(late, rows), Adjusted | Ignored)
        assert (period.reserved, period.settled, period.left) == (1, 0, 1)


def test_calls_at_once_that_end_in_a_batch_make_room_in_it() -> None:
    period = at_once(1)
    rows = rows_of([period])
    rows.calls = {"call_1": held("call_1", one(reserve("call_1"), rows))}
    batch: list[Operation] = [reserve("call_2"), reserve("call_3"), settle("call_1")]
    second, third, ended = decide(batch, rows, NOON).verdicts
    assert isinstance(second, Admitted)
    assert isinstance(third, Refused)
    assert isinstance(ended, Closed)
    assert (period.reserved, period.settled) == (1, 0)


@pytest.mark.parametrize(("amount", "code"), [(1, Code.LIMIT_RATE), (0, Code.LIMIT_RATE_TOO_LARGE)])
def test_calls_at_once_are_a_rate_that_has_no_end(amount: int, code: Code) -> None:
    period = at_once(amount)
    period.reserved = amount
    refused = one(reserve("call_2"), rows_of([period]))
    assert isinstance(refused, Refused)
    assert (refused.code, refused.needed, refused.left, refused.resets_at_ms) == (code, 1, 0, None)


@pytest.mark.parametrize("window", [Window.MINUTE, Window.WEEK, Window.TOTAL])
@pytest.mark.parametrize("unit", MEDIA)
def test_what_is_made_heard_and_spoken_is_reserved_at_most_and_settled_to_the_truth(unit: Unit, window: Window) -> None:
    period, other = a_period(10, unit=unit, window=window), a_period(0, unit=other_than(unit), period_id=2)
    rows = rows_of([period, other])
    call = held("call_1", one(reserve(**{unit.value: 8}), rows))
    assert (period.reserved, other.reserved) == (8, 0)
    refused = one(reserve("call_2", **{unit.value: 3}), rows)
    assert isinstance(refused, Refused)
    assert (refused.needed, refused.left) == (3, 2)
    assert isinstance(one(reserve("call_2"), rows), Admitted)
    rows.calls = {"call_1": call}
    one(settle(**{unit.value: 5}), rows)
    assert (period.reserved, period.settled, period.overrun, period.left) == (0, 5, 0, 5)


def other_than(unit: Unit) -> Unit:
    """Another unit of its kind."""
    return MEDIA[MEDIA.index(unit) - 1]


@pytest.mark.parametrize("unit", MEDIA)
def test_more_of_it_than_the_worst_case_is_an_overrun(unit: Unit) -> None:
    period = a_period(4, unit=unit)
    rows = rows_of([period])
    rows.calls = {"call_1": held("call_1", one(reserve(**{unit.value: 4}), rows))}
    one(settle(**{unit.value: 6}), rows)
    assert (period.settled, period.reserved, period.overrun) == (6, 0, 2)


@pytest.mark.parametrize("unit", MEDIA)
def test_an_orphan_counts_all_it_held_and_its_late_settle_gives_the_rest_back(unit: Unit) -> None:
    period = a_period(10, unit=unit)
    rows = rows_of([period])
    rows.calls = {"call_1": held("call_1", one(reserve(**{unit.value: 8}), rows))}
    one(Closing("call_1", State.ORPHANED, Basis.RESERVED), rows)
    assert (period.settled, period.reserved) == (8, 0)
    adjusted = one(settle(**{unit.value: 3}), rows)
    assert isinstance(adjusted, Adjusted)
    assert getattr(adjusted, unit.value) == -5
    assert [getattr(adjusted, other.value) for other in MEDIA if other is not unit] == [0, 0]
    assert period.settled == 3


@pytest.mark.parametrize(
    ("fields", "blocked"),
    [
        ({}, {ScopeType.USER}),
        ({"owner_type": "service_account", "owner_id": "svc_acct_1"}, {ScopeType.SERVICE_ACCOUNT}),
        # The same id as another kind of owner is another scope.
        ({"owner_type": "service_account", "owner_id": "user-1"}, set()),
        ({"owner_id": "user-2"}, set()),
    ],
)
def test_a_limit_on_an_owner_counts_the_calls_of_that_owner_only(
    fields: dict[str, str], blocked: set[ScopeType]
) -> None:
    opening: Opening = msgspec.structs.replace(an_opening(), **fields)
    for scope in (ScopeType.USER, ScopeType.SERVICE_ACCOUNT):
        period = a_period(0, unit=Unit.REQUESTS, scope=scope)
        verdict = one(Reserve(opening, a_need()), rows_of([period]))
        assert isinstance(verdict, Refused) is (scope in blocked)


FAR, NEAR = NOON + 9_000_000, NOON + 1_000


def full(period_id: int, ends_at_ms: int | None, **fields: Any) -> Period:
    """A period with nothing left."""
    period = a_period(0, period_id=period_id, **({"unit": Unit.REQUESTS} | fields))
    period.ends_at_ms = ends_at_ms
    return period


@pytest.mark.parametrize(
    ("periods", "told"),
    [
        ([full(1, NEAR, window=Window.MINUTE), full(2, FAR, window=Window.DAY)], 2),
        ([full(1, FAR, window=Window.WEEK), full(2, NEAR, window=Window.MINUTE)], 1),
        ([full(1, FAR), full(2, None, window=Window.TOTAL), full(3, FAR)], 2),
        ([at_once(0, period_id=1), full(2, NEAR, window=Window.MINUTE)], 2),
        ([full(1, None, window=Window.TOTAL), at_once(0, period_id=2)], 1),
        ([full(1, FAR), full(2, FAR, scope=ScopeType.PROJECT)], 1),
    ],
)
def test_of_several_full_limits_the_one_that_stays_full_longest_is_told(periods: Sequence[Period], told: int) -> None:
    refused = one(reserve(), rows_of(periods))
    assert isinstance(refused, Refused)
    assert refused.limit is not None
    assert refused.limit.id == f"limit_{told}"


@pytest.mark.parametrize("unit", list(Unit))
def test_a_limit_for_one_model_counts_its_calls_only(unit: Unit) -> None:
    window = Window.TOTAL if unit is Unit.CONCURRENCY else Window.MONTH
    period = a_period(10**9, unit=unit, window=window, model="big-1")
    need = msgspec.structs.replace(a_need(100), images=2, audio_seconds=2, characters=2)
    rows = rows_of([period])
    assert isinstance(one(Reserve(an_opening(model="tiny-1"), need), rows), Admitted)
    assert period.reserved == 0
    verdict = one(Reserve(an_opening("call_2", model="big-1"), need), rows)
    assert isinstance(verdict, Admitted)
    assert verdict.reserved.period_ids == (1,)
    assert period.reserved > 0


def test_an_answer_is_not_shortened_for_a_limit_on_what_its_length_does_not_change() -> None:
    need = msgspec.structs.replace(a_need(output_tokens=1_000, nano_usd_per_output_token=1), images=3)
    for unit in MEDIA:
        verdict = one(Reserve(an_opening(), need), rows_of([a_period(3, unit=unit)]))
        assert isinstance(verdict, Admitted)
        assert (verdict.output_tokens_max, verdict.is_shortened) == (None, False)


def test_headers_speak_of_each_unit_once() -> None:
    periods = [a_period(9, unit=Unit.IMAGES), at_once(4, period_id=2), a_period(5, unit=Unit.IMAGES, period_id=3)]
    verdict = one(reserve(images=1), rows_of(periods))
    assert isinstance(verdict, Admitted)
    found = {left.unit: (left.amount, left.left) for left in verdict.remaining}
    assert found == {Unit.IMAGES: (5, 4), Unit.CONCURRENCY: (4, 3)}


def test_a_call_from_before_there_was_a_unit_holds_nothing_of_it() -> None:
    period = a_period(5, unit=Unit.IMAGES)
    call = HeldCall("call_1", State.HELD, Reserved(1, 1, 1, (1,)))
    rows = rows_of([period], calls=[call])
    assert isinstance(one(settle(), rows), Closed)
    assert (period.settled, period.reserved) == (0, 0)
