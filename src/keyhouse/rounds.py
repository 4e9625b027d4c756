"""What Keyhouse does by itself, again and again: the auditor, housekeeping, alerts, notices, last uses."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Final

import structlog

from keyhouse.control.admin_keys import USES_SECONDS, AdminKeys
from keyhouse.control.notices import NOTICE_SECONDS, Notices
from keyhouse.control.spend_alerts import SpendWatch
from keyhouse.core.clock import Clock
from keyhouse.core.money import NANO_PER_CENT, format_usd
from keyhouse.ledger.folding import FOLD_SECONDS, Folding
from keyhouse.ledger.housekeeping import SWEEP_SECONDS, Housekeeping, Kept
from keyhouse.ledger.ranking import Rankings
from keyhouse.ledger.refused import WRITE_SECONDS, RefusedCount
from keyhouse.ledger.rounds import repeat
from keyhouse.ledger.watch import AUDIT_SECONDS, Watch
from keyhouse.store.engine import Database, Unavailable
from keyhouse.store.spend_alerts import SpendAlert

SPENDING_SECONDS: Final = 60.0
"""How often spend alerts are looked at."""


def begin_rounds(
    database: Database,
    clock: Clock,
    kept: Kept,
    admin_keys: AdminKeys,
    refused: RefusedCount,
    reread: Callable[[], Awaitable[object]],
) -> tuple[Watch, Housekeeping, Callable[[], Awaitable[None]]]:
    """The auditor and housekeeping, at work in the background, and how to end them.

    `reread` waits until upstreams or models may have changed, and reads them again.
    """
    watch = Watch(database, clock, _tell)
    housekeeping = Housekeeping(database, clock, kept)
    spending = SpendWatch(database, clock, _tell_crossed)
    notices = Notices(database, clock)
    works: tuple[tuple[Callable[[], Awaitable[object]], float, str], ...] = (
        (admin_keys.write_uses, USES_SECONDS, "last uses were not written"),
        (refused.write, WRITE_SECONDS, "what limits refused was not written"),
        (reread, 0.0, "upstreams and models could not be read"),
        (housekeeping.round, SWEEP_SECONDS, "housekeeping has failed"),
        (partial(add_up, Folding(database, clock), Rankings(database, clock)), FOLD_SECONDS, "nothing was added up"),
        (notices.round, NOTICE_SECONDS, "keys were not looked through"),
        (spending.round, SPENDING_SECONDS, "spend alerts could not be looked at"),
        (watch.round, AUDIT_SECONDS, "the books could not be audited"),
    )
    rounds = {
        asyncio.create_task(repeat(work, seconds, partial(report_failure, failure))) for work, seconds, failure in works
    }

    async def finish() -> None:
        for task in rounds:
            task.cancel()
        await asyncio.wait(rounds)
        with suppress(Unavailable):
            await admin_keys.write_uses()
            await refused.write()

    return watch, housekeeping, finish


async def add_up(folding: Folding, rankings: Rankings) -> None:
    """Hours and days that are over; and then, from these, who used most."""
    await folding.round()
    await rankings.round()


def report_failure(message: str, error: BaseException) -> None:
    """Write into the log what failed in the background."""
    structlog.get_logger("keyhouse.ledger").error("ledger", message=message, error=repr(error))


def _tell_crossed(alert: SpendAlert, spent_nano_usd: int) -> None:
    structlog.get_logger("keyhouse.spending").warning(
        "spend_alert",
        alert_id=alert.id,
        organization_id=alert.organization_id,
        project_id=alert.project_id,
        threshold_usd=format_usd(alert.threshold_cents * NANO_PER_CENT),
        spent_usd=format_usd(spent_nano_usd),
    )


def _tell(disagreements: tuple[str, ...]) -> None:
    log = structlog.get_logger("keyhouse.ledger")
    if disagreements:
        log.error("ledger", message="the books disagree", disagreements=disagreements)
    else:
        log.info("ledger", message="the books agree again")
