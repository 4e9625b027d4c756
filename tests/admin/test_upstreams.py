"""Upstreams over HTTP: added, changed, tried and removed; a credential goes in and never comes out."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from admin.town import SEALING, Town, refusal
from keyhouse.control.upstreams import row_of
from keyhouse.core.errors import Code
from keyhouse.core.sealing import Sealed, unseal

CANARY = "sk-upstream-canary-0123456789"
BODY: dict[str, Any] = {"name": "own", "base_url": "https://api.example.com/v1", "api_key": CANARY}


def everything_said(town: Town) -> str:
    return repr(town.everything()) + repr(town.rows("audit_events"))


def test_an_upstream_is_added_shown_changed_and_removed(town: Town) -> None:
    made = town.ask("POST", "/upstreams", body=BODY | {"connect_timeout_seconds": 2}).json()
    assert made == {
        "object": "organization.upstream",
        "id": made["id"],
        "name": "own",
        "base_url": "https://api.example.com/v1",
        "auth": "bearer",
        "api_version": None,
        "max_tokens_only": False,
        "allow_private": False,
        "connect_timeout_seconds": 2,
        "first_byte_timeout_seconds": 600,
        "idle_timeout_seconds": 120,
        "has_credential": True,
        "source": "organization",
        "is_shadowed": False,
        "created_at": made["created_at"],
    }
    fixed, own = town.ask("GET", "/upstreams").json()["data"]
    assert (fixed["name"], fixed["source"], fixed["has_credential"]) == ("fixed", "configuration", None)
    assert own == made == town.ask("GET", f"/upstreams/{made['id']}").json()
    changed = town.ask("POST", f"/upstreams/{made['id']}", body={"auth": "api-key"}).json()
    assert changed == made | {"auth": "api-key"}
    assert town.ask("DELETE", f"/upstreams/{made['id']}").json()["deleted"] is True
    assert refusal(town.ask("GET", f"/upstreams/{made['id']}"))[0] == 404
    events = [row["event"] for row in town.rows("audit_events") if row["event"].startswith("upstream.")]
    assert events == ["upstream.created", "upstream.updated", "upstream.deleted"]


def test_a_credential_is_used_kept_encrypted_and_never_shown(town: Town) -> None:
    made = town.ask("POST", "/upstreams", body=BODY)
    upstream_id = made.json()["id"]
    changed = town.ask("POST", f"/upstreams/{upstream_id}", body={"api_key": CANARY + "-2"})
    assert CANARY not in made.text + changed.text + town.ask("GET", "/upstreams").text + everything_said(town)
    (row,) = town.rows("upstreams")
    assert unseal(Sealed(row["credential_key_id"], row["credential"]), SEALING, row_of(upstream_id)) == CANARY + "-2"
    found = town.catalog.routing.find_upstream("own")
    assert found is not None
    assert found.api_key == CANARY + "-2"
    assert town.ask("POST", f"/upstreams/{upstream_id}", body={"api_key": None}).json()["has_credential"] is False
    changed_now = town.catalog.routing.find_upstream("own")
    assert changed_now is not None
    assert changed_now.api_key is None


def test_a_credential_does_not_follow_an_address_to_another_server(town: Town) -> None:
    upstream_id = town.ask("POST", "/upstreams", body=BODY).json()["id"]
    for base_url in ("https://evil.example/v1", "https://api.example.com:8443/v1"):
        answer = town.ask("POST", f"/upstreams/{upstream_id}", body={"base_url": base_url})
        assert refusal(answer) == (400, "api_key", Code.PARAMETER_INVALID)
    same = town.ask("POST", f"/upstreams/{upstream_id}", body={"base_url": "https://api.example.com/openai/v1"})
    assert same.json()["has_credential"] is True
    both = town.ask("POST", f"/upstreams/{upstream_id}", body={"base_url": "https://b.example/v1", "api_key": "k"})
    assert both.json()["base_url"] == "https://b.example/v1"


@pytest.mark.parametrize(
    ("change", "status", "param", "code"),
    [
        ({"name": "fixed"}, 409, "name", Code.CONFLICT),
        ({"base_url": "http://api.example.com/v1"}, 400, "base_url", Code.PARAMETER_INVALID),
        ({"base_url": "nonsense"}, 400, "base_url", Code.PARAMETER_INVALID),
        ({"auth": "basic"}, 400, "auth", Code.PARAMETER_INVALID),
        ({"api_key": "two words"}, 400, "api_key", Code.PARAMETER_INVALID),
        ({"api_key": "a\r\nx-evil: 1"}, 400, "api_key", Code.PARAMETER_INVALID),
        ({"api_key": ""}, 400, "api_key", Code.PARAMETER_INVALID),
        ({"organization_id": "org-2"}, 400, "organization_id", Code.PARAMETER_UNKNOWN),
    ],
)
def test_what_cannot_be_meant_is_refused_by_its_field(
    town: Town, change: dict[str, Any], status: int, param: str, code: Code
) -> None:
    before = town.everything()
    assert refusal(town.ask("POST", "/upstreams", body=BODY | change)) == (status, param, code)
    assert town.everything() == before


def test_a_name_is_given_once_and_stays(town: Town) -> None:
    upstream_id = town.ask("POST", "/upstreams", body=BODY).json()["id"]
    assert refusal(town.ask("POST", "/upstreams", body=BODY)) == (409, "name", Code.CONFLICT)
    answer = town.ask("POST", f"/upstreams/{upstream_id}", body={"name": "another"})
    assert refusal(answer) == (400, "name", Code.PARAMETER_INVALID)


def test_what_is_configured_is_read_only_here(town: Town) -> None:
    fixed = town.ask("GET", "/upstreams").json()["data"][0]["id"]
    for answer in (
        town.ask("POST", f"/upstreams/{fixed}", body={"auth": "api-key"}),
        town.ask("DELETE", f"/upstreams/{fixed}"),
    ):
        assert refusal(answer) == (409, None, Code.CONFLICT)
        assert "in the configuration" in answer.text


def test_an_upstream_that_serves_a_model_is_not_removed(town: Town) -> None:
    upstream_id = town.ask("POST", "/upstreams", body=BODY).json()["id"]
    model = town.ask("POST", "/models", body={"name": "m", "upstreams": ["own"]}).json()["id"]
    answer = town.ask("DELETE", f"/upstreams/{upstream_id}")
    assert refusal(answer) == (409, None, Code.CONFLICT)
    assert "serves m" in answer.text
    town.ask("DELETE", f"/models/{model}")
    assert town.ask("DELETE", f"/upstreams/{upstream_id}").status_code == 200


@contextmanager
def a_server(answer: bytes) -> Iterator[str]:
    """A server in a thread of its own that says this to whatever it is asked."""
    loop = asyncio.new_event_loop()
    ready = threading.Event()
    urls: list[str] = []
    stop = asyncio.Event()

    async def serve() -> None:
        async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(say, "127.0.0.1", 0)
        urls.append(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
        ready.set()
        async with server:
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    ready.wait()
    yield urls[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join()
    loop.close()


def http(status: str, body: bytes = b"{}") -> bytes:
    return f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n".encode() + body


@pytest.mark.parametrize(
    ("answer", "is_good", "says"),
    [
        (http("200 OK", b'{"data":[]}'), True, "answers, in"),
        (http("401 No", b'{"error":"bad key ' + CANARY.encode() + b'"}'), False, "refused the credential"),
        (http("404 No", b"<html>"), False, "usually with /v1"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", False, "does not speak HTTP"),
    ],
)
def test_a_test_asks_something_real_and_says_what_came_of_it(
    town: Town, answer: bytes, is_good: bool, says: str
) -> None:
    with a_server(answer) as url:
        body = BODY | {"base_url": url, "allow_private": True}
        upstream_id = town.ask("POST", "/upstreams", body=body).json()["id"]
        tested = town.ask("POST", f"/upstreams/{upstream_id}/test", body={"model": "m"})
    found = tested.json()
    assert found["is_good"] is is_good
    assert [step["step"] for step in found["steps"]] == ["models", "chat"]
    assert all(says in step["says"] for step in found["steps"]), found
    assert CANARY not in tested.text


@pytest.mark.parametrize(
    ("base_url", "allow_private", "says"),
    [
        ("http://127.0.0.1:1/v1", True, "nobody listens there"),
        ("https://nowhere.invalid/v1", False, "cannot be resolved"),
        ("https://127.0.0.1:1/v1", False, "its address is private"),
    ],
)
def test_a_test_tells_why_there_is_no_connection(town: Town, base_url: str, allow_private: bool, says: str) -> None:
    body = BODY | {"base_url": base_url, "allow_private": allow_private}
    upstream_id = town.ask("POST", "/upstreams", body=body).json()["id"]
    found = town.ask("POST", f"/upstreams/{upstream_id}/test", body={}).json()
    assert (found["is_good"], len(found["steps"])) == (False, 1)
    assert says in found["steps"][0]["says"], found
