"""An agent's run on a running Keyhouse, from the key that pays for it to the leak that ends it."""

import time
from collections.abc import Callable

import httpx
import pytest
from openai import AuthenticationError, OpenAI, RateLimitError

from e2e.admin import Admin
from e2e.processes import House

Sdk = Callable[[str], OpenAI]


def ask(client: OpenAI) -> None:
    client.chat.completions.create(model="tiny-1", messages=[{"role": "user", "content": "Hello"}], max_tokens=4)


def post(house: House, path: str, secret: str | None, body: object) -> httpx.Response:
    headers = {} if secret is None else {"authorization": f"Bearer {secret}"}
    return httpx.post(f"{house.url}/v1{path}", json=body, headers=headers, timeout=30)


def test_a_child_key_pays_out_of_its_parent_is_verified_and_dies_of_its_parents_leak(
    house: House, admin: Admin, sdk: Sdk
) -> None:
    limits = [{"unit": "requests", "window": "total", "amount": "3"}]
    parent = admin.create_key("agent", permissions={"chat_completions": "write", "child_keys": "write"}, limits=limits)
    child = post(house, "/keys/children", parent["value"], {"name": "run 1", "expires_in_seconds": 600}).json()
    ask(sdk(child["value"]))
    (call,) = house.calls(child["id"])
    assert call["key_id"] == child["id"]
    # The same limit is charged by a call of the child, a verification of it, and a call of the parent.
    told = post(house, "/keys/verify", admin.admin_key, {"key": child["value"]}).json()
    assert (told["code"], told["key"]["parent_id"]) == ("VALID", parent["id"])
    ask(sdk(parent["value"]))
    for secret in (child["value"], parent["value"]):
        with pytest.raises(RateLimitError):
            ask(sdk(secret))
    refused = post(house, "/keys/verify", admin.admin_key, {"key": child["value"]}).json()
    assert (refused["valid"], refused["code"]) == (False, "USAGE_EXCEEDED")
    leaked = post(
        house, "/leaks", None, [{"token": parent["value"], "type": "keyhouse", "url": "https://example.com/a"}]
    )
    assert (leaked.status_code, leaked.content) == (204, b"")
    for secret in (child["value"], parent["value"]):
        with pytest.raises(AuthenticationError, match="is disabled since"):
            ask(sdk(secret))
    shown = admin.ask("GET", "/audit_logs", query={"resource_ids[]": parent["id"]})
    assert "api_key.leaked" in [entry["event"] for entry in shown["data"]]


def test_a_last_use_of_the_admin_key_is_shown(admin: Admin) -> None:
    began = time.monotonic()
    while all(key["last_used_at"] is None for key in admin.ask("GET", "/admin_api_keys")["data"]):
        assert time.monotonic() - began < 60, "the use of the admin key was never written"
        time.sleep(0.5)
