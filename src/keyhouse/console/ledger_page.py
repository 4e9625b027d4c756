"""`/settings/ledger`: whether the books agree with their calls, what runs, and a verification on demand."""

from typing import Any, Final

import msgspec
from litestar import Response, get, post
from litestar.response import Redirect
from litestar.status_codes import HTTP_303_SEE_OTHER

import keyhouse
from keyhouse.console import wording
from keyhouse.console.doorway import Visit, session_of
from keyhouse.console.pages import pages_of
from keyhouse.console.settings import settings_page
from keyhouse.console.wording import Times
from keyhouse.ledger.auditor import Report
from keyhouse.reporting.health import Health, Verification

HERE: Final = "/settings/ledger"


class VerdictView(msgspec.Struct, frozen=True):
    """What an audit found, in words. What disagrees is not named: the books are those of every organization."""

    is_good: bool
    headline: str
    text: str


def verdict(report: Report, when: str) -> VerdictView:
    """A report in words."""
    totals = report.totals
    checked = (
        f"{wording.plural(totals.calls, 'call')}, {wording.plural(totals.periods, 'period')} of limits and "
        f"{wording.plural(totals.rollups, 'sum')} of usage were added up {when}."
    )
    if report.passes:
        return VerdictView(is_good=True, headline="The books agree with their calls", text=checked)
    found = wording.plural(len(report.disagreements), "difference")
    where = "`keyhouse ledger verify`, run where Keyhouse runs, lists what disagrees."
    return VerdictView(is_good=False, headline=f"The books disagree: {found}", text=f"{checked} {where}")


def last_audit(health: Health, times: Times) -> VerdictView | None:
    """What the last audit found; None before the first."""
    if health.report is None or health.audited_at_ms is None:
        return None
    return verdict(health.report, f"{times.ago(health.audited_at_ms)}, in {health.took_ms / 1000:.1f} s")


def verification_view(found: Verification, times: Times) -> VerdictView | None:
    """What a verification found; None while it runs."""
    if found.ended_at_ms is None:
        return None
    if found.report is None:
        return VerdictView(is_good=False, headline="The verification could not be finished", text=found.failure)
    took_s = (found.ended_at_ms - found.began_at_ms) / 1000
    return verdict(found.report, f"on one snapshot {times.ago(found.ended_at_ms)}, in {took_s:.1f} s")


@get("/settings/ledger")
async def show_ledger(request: Visit) -> Response[Any]:
    """How it is now."""
    pages = pages_of(request)
    times = pages.times(session_of(request))
    desk = pages.desk
    health, verification = await desk.health.now(), desk.health.verification
    return await settings_page(
        request,
        "settings/ledger.html",
        HERE,
        health=health,
        engine=desk.engine,
        version=keyhouse.__version__,
        audit=last_audit(health, times),
        running=verification if verification is not None and verification.ended_at_ms is None else None,
        running_for=None if verification is None else (times.now_ms - verification.began_at_ms) // 1000,
        verified=None if verification is None else verification_view(verification, times),
        gateways=[(one.id, times.moment(one.started_at_ms), times.exact(one.started_at_ms)) for one in health.gateways],
    )


@post("/settings/ledger/verify")
async def verify_ledger(request: Visit) -> Response[Any]:
    """Begin to add everything up again; the page shows how it goes."""
    pages_of(request).desk.health.verify()
    return Redirect(HERE, status_code=HTTP_303_SEE_OTHER)
