"""Files, vector stores and the like through the gateway: each project's own, and nothing of anybody else's."""

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.given_responses import OTHER_ORGANIZATION, OTHER_PROJECT, others
from gateway.scripted import SECRET, UPSTREAM_KEY, Street, Wire, a_budget, a_street, the_key
from keyhouse.gateway.passed import PASSED
from keyhouse.store.objects import Object, insert_objects


class Keeper:
    """An upstream that keeps what it is given, for whoever asks: it knows no projects."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {}

    async def __call__(self, wire: Wire) -> None:
        method, target, _ = wire.head.split(b"\r\n")[0].decode().split(" ")
        path, _, _ = target.partition("?")
        parts = path.removeprefix("/v1/").split("/")
        kind = parts[0].rstrip("s")
        if method == "POST" and len(parts) == 1:
            found = {"id": f"{kind}-{len(self.kept) + 1}", "object": kind, "purpose": "user_data"}
            if b'name="purpose"\r\n\r\nbatch' in wire.body:
                found["purpose"] = "batch"
            self.kept[found["id"]] = found
            await wire.answer(found, more="x-request-id: up\r\nset-cookie: a=b\r\n")
        elif parts[-1] == "content":
            await wire.answer(b"\x00\xff" * 5_000, kind="application/octet-stream")
        elif len(parts) > 1 and parts[1] not in self.kept:
            await wire.answer({"error": {"message": "no such"}}, 404)
        elif method == "DELETE" and len(parts) == 2:
            del self.kept[parts[1]]
            await wire.answer({"id": parts[1], "deleted": True})
        else:
            await wire.answer(self.kept[parts[1]] | {"seen": path, "key": UPSTREAM_KEY})


async def ask(street: Street, method: str, path: str, secret: str = SECRET, **more: Any) -> httpx.Response:
    return await street.http.request(method, path, headers={"authorization": f"Bearer {secret}"}, **more)


async def upload(street: Street, secret: str = SECRET, purpose: str = "user_data") -> str:
    got = await ask(street, "POST", "/v1/files", secret, data={"purpose": purpose}, files={"file": ("a.txt", b"hi")})
    assert got.status_code == 200, got.text
    return str(got.json()["id"])


@pytest.mark.asyncio
async def test_a_file_is_its_projects_alone(tmp_path: Path) -> None:
    async with a_street(tmp_path, Keeper(), others, a_budget(0)) as street:
        file_id = await upload(street)
        mine = await ask(street, "GET", f"/v1/files/{file_id}")
        seen = len(street.seen)
        strange = [
            (await ask(street, method, f"/v1/files/{file_id}{tail}", secret)).status_code
            for secret in (OTHER_ORGANIZATION, OTHER_PROJECT)
            for method, tail in (("GET", ""), ("DELETE", ""), ("GET", "/content"))
        ]
        assert len(street.seen) == seen
        content = await ask(street, "GET", f"/v1/files/{file_id}/content")
        deleted = await ask(street, "DELETE", f"/v1/files/{file_id}")
        gone = await ask(street, "GET", f"/v1/files/{file_id}")
        assert await street.calls() == []
    assert (mine.status_code, mine.json()["id"], mine.json()["key"]) == (200, file_id, "[removed]")
    assert "set-cookie" not in mine.headers
    assert strange == [404] * 6
    assert content.content == b"\x00\xff" * 5_000
    assert (deleted.status_code, gone.status_code) == (200, 404)


@pytest.mark.asyncio
async def test_a_list_shows_a_projects_own_and_pages_through_them(tmp_path: Path) -> None:
    keeper = Keeper()
    async with a_street(tmp_path, keeper, others) as street:
        ids = []
        for number in range(5):
            ids.append(await upload(street, purpose="batch" if number == 2 else "user_data"))
            await upload(street, OTHER_PROJECT)
            street.clock.turn(seconds=1)
        del keeper.kept[ids[0]]
        whole = (await ask(street, "GET", "/v1/files")).json()
        first = (await ask(street, "GET", "/v1/files?limit=2")).json()
        second = (await ask(street, "GET", f"/v1/files?limit=2&after={first['last_id']}")).json()
        oldest = (await ask(street, "GET", "/v1/files?order=asc")).json()
        batch = (await ask(street, "GET", "/v1/files?purpose=batch&limit=1")).json()
        strange = await ask(street, "GET", f"/v1/files?after={ids[1]}", OTHER_PROJECT)
        wrong = await ask(street, "GET", "/v1/files?limit=0")
    newest = ids[:0:-1]
    assert ([one["id"] for one in whole["data"]], whole["has_more"]) == (newest, False)
    assert ([one["id"] for one in first["data"]], first["has_more"]) == (newest[:2], True)
    assert [one["id"] for one in second["data"]] == newest[2:]
    assert [one["id"] for one in oldest["data"]] == ids[1:]
    assert [one["id"] for one in batch["data"]] == [ids[2]]
    assert (strange.status_code, wrong.status_code) == (404, 400)


@pytest.mark.asyncio
async def test_no_row_of_the_table_lets_another_projects_id_through(tmp_path: Path) -> None:
    async with a_street(tmp_path, Keeper(), others) as street:
        made = {"file": await upload(street)}
        for kind in ("upload", "batch", "vector_store", "conversation", "container"):
            made[kind] = f"{kind}-1"
        await street.database.write(lambda connection: _keep(connection, made))
        seen = len(street.seen)
        for passed in PASSED:
            if "{" not in passed.path:
                continue
            path = "/v1" + re.sub(r"\{(\w+)\}", lambda match: made.get(match[1], "x-1"), passed.path)
            for secret in (OTHER_ORGANIZATION, OTHER_PROJECT):
                got = await ask(street, passed.method, path, secret)
                assert (got.status_code, got.json()["error"]["reason"]) == (404, "not_found"), path
        assert len(street.seen) == seen


def _keep(connection: Any, made: dict[str, str]) -> None:
    found = [Object(one, "local", kind, "org-1", "proj_1", "key_1", 0) for kind, one in made.items()]
    insert_objects(connection, found)


@pytest.mark.asyncio
async def test_what_a_body_names_must_be_the_projects_too(tmp_path: Path) -> None:
    async with a_street(tmp_path, Keeper(), others) as street:
        file_id = await upload(street)
        strange = await upload(street, OTHER_PROJECT)
        seen = len(street.seen)
        stores = [
            await ask(street, "POST", "/v1/vector_stores", json={"file_ids": ids})
            for ids in ([file_id], [file_id, strange], ["file-404"])
        ]
        answer = await ask(
            street,
            "POST",
            "/v1/responses",
            json={
                "model": "tiny-1",
                "input": [{"role": "user", "content": [{"type": "input_file", "file_id": strange}]}],
            },
        )
        assert len(street.seen) == seen + 1
        assert json.loads(street.seen[-1].body) == {"file_ids": [file_id]}
    assert [got.status_code for got in stores] == [200, 404, 404]
    assert answer.status_code == 404


@pytest.mark.asyncio
async def test_what_a_form_names_must_be_the_projects_too(tmp_path: Path) -> None:
    async with a_street(tmp_path, Keeper(), others) as street:
        named = {"mine": await upload(street), "theirs": await upload(street, OTHER_PROJECT)}
        seen = len(street.seen)
        got = {
            whose: await ask(street, "POST", "/v1/files", data={"file_id": one}, files={"file": ("a.txt", b"hi")})
            for whose, one in named.items()
        }
        assert len(street.seen) == seen + 1
    assert {whose: answer.status_code for whose, answer in got.items()} == {"mine": 200, "theirs": 404}


@pytest.mark.asyncio
async def test_what_costs_nobody_knows_how_much_is_a_call_without_a_price(tmp_path: Path) -> None:
    async with a_street(tmp_path, Keeper()) as street:
        got = await ask(street, "POST", "/v1/vector_stores", json={"name": "x"})
        row = await street.the_call()
    assert (got.status_code, row.endpoint, row.model) == (200, "/v1/vector_stores", "vector_stores")
    assert (row.state, row.charged_nano_usd, row.flags) == ("settled", None, "unpriced")


@pytest.mark.asyncio
async def test_what_costs_nobody_knows_how_much_is_refused_under_a_budget(tmp_path: Path) -> None:
    async with a_street(tmp_path, Keeper(), a_budget(10**12)) as street:
        stores = await ask(street, "POST", "/v1/vector_stores", json={"name": "x"})
        boxes = await ask(street, "POST", "/v1/containers", json={"name": "x"})
        talk = await ask(street, "POST", "/v1/conversations", json={})
        assert len(street.seen) == 1
    assert (stores.status_code, stores.json()["error"]["code"]) == (400, "price_unknown")
    assert "vector_stores" in stores.json()["error"]["message"]
    assert (boxes.status_code, talk.status_code) == (400, 200)


@pytest.mark.asyncio
async def test_each_resource_needs_its_own_permission(tmp_path: Path) -> None:
    held = {"responses": "write", "files": "read"}
    async with a_street(tmp_path, Keeper(), the_key(permissions=json.dumps(held))) as street:
        statuses = [
            (await ask(street, "GET", "/v1/files")).status_code,
            (await ask(street, "POST", "/v1/files", files={"file": ("a", b"x")})).status_code,
            (await ask(street, "GET", "/v1/vector_stores")).status_code,
            (await ask(street, "GET", "/v1/batches")).status_code,
            (await ask(street, "POST", "/v1/conversations", json={})).status_code,
        ]
    assert statuses == [200, 403, 403, 403, 200]


@pytest.mark.asyncio
async def test_bodies_that_cannot_be_read_never_reach_an_upstream(tmp_path: Path) -> None:
    async with a_street(tmp_path, Keeper()) as street:
        got = [
            await ask(street, "POST", "/v1/conversations", content=b"{"),
            await ask(street, "POST", "/v1/conversations", content=b"[1]"),
            await ask(street, "POST", "/v1/files", content=b"x"),
            await ask(street, "GET", "/v1/files/..%2Fmodels"),
            await ask(street, "POST", "/v1/videos", json={}),
        ]
        assert street.seen == []
    assert [one.status_code for one in got] == [400, 400, 400, 404, 404]
    assert "Videos" in got[-1].json()["error"]["message"]


@pytest.mark.asyncio
async def test_a_file_that_breaks_off_is_never_taken_for_whole(tmp_path: Path) -> None:
    keeper = Keeper()

    async def script(wire: Wire) -> None:
        if b"/content " not in wire.head:
            await keeper(wire)
            return
        await wire.begin_stream("application/octet-stream")
        await wire.piece(b"abc")
        wire.reset()

    async with a_street(tmp_path, script) as street:
        file_id = await upload(street)
        with pytest.raises(httpx.RemoteProtocolError):
            await ask(street, "GET", f"/v1/files/{file_id}/content")
