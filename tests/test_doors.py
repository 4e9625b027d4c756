"""The path alone decides which door answers, only a trusted proxy is believed, and nobody waits for ever."""

import asyncio
import json
from collections.abc import MutableMapping
from typing import Any

import pytest

from given import seeded_entropy
from keyhouse.admin.policy import POLICY as ADMIN
from keyhouse.console.policy import POLICY as CONSOLE
from keyhouse.core.errors import Refusal
from keyhouse.doors import ASGIApp, Doors, Receive, Scope, Send
from keyhouse.gateway import endpoints
from keyhouse.gateway.request import FOUND, WHOLE
from keyhouse.gateway.sockets import SOCKETS

HOST = (b"host", b"keys.example:8080")


def a_door(name: str, seen: list[tuple[str, str]]) -> ASGIApp:
    async def door(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append((name, scope["client"][0]))
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    return door


async def ask(
    path: str,
    *,
    client: str = "203.0.113.9",
    forwarded: str | None = None,
    trusted: tuple[str, ...] = (),
    ready: bool = True,
    statuses: dict[tuple[str, int], int] | None = None,
    given: tuple[tuple[bytes, bytes], ...] = (HOST,),
    kind: str = "http",
    found: dict[str, Any] | None = None,
) -> tuple[list[tuple[str, str]], list[MutableMapping[str, Any]]]:
    seen: list[tuple[str, str]] = []
    sent: list[MutableMapping[str, Any]] = []
    doors = Doors(
        gateway=a_door("gateway", seen),
        admin=a_door("admin", seen),
        console=a_door("console", seen),
        is_ready=lambda: ready,
        metrics=lambda: b"keyhouse_ledger_is_well 1\n",
        statuses={} if statuses is None else statuses,
        entropy=seeded_entropy(1),
        trusted_proxies=trusted,
    )

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    headers = [*given, *([] if forwarded is None else [(b"x-forwarded-for", forwarded.encode())])]
    scope: dict[str, Any] = {"type": kind, "http_version": "1.1", "path": path, "query_string": b"", "headers": headers}
    if found is not None:
        scope["extensions"] = {FOUND: found}
    await doors({**scope, "client": (client, 1)}, receive, send)
    return seen, sent


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("path", "door"),
    [
        ("/v1/chat/completions", "gateway"),
        ("/v1/organizations", "gateway"),
        ("/v1/organization", "admin"),
        ("/v1/organization/projects", "admin"),
        ("/v1", "console"),
        ("/", "console"),
        ("/api-keys", "console"),
        ("//v1/chat/completions", "console"),
    ],
)
async def test_a_path_has_one_door(path: str, door: str) -> None:
    seen, _ = await ask(path)
    assert seen == [(door, "203.0.113.9")]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("client", "forwarded", "address"),
    [
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1, 203.0.113.5, 10.0.0.2", "203.0.113.5"),
        ("10.0.0.1", "nonsense", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1, nonsense", "10.0.0.1"),
        ("10.0.0.1", None, "10.0.0.1"),
    ],
)
async def test_only_a_trusted_proxy_is_believed(client: str, forwarded: str | None, address: str) -> None:
    seen, _ = await ask("/v1/models", client=client, forwarded=forwarded, trusted=("10.0.0.0/8",))
    assert seen == [("gateway", address)]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("path", "ready", "status"),
    [("/healthz", False, 200), ("/readyz", True, 200), ("/readyz", False, 503), ("/metrics", False, 200)],
)
async def test_operators_can_ask_how_it_is(path: str, ready: bool, status: int) -> None:
    seen, sent = await ask(path, ready=ready)
    assert seen == []
    assert sent[0]["status"] == status


@pytest.mark.asyncio
async def test_answers_are_counted_by_door_and_class_of_status() -> None:
    statuses: dict[tuple[str, int], int] = {}
    for path in ("/v1/models", "/v1/models", "/v1/organization", "/", "/healthz", "/metrics"):
        await ask(path, statuses=statuses)
    assert statuses == {("gateway", 4): 2, ("admin", 4): 1, ("console", 4): 1}


@pytest.mark.asyncio
async def test_a_whole_answer_is_counted_once() -> None:
    statuses: dict[tuple[str, int], int] = {}

    async def whole(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": WHOLE, "status": 200, "headers": [], "body": b""})

    doors = Doors(
        gateway=whole,
        admin=whole,
        console=whole,
        is_ready=lambda: True,
        metrics=lambda: b"",
        statuses=statuses,
        entropy=seeded_entropy(1),
    )

    async def take(_: MutableMapping[str, Any]) -> None:
        """Nobody looks at it."""

    scope = {"type": "http", "http_version": "1.1", "query_string": b"", "headers": [HOST]}
    await doors({**scope, "path": "/v1/models"}, asyncio.Event().wait, take)  # type: ignore[arg-type]
    assert statuses == {("gateway", 2): 1}


EVERY_PATH = sorted(
    {path for _, path in [*ADMIN, *CONSOLE]} | {*endpoints.ENDPOINTS, "/healthz", "/readyz", "/metrics"}
)


ODD_HOSTS: tuple[list[str], ...] = (
    *(["evil.test/v1/organization/limits"], ["a?b"], ["a#b"], ["user@a"], ["a b"], [""], []),
    *(["a", "b"], ["a", "a"]),
)


@pytest.mark.asyncio
@pytest.mark.parametrize("hosts", ODD_HOSTS)
async def test_an_odd_host_reaches_no_route_of_any_door(hosts: list[str]) -> None:
    given = tuple((b"host", host.encode()) for host in hosts)
    for path in EVERY_PATH:
        seen, sent = await ask(path, given=given)
        assert (seen, sent[0]["status"]) == ([], 400), path
        assert json.loads(sent[1]["body"])["error"]["reason"] == "head_ambiguous"


@pytest.mark.asyncio
@pytest.mark.parametrize("hosts", ODD_HOSTS)
async def test_an_odd_host_opens_no_socket(hosts: list[str]) -> None:
    given = tuple((b"host", host.encode()) for host in hosts)
    for path in SOCKETS:
        assert (await ask(path, kind="websocket"))[0] == [("gateway", "203.0.113.9")]
        assert await ask(path, given=given, kind="websocket") == ([], [{"type": "websocket.close"}])


@pytest.mark.asyncio
async def test_who_is_turned_away_is_told_that_the_connection_closes_and_is_counted_apart() -> None:
    statuses: dict[tuple[str, int], int] = {}
    _, sent = await ask("/v1/models", given=(HOST, (b"x", b"a" * 33_000)), statuses=statuses)
    headers = dict(sent[0]["headers"])
    assert (sent[0]["status"], headers[b"connection"]) == (431, b"close")
    assert headers[b"x-request-id"].startswith(b"req_")
    assert statuses == {("edge", 4): 1}


@pytest.mark.asyncio
@pytest.mark.parametrize(("path", "door"), [("/v1/organization", "admin"), ("/sign-in", "console")])
async def test_a_body_is_waited_for_only_so_long_but_a_whole_one_may_be_answered_slowly(path: str, door: str) -> None:
    heard: list[str] = []

    async def waiting(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["more_body"]:
            heard.append("part")
        heard.append("whole")
        await receive()

    doors = Doors(
        gateway=a_door("gateway", []),
        admin=waiting if door == "admin" else a_door("admin", []),
        console=waiting if door == "console" else a_door("console", []),
        is_ready=lambda: True,
        metrics=lambda: b"",
        statuses={},
        entropy=seeded_entropy(1),
        body_seconds_max=0.05,
    )
    scope = {"type": "http", "http_version": "1.1", "path": path, "query_string": b"", "headers": [HOST]}

    async def send(_: MutableMapping[str, Any]) -> None:
        raise AssertionError("nothing is said")

    def saying(*parts: bool) -> Receive:
        left = list(parts)

        async def receive() -> MutableMapping[str, Any]:
            if left:
                return {"type": "http.request", "body": b"x", "more_body": left.pop(0)}
            await asyncio.Event().wait()
            raise AssertionError

        return receive

    with pytest.raises(Refusal) as caught:
        await doors(scope, saying(True), send)
    assert (caught.value.code, heard) == ("body_timeout", ["part"])
    with pytest.raises(TimeoutError):  # ours: it would wait for the client to leave as long as that takes
        await asyncio.wait_for(doors(scope, saying(True, False), send), 0.3)
    assert heard == ["part", "part", "whole"]


@pytest.mark.asyncio
async def test_a_head_that_comes_again_is_looked_at_once_if_it_meant_one_thing() -> None:
    plain: dict[str, Any] = {}
    doubtful: dict[str, Any] = {}
    assert (await ask("/v1/models", found=plain))[0] == [("gateway", "203.0.113.9")]
    for _ in range(2):
        assert (await ask("/v1/models", found=doubtful, given=(HOST, HOST)))[0] == []
    assert (await ask("/v1/models", found=plain, given=(HOST, HOST)))[0] == [("gateway", "203.0.113.9")]
