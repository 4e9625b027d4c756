"""Headers on every answer."""

import pytest

from console.given_console import Console

pytestmark = pytest.mark.asyncio


async def test_every_answer_carries_the_headers(at_home: Console) -> None:
    for path in ("/api-keys", "/usage", "/nowhere", "/sign-in", "/favicon.svg", "/static/assets/none.js"):
        headers = (await at_home.browser.get(path)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
    assert (await at_home.browser.get("/api-keys")).headers["cache-control"] == "no-store"
