"""The path alone decides which door answers, and only a trusted proxy is believed about addresses."""

from collections.abc import MutableMapping
from typing import Any

import pytest

from keyhouse.doors import ASGIApp, Doors, Receive, Scope, Send


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
        trusted_proxies=trusted,
    )

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    headers = [] if forwarded is None else [(b"x-forwarded-for", forwarded.encode())]
    await doors({"type": "http", "path": path, "headers": headers, "client": (client, 1)}, receive, send)
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
