"""Rotation breaks nobody, and a key that may not be used any more is refused at the next call."""

import time
from collections.abc import Callable

import pytest
from openai import AuthenticationError, OpenAI, RateLimitError
from openai.types.chat import ChatCompletion

from e2e.admin import Admin
from e2e.processes import House

Sdk = Callable[[str], OpenAI]


def ask(client: OpenAI) -> ChatCompletion:
    return client.chat.completions.create(model="tiny-1", messages=[{"role": "user", "content": "Hello"}], max_tokens=4)


def message_of(client: OpenAI) -> str | None:
    """What a refused key is told, None if it is not refused."""
    try:
        ask(client)
    except AuthenticationError as error:
        return error.message if error.code == "invalid_api_key" else None
    return None


def test_both_secrets_work_while_they_overlap_and_the_key_stays_the_same_object(
    house: House, admin: Admin, sdk: Sdk
) -> None:
    key = admin.create_key(
        "rotating", limits=[{"unit": "requests", "window": "total", "amount": "3"}], permissions="all"
    )
    ask(sdk(key["value"]))
    rotated = admin.rotate(key["id"], 60)
    assert rotated["id"] == key["id"]
    assert rotated["value"] != key["value"]
    assert 50 < rotated["previous_secret_expires_at"] - time.time() <= 61
    ask(sdk(key["value"]))
    ask(sdk(rotated["value"]))
    assert [row["secret_version"] for row in house.calls(key["id"])] == [1, 1, 2]
    # The limit of three calls stayed with the key, and the calls before the rotation count on it.
    with pytest.raises(RateLimitError, match="limited to 3 requests"):
        ask(sdk(rotated["value"]))


def test_the_old_secret_ends_when_the_overlap_does(admin: Admin, sdk: Sdk) -> None:
    key = admin.create_key()
    began = time.monotonic()
    rotated = admin.rotate(key["id"], 2)
    old, new = sdk(key["value"]), sdk(rotated["value"])
    while (message := message_of(old)) is None:
        assert time.monotonic() - began < 10, "the old secret still works"
    assert time.monotonic() - began > 1.9
    assert "rotated" in message
    ask(new)


def test_without_an_overlap_the_old_secret_is_refused_at_once(admin: Admin, sdk: Sdk) -> None:
    key = admin.create_key()
    old = sdk(key["value"])
    ask(old)  # so that it is in the gateway's memory
    rotated = admin.rotate(key["id"], 0)
    assert "rotated" in (message_of(old) or "")
    ask(sdk(rotated["value"]))


def test_a_revoked_key_is_refused_at_the_next_call(admin: Admin, sdk: Sdk) -> None:
    key = admin.create_key()
    client = sdk(key["value"])
    ask(client)
    admin.revoke(key["id"])
    assert "revoked" in (message_of(client) or "")


def test_a_disabled_key_is_refused_until_it_is_enabled(admin: Admin, sdk: Sdk) -> None:
    key = admin.create_key()
    client = sdk(key["value"])
    ask(client)
    admin.disable(key["id"])
    assert "disabled" in (message_of(client) or "")
    admin.ask("POST", f"/projects/{admin.project_id}/api_keys/{key['id']}/enable")
    ask(client)


def test_a_key_is_refused_from_the_moment_it_expires(admin: Admin, sdk: Sdk) -> None:
    key = admin.create_key(expires_at=int(time.time()) + 2)
    client = sdk(key["value"])
    ask(client)

    while (message := message_of(client)) is None:
        assert time.time() < key["expires_at"] + 2, "the key still works"
    assert time.time() >= key["expires_at"]
    assert "expired" in message
