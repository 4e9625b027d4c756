"""Addresses, methods and models."""

import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gateway.scripted import SECRET, Street, Wire, a_street, the_key
from keyhouse.gateway import endpoints
from keyhouse.gateway.described import described
from keyhouse.gateway.metered import METERED
from keyhouse.gateway.sockets import SOCKETS

AS_KEY = {"authorization": f"Bearer {SECRET}"}
PAID = {("POST", f"/v1{metered.path}") for metered in METERED}
ROUTES = [
    (route.method, route.path)
    for route in described()
    if route.security is not None and (route.method, route.path) not in {("GET", path) for path in SOCKETS}
]
"""Every address of the gateway that takes a key."""


async def answered_otherwise(
    street: Street, routes: list[tuple[str, str]], status: int, reason: str, first: Callable[[], Awaitable[None]]
) -> list[str]:
    """Which of these, each with something done first, are not refused with this status for this reason."""
    found = []
    for method, path in routes:
        await first()
        got = await street.http.request(method, re.sub(r"\{\w+\}", "x-1", path), headers=AS_KEY)
        if (got.status_code, got.json().get("error", {}).get("reason")) != (status, reason):
            found.append(f"{method} {path}: {got.status_code} {got.text[:200]}")
    return found


async def silent(wire: Wire) -> None:
    raise AssertionError("nothing is forwarded")


@pytest.mark.asyncio
async def test_the_models_listed_are_those_the_key_may_use(tmp_path: Path) -> None:
    async with a_street(tmp_path, silent, the_key(models='["tiny-1"]')) as street:
        got = await street.http.get("/v1/models", headers=AS_KEY)
        one = await street.http.get("/v1/models/tiny-1", headers=AS_KEY)
        other = await street.http.get("/v1/models/unpriced", headers=AS_KEY)
    listed = {"id": "tiny-1", "object": "model", "created": 0, "owned_by": "keyhouse"}
    assert (got.status_code, got.json()) == (200, {"object": "list", "data": [listed]})
    assert one.json() == listed
    assert (other.status_code, other.json()["error"]["reason"]) == (403, "model_not_allowed")


@pytest.mark.asyncio
async def test_models_need_their_own_permission(tmp_path: Path) -> None:
    grants = the_key(permissions='{"chat_completions":"write"}')
    async with a_street(tmp_path, silent, grants) as street:
        got = await street.http.get("/v1/models", headers=AS_KEY)
    assert (got.status_code, got.json()["error"]["reason"]) == (403, "permission_missing")


@pytest.mark.asyncio
async def test_no_address_does_anything_for_a_key_without_permissions(tmp_path: Path) -> None:
    async def nothing() -> None:
        pass

    async with a_street(tmp_path, silent, the_key(permissions="{}")) as street:
        assert await answered_otherwise(street, ROUTES, 403, "permission_missing", nothing) == []


@pytest.mark.asyncio
async def test_no_address_does_anything_for_a_key_that_another_gateway_has_revoked(tmp_path: Path) -> None:
    """This one remembers it alive. Where a call is reserved for, the ledger reads it again; everywhere else it must."""
    async with a_street(tmp_path, silent) as street:

        async def revoked_unheard() -> None:
            await street.database.write(the_key(revoked_at_ms=None))
            assert (await street.http.get("/v1/models", headers=AS_KEY)).status_code == 200
            await street.database.write(the_key(revoked_at_ms=1))

        free = [route for route in ROUTES if route not in PAID]
        assert await answered_otherwise(street, free, 401, "key_revoked", revoked_unheard) == []


@pytest.mark.asyncio
async def test_a_model_that_is_not_there_is_unknown(tmp_path: Path) -> None:
    async with a_street(tmp_path, silent) as street:
        got = await street.http.get("/v1/models/some%2Fother", headers=AS_KEY)
    assert (got.status_code, got.json()["error"]["code"]) == (404, "model_not_found")
    assert "some/other" in got.text


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "path", ["/v1/nothing", "/v1/chat/completions/", "/v1/chat%2Fcompletions", "/v1//chat/completions", "/v1/Models"]
)
async def test_an_unknown_address_is_said_to_be_so(tmp_path: Path, path: str) -> None:
    async with a_street(tmp_path, silent) as street:
        got = await street.http.post(path, json={}, headers=AS_KEY)
    assert (got.status_code, got.json()["error"]["code"]) == (404, "unknown_url")
    assert got.headers["x-request-id"].startswith("req_")


@pytest.mark.asyncio
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH"])
async def test_a_wrong_method_is_refused_and_told_the_right_one(tmp_path: Path, method: str) -> None:
    async with a_street(tmp_path, silent) as street:
        got = await street.http.request(method, "/v1/chat/completions", headers={"origin": "https://evil.example"})
    assert (got.status_code, got.headers["allow"]) == (405, "POST")
    assert "access-control-allow-origin" not in got.headers
    if method != "HEAD":
        assert got.json()["error"]["reason"] == "method_not_allowed"


@pytest.mark.asyncio
async def test_a_key_for_one_endpoint_is_refused_at_every_other_one(tmp_path: Path) -> None:
    kept = (("GET", "/v1/responses/resp_1"), ("POST", "/v1/responses/resp_1/cancel"), ("GET", "/v1/models/tiny-1"))
    routes = [(method, path) for path, (method, _) in endpoints.ENDPOINTS.items()] + list(kept)
    routes.remove(("POST", "/v1/leaks"))  # whoever found a secret reports it, without a key
    async with a_street(tmp_path, silent, the_key(endpoints='["/v1/embeddings"]')) as street:
        for method, path in routes:
            got = await street.http.request(method, path, json={}, headers=AS_KEY)
            is_listed = path == "/v1/embeddings"
            assert (got.status_code, got.json()["error"]["reason"]) == (
                (400, "parameter_missing") if is_listed else (403, "endpoint_not_allowed")
            ), path
