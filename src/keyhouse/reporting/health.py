"""How the ledger is: its last audit, what runs, what waits, and which gateways live; and a full verification on demand.

The auditor looks at what is new every minute. A verification adds everything up again on one snapshot, as
`keyhouse ledger verify` does; it can take minutes, so it runs beside, one at a time, and is asked after.
"""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec

from keyhouse.core.clock import Clock
from keyhouse.core.errors import Refusal
from keyhouse.ledger.auditor import Report
from keyhouse.ledger.book import Ledger
from keyhouse.ledger.tally import Tally
from keyhouse.ledger.watch import Watch
from keyhouse.store.engine import CannotOpen, Database
from keyhouse.store.health import Gateway, list_gateways


class Health(msgspec.Struct, frozen=True):
    """The ledger at this moment. `report` is None until the first audit has ended; times are milliseconds since 1970.

    `held`, `waiting`, `lost_closings` and `orphans` are this gateway's: calls that run, operations that are not yet
    durable, closings given up, and calls of dead gateways that it closed.
    """

    is_well: bool
    report: Report | None
    audited_at_ms: int | None
    took_ms: float
    held: int
    waiting: int
    lost_closings: int
    orphans: int
    gateways: tuple[Gateway, ...]


class Verification(msgspec.Struct, frozen=True):
    """A full verification: running as long as it has no end. `failure` says why there is no report."""

    began_at_ms: int
    ended_at_ms: int | None = None
    report: Report | None = None
    failure: str = ""


class HealthQuestions:
    """Asks how the ledger is. `audit` adds up everything."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        ledger: Ledger,
        tally: Tally,
        watch: Watch,
        orphans: Callable[[], int],
        audit: Callable[[], Awaitable[Report]],
    ) -> None:
        self._database = database
        self._clock = clock
        self._ledger = ledger
        self._tally = tally
        self._watch = watch
        self._orphans = orphans
        self._audit = audit
        self._running: asyncio.Task[None] | None = None
        self.verification: Verification | None = None

    async def now(self) -> Health:
        """How it is."""
        watch = self._watch
        return Health(
            is_well=self._ledger.is_well,
            report=watch.report,
            audited_at_ms=watch.audited_at_ms,
            took_ms=watch.took_ms,
            held=self._ledger.held,
            waiting=self._ledger.waiting,
            lost_closings=self._tally.lost_closings,
            orphans=self._orphans(),
            gateways=await self._database.read(list_gateways),
        )

    def verify(self) -> None:
        """Begin a verification, unless one runs."""
        if self._running is None or self._running.done():
            self.verification = Verification(self._clock.now_ms())
            self._running = asyncio.create_task(self._verify(self.verification))

    async def _verify(self, begun: Verification) -> None:
        report, failure = None, "It was broken off; the server's log has more."
        try:
            report = await self._audit()
        except (CannotOpen, Refusal) as error:
            failure = str(error)
        finally:
            self.verification = msgspec.structs.replace(
                begun, ended_at_ms=self._clock.now_ms(), report=report, failure=failure
            )
