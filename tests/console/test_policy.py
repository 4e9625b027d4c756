"""Who may ask which route."""

import re

import pytest

from console.given_console import Console
from keyhouse.console.policy import POLICY, Who

pytestmark = pytest.mark.asyncio


async def test_without_a_session_every_signed_in_route_leads_to_sign_in(at_home: Console) -> None:
    at_home.browser.cookies.delete("keyhouse")
    for (method, path), who in POLICY.items():
        if who is Who.SIGNED_IN:
            place = place_of(path)
            answer = await at_home.browser.request(method, place, headers={"authorization": "Bearer sk-kh_x"})
            assert answer.status_code == 303, path
            assert answer.headers["location"].startswith("/sign-in")


def place_of(path: str) -> str:
    """The path with ids that nobody has."""
    return re.sub(r"\{(\w+)_id\}", r"\1_0", path)


async def test_anyone_may_ask_only_for_the_door_and_for_files() -> None:
    open_to_all = {path for (_, path), who in POLICY.items() if who is Who.ANYONE}
    assert all(
        path == "/"
        or path.startswith(("/set-up", "/sign-in", "/invite/", "/static/", "/favicon", "/docs", "/openapi.json"))
        for path in open_to_all
    )
