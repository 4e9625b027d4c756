"""Whose an object is, on both engines."""

import asyncio
from pathlib import Path

import pytest

from given import NOON
from given_engine import Engine
from keyhouse.store.engine import Database
from keyhouse.store.objects import Object, delete_object, insert_objects, list_objects, page_of_objects

pytestmark = pytest.mark.asyncio


def an_object(object_id: str = "resp_1", project: str = "proj_1", upstream: str = "local", at_ms: int = NOON) -> Object:
    return Object(object_id, upstream, "response", "org-1", project, "key_1", at_ms)


async def keep(database: Database, *found: Object) -> None:
    await database.write(lambda connection: insert_objects(connection, found))


async def of(database: Database, project: str, *ids: str) -> list[Object]:
    return await database.read(lambda connection: list_objects(connection, project, ids))


async def test_a_project_finds_its_own_objects_and_no_others(engine: Engine, tmp_path: Path) -> None:
    database = engine.open(tmp_path)
    await keep(database, an_object("resp_1"), an_object("resp_2", "proj_2"), an_object("msg_1"))
    assert await of(database, "proj_1", "resp_1", "resp_2", "msg_1", "resp_3") == [
        an_object("msg_1"),
        an_object("resp_1"),
    ]
    assert await of(database, "proj_2", "resp_1", "resp_2") == [an_object("resp_2", "proj_2")]
    assert await of(database, "proj_1") == []
    await database.close()


async def test_an_id_that_comes_again_stays_with_whom_it_was_first(engine: Engine, tmp_path: Path) -> None:
    database = engine.open(tmp_path)
    await keep(database, an_object())
    await keep(database, an_object(project="proj_2"), an_object(at_ms=NOON + 1), an_object("resp_2", "proj_2"))
    assert await of(database, "proj_1", "resp_1") == [an_object()]
    assert await of(database, "proj_2", "resp_1", "resp_2") == [an_object("resp_2", "proj_2")]
    await database.close()


async def test_the_same_id_at_two_upstreams_is_two_objects_the_newer_one_first(engine: Engine, tmp_path: Path) -> None:
    database = engine.open(tmp_path)
    newer = an_object(upstream="other", at_ms=NOON + 1)
    await keep(database, an_object(), newer)
    assert await of(database, "proj_1", "resp_1") == [newer, an_object()]
    await database.close()


async def test_only_its_own_project_forgets_an_object(engine: Engine, tmp_path: Path) -> None:
    database = engine.open(tmp_path)
    await keep(database, an_object(), an_object(upstream="other"))
    await database.write(lambda connection: delete_object(connection, "proj_2", "resp_1", "local"))
    assert len(await of(database, "proj_1", "resp_1")) == 2
    await database.write(lambda connection: delete_object(connection, "proj_1", "resp_1", "local"))
    assert await of(database, "proj_1", "resp_1") == [an_object(upstream="other")]
    await database.close()


async def test_many_gateways_that_keep_the_same_at_once_agree(engine: Engine, tmp_path: Path) -> None:
    database = engine.open(tmp_path)
    ids = [f"resp_{number}" for number in range(20)]
    rounds = [ids, ids[::-1]] * 4
    await asyncio.gather(
        *(keep(database, *(an_object(one, f"proj_{place}") for one in order)) for place, order in enumerate(rounds))
    )
    owners = [len(await of(database, f"proj_{place}", *ids)) for place in range(len(rounds))]
    assert sum(owners) == len(ids)
    await database.close()


async def test_a_projects_objects_of_a_kind_are_paged_by_their_age(engine: Engine, tmp_path: Path) -> None:
    database = engine.open(tmp_path)
    mine = [an_object(f"resp_{number}", at_ms=NOON + number // 2) for number in range(5)]
    await keep(database, *mine, an_object("resp_x", "proj_2"), Object("f", "local", "file", "org-1", "proj_1", "k", 0))

    async def page(after: Object | None, *, down: bool = True) -> list[Object]:
        return await database.read(
            lambda connection: page_of_objects(connection, "proj_1", "response", after, 2, is_descending=down)
        )

    assert await page(None) == [mine[4], mine[3]]
    assert await page(mine[3]) == [mine[2], mine[1]]
    assert await page(mine[1]) == [mine[0]]
    assert await page(None, down=False) == mine[:2]
    assert await page(mine[1], down=False) == mine[2:4]
    await database.close()
