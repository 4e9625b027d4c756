"""What is no credential asks the database nothing at either door, however it is written.

CVE-2026-42208: a gateway built SQL from the header that it had refused.
"""

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from admin.matrix import Inside
from admin.town import a_town
from gateway.scripted import SECRET, Wire, a_street
from given_credentials import malformed
from given_engine import statements_of
from keyhouse.admin.app import build

REFUSED = {400, 401, 431}


def test_at_the_admin_api(tmp_path: Path) -> None:
    with a_town(tmp_path) as town:
        inside = Inside(cast("Any", build(town.office)))
        statements = statements_of(town.database)
        for headers in malformed(town.owner):
            for method, path in (("GET", "/v1/organization/projects"), ("POST", "/v1/organization/projects")):
                answer = inside.ask_with(method, path, [(b"host", b"localhost"), *headers], {"name": "x"})
                assert answer.status in REFUSED, (headers, answer)
                assert town.owner not in answer.text
        assert statements == []
        assert inside.ask("GET", "/v1/organization/projects", town.owner).status == 200
        assert statements
        inside.close()


@pytest.mark.asyncio
async def test_at_the_gateway_from_the_wire(tmp_path: Path) -> None:
    async def answer(wire: Wire) -> None:
        await wire.answer({"id": "1", "object": "chat.completion", "choices": [], "usage": {"prompt_tokens": 1}})

    async with a_street(tmp_path, answer) as street:
        assert (await street.ask()).status_code == 200
        street.authenticator.forget_all()
        statements = statements_of(street.database)
        host, _, port = street.url.removeprefix("http://").partition(":")
        for headers in malformed(SECRET):
            lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n" + lines + b"\r\n{}")
            status = int((await reader.readline()).split()[1])
            writer.close()
            await writer.wait_closed()
            assert status in REFUSED, headers
        assert statements == []
