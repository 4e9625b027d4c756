"""Callers on a key's page."""

from zoneinfo import ZoneInfo

import pytest

from console.given_call import call
from console.given_console import Console
from given import NOON
from keyhouse.console.key_page import caller_lines
from keyhouse.console.wording import Times
from keyhouse.store.callers import Caller

HOUR = 3_600_000


def test_a_caller_that_was_not_seen_in_the_last_hour_is_told_apart() -> None:
    def caller(address: str, requests: int) -> Caller:
        return Caller(1, address, "OpenAI/Python", "/v1/responses", requests, NOON - 9 * HOUR, NOON - 2 * HOUR)

    lines = caller_lines([caller("10.0.0.1", 9), caller("", 4)], [caller("10.0.0.1", 2)], Times(ZoneInfo("UTC"), NOON))
    assert [(line.address, line.recent, line.requests, line.is_gone) for line in lines] == [
        ("10.0.0.1", "2", "9", False),
        ("unknown", "0", "4", True),
    ]


@pytest.mark.asyncio
async def test_who_still_uses_the_old_secret_and_who_used_the_key_before_it_is_revoked(at_home: Console) -> None:
    key_id, _ = await at_home.create("alpha")
    await at_home.send(f"/api-keys/{key_id}/rotate", form_at=f"/api-keys/{key_id}/rotate", overlap="86400000")
    await call(at_home, key_id, NOON - 60_000, 1, secret_version=1, address="10.20.4.17")
    await call(at_home, key_id, NOON - 60_000, 2, secret_version=2, address="10.20.9.3")
    await call(at_home, key_id, NOON - 5 * HOUR, 3, secret_version=1, address="10.20.4.16")
    page = await at_home.page(f"/api-keys/{key_id}")
    old = page.partition("Callers on the old secret</caption>")[2].partition("</table>")[0]
    assert "10.20.4.17" in old
    assert "not seen since 5 h ago" in old
    assert "10.20.9.3" not in old
    dialog = (await at_home.page(f"/api-keys/{key_id}/revoke")).partition('class="who"')[2]
    assert "10.20.4.17" in dialog
    assert "10.20.9.3" in dialog
    assert "10.20.4.16" not in dialog
