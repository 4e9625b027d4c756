"""`/quickstart`: the newest call of the last hour, of what one sees."""

import pytest

from console.given_call import call
from console.given_console import Console

pytestmark = pytest.mark.asyncio
MINUTE_MS = 60_000


async def test_who_has_called_already_sees_the_newest_call_and_does_not_wait(at_home: Console) -> None:
    assert "Waiting for a call" in await at_home.page("/quickstart")
    key_id, _ = await at_home.create()
    now_ms = at_home.clock.now_ms()
    older = await call(at_home, key_id, now_ms - 40 * MINUTE_MS, place=1)
    newest = await call(at_home, key_id, now_ms - 30 * MINUTE_MS, place=2)
    page = await at_home.page("/quickstart")
    assert ("A call arrived" in page, newest in page, older in page) == (True, True, False)
    at_home.clock.turn(minutes=31)
    assert "Waiting for a call" in await at_home.page("/quickstart")


async def test_nobody_sees_a_call_of_a_project_that_is_not_theirs(at_home: Console) -> None:
    key_id, _ = await at_home.create()
    await call(at_home, key_id, at_home.clock.now_ms() - MINUTE_MS)
    await at_home.become("member")
    assert "Waiting for a call" in await at_home.page("/quickstart")
