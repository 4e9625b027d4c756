"""`/settings/ledger`: the books' health in words, and a verification that shows how it goes."""

from zoneinfo import ZoneInfo

import pytest

from console.given_console import Console
from given import NOON
from keyhouse.console.ledger_page import verdict, verification_view
from keyhouse.console.wording import Times
from keyhouse.ledger.auditor import Report
from keyhouse.reporting.health import Verification
from keyhouse.store.evidence import Totals

pytestmark = pytest.mark.asyncio
HERE = "/settings/ledger"
TOTALS = Totals(calls=1_200, held=1, periods=3, rollups=9, adjustments=0)


async def test_a_verification_is_begun_and_its_outcome_shown(at_home: Console) -> None:
    page = await at_home.page(HERE)
    for words in ("The first audit is still under way", "SQLite", "Calls running here"):
        assert words in page, words
    assert (await at_home.send(f"{HERE}/verify", form_at=HERE)).status_code == 303
    health = at_home.desk.health
    while health.verification is None or health.verification.ended_at_ms is None:
        page = await at_home.page(HERE)
    assert "The books agree with their calls" in await at_home.page(HERE)


async def test_a_reader_may_look_and_verify_and_a_member_may_not(at_home: Console) -> None:
    await at_home.become("reader")
    assert "Verify now" in await at_home.page(HERE)
    await at_home.become("member")
    assert (await at_home.browser.get(HERE)).status_code == 403
    assert (await at_home.send(f"{HERE}/verify", form_at="/settings/account")).status_code == 403


async def test_differences_are_told_one_by_one() -> None:
    found = verdict(Report(TOTALS, ("limit_1 disagrees",)), "just now")
    assert (found.is_good, found.headline) == (False, "The books disagree: 1 difference")
    assert "limit_1" not in repr(found), "it may be another organization's"
    assert verdict(Report(TOTALS, ()), "just now").text.startswith("1,200 calls, 3 periods of limits and 9 sums")


async def test_a_verification_has_no_outcome_while_it_runs_and_says_why_it_failed() -> None:
    times = Times(ZoneInfo("UTC"), NOON)
    assert verification_view(Verification(NOON), times) is None
    failed = verification_view(Verification(NOON, NOON, None, "the disk is full"), times)
    assert failed is not None
    assert (failed.is_good, failed.text) == (False, "the disk is full")
