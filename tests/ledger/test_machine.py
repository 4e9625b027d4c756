"""Any history of reservations, closings, crashes, sweeps and changed limits ends as a plain model of it does."""

import asyncio
import os
import shutil
import tempfile
from pathlib import Path

import msgspec
from hypothesis import assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import Connection, select, update

from given import NOON, FakeClock, a_limit, a_need, an_opening, some_people
from given_engine import Engine
from keyhouse.core.call import Basis, Closing, State
from keyhouse.core.decide import Adjusted, Admitted, Closed, Ignored, Operation, Refused, Reserve, Verdict
from keyhouse.core.identifiers import call_id
from keyhouse.core.limit import ScopeType, Unit, Window
from keyhouse.core.money import Counts
from keyhouse.ledger.auditor import audit
from keyhouse.ledger.housekeeping import Housekeeping, Kept
from keyhouse.ledger.orphans import close_orphans
from keyhouse.ledger.watch import Watch
from keyhouse.store import schema
from ledger.given_child import a_child
from ledger.model import SCOPES, Model, ModelLimit, Sizes

EXAMPLES = int(os.environ.get("KEYHOUSE_MACHINE_EXAMPLES", "30"))
"""Histories for each engine; `make soak` tries many more."""

BACK_MS = 120_000
"""How far the clock may run back: less than a minute's row is kept."""

MODELS = ("tiny-1", "big-1")
SIZES = st.builds(
    lambda nano_usd, tokens, images: Sizes(nano_usd, tokens, tokens // 4, images),
    st.integers(0, 2_000),
    st.integers(0, 200),
    st.integers(0, 3),
)
KINDS = st.tuples(
    st.sampled_from([Unit.USD, Unit.REQUESTS, Unit.TOKENS, Unit.IMAGES]), st.sampled_from(list(Window))
) | st.just((Unit.CONCURRENCY, Window.TOTAL))
AMOUNTS = st.integers(0, 5_000) | st.integers(0, 6)


async def no_pause(seconds: float) -> None:
    assert seconds > 0


class LedgerMachine(RuleBasedStateMachine):
    """Drives real books and the model side by side."""

    calls = Bundle("calls")
    limits = Bundle("limits")

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.engine = engine
        self.folder = Path(tempfile.mkdtemp())
        self.clock = FakeClock()
        self.latest_ms = NOON
        self.runner = asyncio.Runner()
        self.database = engine.open(self.folder, self.clock)
        self.model = Model()
        self.number = 0
        self.alarms: list[tuple[str, ...]] = []
        self.watch = Watch(self.database, self.clock, self.alarms.append, step_calls=3, pause=no_pause)
        self.begin()

    def begin(self) -> None:
        self.books = self.engine.books(self.database, self.clock)
        self.runner.run(self.books.begin())

    @initialize()
    def seed(self) -> None:
        self.runner.run(self.database.write(some_people))
        self.runner.run(self.database.write(a_child))

    def run(self, *batch: Operation) -> tuple[Verdict, ...]:
        return self.runner.run(self.books.run(batch)).verdicts

    @rule(
        target=limits,
        scope=st.sampled_from(sorted(SCOPES)),
        kind=KINDS,
        model=st.sampled_from([None, MODELS[1]]),
        amount=AMOUNTS,
    )
    def create_a_limit(self, scope: ScopeType, kind: tuple[Unit, Window], model: str | None, amount: int) -> str:
        unit, window = kind
        assume(
            all(
                (limit.scope, limit.unit, limit.window, limit.model) != (scope, unit, window, model)
                for limit in self.model.limits.values()
            )
        )
        self.number += 1
        name = f"limit_{self.number}"

        def make(connection: Connection) -> None:
            place = (scope.value, SCOPES[scope])
            a_limit(connection, amount, unit=unit, window=window, scope=place, limit_id=name, model=model)

        self.runner.run(self.database.write(make))
        self.model.limits[name] = ModelLimit(scope, unit, window, model, amount)
        return name

    @rule(name=limits, amount=AMOUNTS)
    def raise_or_lower(self, name: str, amount: int) -> None:
        if name in self.model.limits:
            self.change(name, amount=amount)
            self.model.limits[name].amount = amount

    @rule(name=limits)
    def delete_a_limit(self, name: str) -> None:
        if self.model.limits.pop(name, None):
            self.change(name, deleted_at_ms=self.clock.now_ms())

    def change(self, name: str, **values: int) -> None:
        changed = update(schema.limits).where(schema.limits.c.id == name).values(**values)
        self.runner.run(self.database.write(lambda connection: connection.execute(changed).rowcount))

    @rule(
        target=calls,
        needs=st.lists(st.tuples(SIZES, st.sampled_from(MODELS)), min_size=1, max_size=4),
        is_by_child=st.booleans(),
    )
    def reserve(self, needs: list[tuple[Sizes, str]], is_by_child: bool) -> str:
        """By the key or by a child of it: every limit on the key's way counts both."""
        batch = []
        for need, model in needs:
            self.number += 1
            name = call_id(self.clock.now_ms(), self.number.to_bytes(10))
            wanted = msgspec.structs.replace(a_need(need.nano_usd, tokens=need.tokens), images=need.images)
            opening = an_opening(name, model=model)
            if is_by_child:
                opening = msgspec.structs.replace(opening, key_id="key_child", parent_id="key_1")
            batch.append(Reserve(opening, wanted))
        verdicts = self.run(*batch)
        for operation, verdict, (need, model) in zip(batch, verdicts, needs, strict=True):
            is_expected = self.model.reserve(operation.opening.id, model, need, self.clock.now_ms())
            assert isinstance(verdict, Admitted if is_expected else Refused)
        return batch[0].opening.id

    @rule(call=calls, share=st.sampled_from([0, 0.3, 1, 1.5]), state=st.sampled_from([State.SETTLED, State.RELEASED]))
    def close(self, call: str, share: float, state: State) -> None:
        """Settle below, at and above what was reserved, or release; also late, also twice."""
        need = self.model.calls[call].need if call in self.model.calls else Sizes(0, 0, 0)
        counts = Counts(int(need.tokens * share), images=int(need.images * share))
        used = Sizes(int(need.nano_usd * share), counts.tokens, counts.tokens, counts.images)
        if state is State.RELEASED:
            used, counts = Sizes(0, 0, 0), Counts()
        (verdict,) = self.run(Closing(call, state, Basis.UPSTREAM, counts, used.nano_usd))
        kind = {"closed": Closed, "adjusted": Adjusted, "ignored": Ignored}[self.model.close(call, state, used)]
        assert isinstance(verdict, kind)

    @rule()
    def crash(self) -> None:
        self.runner.run(self.books.end())
        self.begin()
        assert self.runner.run(close_orphans(self.books)) == self.model.crash()

    @rule(seconds=st.integers(-90, 100_000))
    def turn_the_clock(self, seconds: int) -> None:
        assume(self.clock.now_ms() + seconds * 1000 > self.latest_ms - BACK_MS)
        self.clock.turn(seconds=seconds)
        self.latest_ms = max(self.latest_ms, self.clock.now_ms())

    @rule(calls_days=st.none() | st.integers(1, 2))
    def sweep(self, calls_days: int | None) -> None:
        sweep = Housekeeping(self.database, self.clock, Kept(1, calls_days), pause=no_pause, at_once=2)
        self.runner.run(sweep.round())
        kept = set(self.runner.run(self.database.read(lambda c: list(c.execute(select(schema.calls.c.id)).scalars()))))
        for name, call in self.model.calls.items():
            if name not in kept:
                assert call.state is not State.HELD
                call.is_corrected = True  # an orphan that is gone cannot be corrected any more

    @rule()
    def audit_what_is_new(self) -> None:
        assert self.runner.run(self.watch.round()).disagreements == ()
        assert self.alarms == []

    @invariant()
    def every_counter_is_what_the_model_adds_up(self) -> None:
        periods = schema.limit_periods.c
        rows = select(periods.limit_id, periods.period, periods.settled, periods.reserved)
        for limit_id, mark, settled, reserved in self.runner.run(self.database.read(lambda c: c.execute(rows).all())):
            assert (settled, reserved) == self.model.counters(limit_id, mark)

    @invariant()
    def the_auditor_agrees(self) -> None:
        assert self.runner.run(self.database.read(audit)).disagreements == ()

    def teardown(self) -> None:
        self.runner.run(self.books.end())
        self.runner.run(self.database.close())
        self.engine.drop(self.folder)
        self.runner.close()
        shutil.rmtree(self.folder)


def test_any_history_ends_as_in_the_model(engine: Engine) -> None:
    class Driven(LedgerMachine):
        def __init__(self) -> None:
            super().__init__(engine)

    run_state_machine_as_test(Driven, settings=settings(max_examples=EXAMPLES, stateful_step_count=25, deadline=None))
