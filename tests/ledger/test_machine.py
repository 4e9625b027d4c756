"""Any history of reservations, closings, crashes and changed limits leaves books that agree with a plain model."""

import asyncio
import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Connection, select, update

from given import FakeClock, a_limit, a_need, an_opening, some_people
from given_engine import Engine
from keyhouse.core.call import Basis, Closing, State
from keyhouse.core.decide import Adjusted, Admitted, Closed, Operation, Reserve, Reserved, Verdict
from keyhouse.core.identifiers import call_id
from keyhouse.core.limit import Unit, Window
from keyhouse.core.money import Counts
from keyhouse.ledger.auditor import audit
from keyhouse.ledger.housekeeping import Housekeeping, Kept
from keyhouse.ledger.orphans import close_orphans
from keyhouse.ledger.watch import Watch
from keyhouse.store import schema

LIMITS = {
    "limit_key_usd": (Unit.USD, Window.TOTAL, ("key", "key_1")),
    "limit_project_requests": (Unit.REQUESTS, Window.DAY, ("project", "proj_1")),
    "limit_organization_tokens": (Unit.TOKENS, Window.MINUTE, ("organization", "org-1")),
}


async def no_pause(seconds: float) -> None:
    assert seconds > 0


class LedgerMachine(RuleBasedStateMachine):
    """Drives real books on a real file; the model is a total for the one limit that never resets."""

    calls = Bundle("calls")

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.engine = engine
        self.folder = Path(tempfile.mkdtemp())
        self.clock = FakeClock()
        self.runner = asyncio.Runner()
        self.database = engine.open(self.folder, self.clock)
        self.number = 0
        self.amount = 0
        self.spent = 0
        self.reserved: dict[str, Reserved] = {}
        self.orphans: dict[str, Reserved] = {}
        self.alarms: list[tuple[str, ...]] = []
        self.watch = Watch(self.database, self.clock, self.alarms.append, step_calls=3, pause=no_pause)
        self.begin()

    def begin(self) -> None:
        self.books = self.engine.books(self.database, self.clock)
        self.runner.run(self.books.begin())

    @initialize(amounts=st.tuples(st.integers(0, 5_000), st.integers(0, 20), st.integers(0, 400)))
    def seed(self, amounts: tuple[int, int, int]) -> None:
        def rows(connection: Connection) -> None:
            some_people(connection)
            for (limit_id, (unit, window, scope)), amount in zip(LIMITS.items(), amounts, strict=True):
                a_limit(connection, amount, unit=unit, window=window, scope=scope, limit_id=limit_id)

        self.runner.run(self.database.write(rows))
        self.amount = amounts[0]

    def run(self, *batch: Operation) -> tuple[Verdict, ...]:
        return self.runner.run(self.books.run(batch)).verdicts

    @rule(target=calls, needs=st.lists(st.tuples(st.integers(0, 2_000), st.integers(0, 200)), min_size=1, max_size=4))
    def reserve(self, needs: list[tuple[int, int]]) -> str:
        batch = []
        for nano_usd, tokens in needs:
            self.number += 1
            name = call_id(self.clock.now_ms(), self.number.to_bytes(10))
            batch.append(Reserve(an_opening(name), a_need(nano_usd, tokens=tokens)))
        for operation, verdict in zip(batch, self.run(*batch), strict=True):
            if isinstance(verdict, Admitted):
                self.reserved[operation.opening.id] = verdict.reserved
                held = sum(reserved.nano_usd for reserved in self.reserved.values())
                assert self.spent + held <= self.amount
        return batch[0].opening.id

    @rule(call=calls, share=st.floats(0, 1.5), state=st.sampled_from([State.SETTLED, State.RELEASED]))
    def close(self, call: str, share: float, state: State) -> None:
        reserved = self.reserved.get(call) or self.orphans.get(call) or Reserved(0, 0, 0, ())
        charged = int(reserved.nano_usd * share) if state is State.SETTLED else 0
        (verdict,) = self.run(Closing(call, state, Basis.UPSTREAM, Counts(int(reserved.tokens * share)), charged))
        assert isinstance(verdict, Closed) == (call in self.reserved)
        assert isinstance(verdict, Adjusted) == (call in self.orphans)
        if self.reserved.pop(call, None):
            self.spent += charged
        elif self.orphans.pop(call, None):
            self.spent -= max(0, reserved.nano_usd - charged)

    @rule()
    def crash(self) -> None:
        self.runner.run(self.books.end())
        self.begin()
        assert self.runner.run(close_orphans(self.books)) == len(self.reserved)
        self.spent += sum(reserved.nano_usd for reserved in self.reserved.values())
        self.orphans |= self.reserved
        self.reserved = {}

    @rule(amount=st.integers(0, 8_000))
    def change_the_budget(self, amount: int) -> None:
        change = update(schema.limits).where(schema.limits.c.id == "limit_key_usd").values(amount=amount)
        self.runner.run(self.database.write(lambda connection: connection.execute(change).rowcount))
        self.amount = amount

    @rule(seconds=st.integers(-90, 100_000))
    def turn_the_clock(self, seconds: int) -> None:
        self.clock.turn(seconds=seconds)

    @rule(calls_days=st.none() | st.integers(1, 2))
    def sweep(self, calls_days: int | None) -> None:
        sweep = Housekeeping(self.database, self.clock, Kept(1, calls_days), pause=no_pause, at_once=2)
        self.runner.run(sweep.round())
        kept = set(self.runner.run(self.database.read(lambda c: list(c.execute(select(schema.calls.c.id)).scalars()))))
        assert self.reserved.keys() <= kept
        self.orphans = {call: reserved for call, reserved in self.orphans.items() if call in kept}

    @rule()
    def audit_what_is_new(self) -> None:
        assert self.runner.run(self.watch.round()).disagreements == ()
        assert self.alarms == []

    @invariant()
    def the_auditor_agrees(self) -> None:
        assert self.runner.run(self.database.read(audit)).disagreements == ()

    def teardown(self) -> None:
        self.runner.run(self.books.end())
        self.runner.run(self.database.close())
        self.engine.drop(self.folder)
        self.runner.close()
        shutil.rmtree(self.folder)


def test_any_history_leaves_books_that_agree(engine: Engine) -> None:
    class Driven(LedgerMachine):
        def __init__(self) -> None:
            super().__init__(engine)

    run_state_machine_as_test(Driven, settings=settings(max_examples=40, stateful_step_count=30, deadline=None))
