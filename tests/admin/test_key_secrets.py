"""A key's secrets over HTTP: the overlap ended and extended, its callers, and requests that are repeated."""

from typing import Any

from admin.test_keys import KEYS, create, death_of
from admin.town import NOW, Town, refusal
from given_calls import a_call
from keyhouse.core.errors import Code


def rotate(town: Town, key_id: str, **headers: str) -> dict[str, Any]:
    answer = town.ask("POST", f"{KEYS}/{key_id}/rotate", body={"overlap_seconds": 60}, headers=headers)
    assert answer.status_code == 200, answer.text
    rotated: dict[str, Any] = answer.json()
    return rotated


def test_the_overlap_is_extended_and_ended(town: Town) -> None:
    made = create(town)
    path = f"{KEYS}/{made['id']}/previous_secret"
    rotate(town, made["id"])
    shown = town.ask("POST", path, body={"expires_at": NOW + 600}).json()
    assert shown["secrets"][1]["expires_at"] == NOW + 600
    town.clock.turn(seconds=300)
    assert death_of(town, made["value"]) is None
    assert refusal(town.ask("POST", path, body={"expires_at": NOW})) == (400, "expires_at", Code.PARAMETER_INVALID)
    assert refusal(town.ask("POST", path, body={})) == (400, "expires_at", Code.PARAMETER_MISSING)
    assert town.ask("DELETE", path).status_code == 200
    assert death_of(town, made["value"]) is Code.KEY_ROTATED
    assert refusal(town.ask("DELETE", path))[0::2] == (409, Code.CONFLICT)


def test_it_shows_who_still_calls_with_the_old_secret(town: Town) -> None:
    made = create(town)
    rotate(town, made["id"])
    at_ms = town.clock.now_ms()
    for place, (version, address) in enumerate(((1, "192.0.2.1"), (2, "192.0.2.2"), (1, "192.0.2.1"))):
        town.execute(
            lambda c, p=place, v=version, a=address: a_call(  # type: ignore[misc]
                c, at_ms, p, key_id=made["id"], secret_version=v, address=a
            )
        )
    shown = town.ask("GET", f"{KEYS}/{made['id']}/secrets").json()
    assert (shown["start_time"], shown["has_more"]) == (NOW - 86_400, False)
    new, old = shown["data"]
    assert (new["version"], new["requests"], old["version"], old["requests"]) == (2, 1, 1, 2)
    assert (old["expires_at"], old["last_used_at"]) == (NOW + 60, NOW)
    assert old["callers"] == [
        {
            "address": "192.0.2.1",
            "user_agent": "OpenAI/Python 2.1.0",
            "endpoint": "/v1/chat/completions",
            "requests": 2,
            "first_seen_at": NOW,
            "last_seen_at": NOW,
        }
    ]
    assert town.ask("GET", f"{KEYS}/{made['id']}/secrets?start_time={NOW + 1}").json()["data"][1]["callers"] == []


def test_a_create_and_a_rotation_are_done_once_for_one_idempotency_key(town: Town) -> None:
    headers = {"idempotency-key": "build-7"}
    body = {"name": "app", "permissions": "chat_only"}
    made = town.ask("POST", KEYS, body=body, headers=headers).json()
    again = town.ask("POST", KEYS, body=dict(reversed(body.items())), headers=headers).json()
    assert again == made
    other = town.ask("POST", KEYS, body=body | {"name": "other"}, headers=headers)
    assert refusal(other) == (409, "Idempotency-Key", Code.CONFLICT)
    first, second = (rotate(town, made["id"], **{"idempotency-key": "rotate-7"}) for _ in range(2))
    assert first == second
    assert len(first["secrets"]) == 2
    # Another administrator's key of the same name is another request.
    assert town.ask("POST", KEYS, body=body, headers=headers, key=town.admin_key()).json()["id"] != made["id"]


def test_an_idempotency_key_that_is_none_is_refused(town: Town) -> None:
    answer = town.ask("POST", KEYS, body={"name": "app"}, headers={"idempotency-key": ""})
    assert refusal(answer) == (400, "Idempotency-Key", Code.PARAMETER_INVALID)


def test_an_overlap_is_shown_to_end_no_later_than_its_key(town: Town) -> None:
    made = town.ask("POST", "/projects/proj_1/api_keys", body={"name": "short", "expires_at": NOW + 30}).json()
    rotated = rotate(town, made["id"])
    assert rotated["previous_secret_expires_at"] == rotated["expires_at"] == NOW + 30
    assert [secret["expires_at"] for secret in rotated["secrets"]] == [None, NOW + 30]
