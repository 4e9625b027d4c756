"""What the desk is told decides what pages say."""

import pytest

from console.given_console import Console, token_on

pytestmark = pytest.mark.asyncio


async def test_the_public_address_is_what_pages_name_and_what_forms_come_from(at_home: Console) -> None:
    token = token_on(await at_home.page("/api-keys"))
    # The desk is frozen for the product; a test may tell it another address.
    object.__setattr__(at_home.desk, "public_url", "https://keys.meridian.example")
    assert "curl https://keys.meridian.example/v1/chat/completions" in await at_home.page("/api-keys")
    cookies = {f"__Host-{name}": value for name, value in at_home.browser.cookies.items()}
    at_home.browser.cookies.clear()
    for name, value in cookies.items():
        at_home.browser.cookies.set(name, value)
    for origin, status in (("https://evil.example", 403), ("https://keys.meridian.example", 303)):
        headers = {"origin": origin, "host": "keys.meridian.example"}
        answer = await at_home.browser.post("/sign-out", data={"csrf": token}, headers=headers)
        assert answer.status_code == status
