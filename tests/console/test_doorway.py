"""The guard before every route: who, from where, with which token."""

import pytest

from console.given_console import ORIGIN, Console, token_on
from keyhouse.console.doorway import is_loopback
from keyhouse.console.policy import POLICY

pytestmark = pytest.mark.asyncio

ELSEWHERE = (
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": ORIGIN, "sec-fetch-site": "cross-site"},
    {"origin": ORIGIN, "sec-fetch-site": "same-site"},
    {"origin": ORIGIN.replace("8080", "9090")},
)


async def test_a_form_from_another_site_changes_nothing(at_home: Console) -> None:
    token = token_on(await at_home.page("/api-keys"))
    for method, path in POLICY:
        for headers in ELSEWHERE if method == "POST" else ():
            place = path.replace("{key_id}", "key_0000000000").replace("{token}", "t")
            answer = await at_home.browser.request(method, place, headers=headers, data={"csrf": token})
            assert answer.status_code == 403, (path, headers)
            assert "nothing was changed" in answer.text


async def test_a_request_that_does_not_say_where_it_comes_from_changes_nothing(at_home: Console) -> None:
    token = token_on(await at_home.page("/api-keys"))
    del at_home.browser.headers["origin"]
    answer = await at_home.browser.post("/sign-out", data={"csrf": token})
    assert answer.status_code == 403


async def test_a_form_without_its_token_changes_nothing(at_home: Console) -> None:
    for fields in ({"x": "y"}, {"csrf": ""}, {"csrf": "guess"}, {"csrf": "é"}):
        answer = await at_home.browser.post("/sign-out", data=fields)
        assert answer.status_code == 403
    assert (await at_home.browser.get("/api-keys")).status_code == 200


async def test_only_small_url_encoded_forms_are_read(at_home: Console) -> None:
    token = token_on(await at_home.page("/api-keys"))
    answer = await at_home.browser.post("/sign-out", json={"csrf": token})
    assert answer.status_code == 400
    answer = await at_home.browser.post("/sign-out", files={"csrf": (None, token)})
    assert answer.status_code == 400
    answer = await at_home.browser.post("/sign-out", data={"csrf": token, "x": "y" * 100_000})
    assert answer.status_code == 413


async def test_cookies_are_secure_but_on_plain_loopback(at_home: Console) -> None:
    at_home.browser.cookies.clear()
    for origin, name, secure in (
        ("http://localhost:8080", "keyhouse-door", False),
        ("http://10.1.2.3:8080", "__Host-keyhouse-door", True),
        ("https://keys.example", "__Host-keyhouse-door", True),
    ):
        cookie = (await at_home.browser.get(f"{origin}/sign-in")).headers["set-cookie"]
        assert cookie.startswith(f"{name}=")
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert ("Secure" in cookie) is secure


async def test_what_counts_as_this_machine() -> None:
    for host in ("127.0.0.1:8080", "127.9.9.9", "localhost", "keys.localhost:80", "[::1]:8080", "[::1]"):
        assert is_loopback(host), host
    for host in ("10.0.0.1:8080", "localhost.evil.example", "127.0.0.1.evil.example:80", ""):
        assert not is_loopback(host), host
