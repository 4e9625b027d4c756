"""Upstreams' rows, on both engines."""

from pathlib import Path

import msgspec
import pytest

from given import NOON, some_people
from given_engine import Engine
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.sealing import Sealed
from keyhouse.core.written import WrittenUpstream
from keyhouse.store.upstreams import (
    StoredUpstream,
    delete_upstream,
    get_upstream,
    insert_upstream,
    list_upstreams,
    update_upstream,
)

OWN = StoredUpstream(
    "upstream_1",
    "org-1",
    WrittenUpstream("own", "https://api.example.com/v1", "api-key", "2024-10-21", True, True, 1.5),
    Sealed("1", b"\x00\xff" * 20),
    NOON,
    "user-1",
)


@pytest.mark.asyncio
async def test_an_upstream_is_read_back_as_it_was_written(engine: Engine, tmp_path: Path) -> None:
    database = engine.open(tmp_path)
    await database.write(some_people)
    await database.write(lambda connection: insert_upstream(connection, OWN))
    assert await database.read(list_upstreams) == [OWN]
    without = msgspec.structs.replace(OWN, credential=None)
    await database.write(lambda connection: update_upstream(connection, without))
    assert await database.read(lambda connection: get_upstream(connection, "org-1", "upstream_1")) == without
    with pytest.raises(Refusal) as caught:
        await database.read(lambda connection: get_upstream(connection, "org-2", "upstream_1"))
    assert caught.value.code is Code.NOT_FOUND
    await database.write(lambda connection: delete_upstream(connection, "upstream_1"))
    assert await database.read(list_upstreams) == []
    await database.close()
