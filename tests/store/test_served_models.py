"""Models' rows, on both engines."""

from pathlib import Path

import msgspec
import pytest

from given import NOON, some_people
from given_engine import Engine
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.price_list import WrittenRate
from keyhouse.core.written import Served, WrittenModel
from keyhouse.store.served_models import StoredModel, delete_model, get_model, insert_model, list_models, update_model

RATE = WrittenRate(tier="flex", input_usd_per_million="0.5", output_usd_per_million="1")
MODEL = StoredModel(
    "model_1",
    "org-1",
    WrittenModel(
        name="vendor/m",
        upstreams=("a", Served(name="b", rank=1, request_usd="0.01")),
        max_output_tokens=9,
        input_usd_per_million="1",
        output_usd_per_million="2",
        rates=(RATE,),
    ),
    NOON,
    "user-1",
)


@pytest.mark.asyncio
async def test_a_model_is_read_back_as_it_was_written(engine: Engine, tmp_path: Path) -> None:
    database = engine.open(tmp_path)
    await database.write(some_people)
    await database.write(lambda connection: insert_model(connection, MODEL))
    assert await database.read(list_models) == [MODEL]
    changed = msgspec.structs.replace(MODEL, written=WrittenModel(name="vendor/m", upstreams=("b",)))
    await database.write(lambda connection: update_model(connection, changed))
    assert await database.read(lambda connection: get_model(connection, "org-1", "model_1")) == changed
    with pytest.raises(Refusal) as caught:
        await database.read(lambda connection: get_model(connection, "org-2", "model_1"))
    assert caught.value.code is Code.NOT_FOUND
    await database.write(lambda connection: delete_model(connection, "model_1"))
    assert await database.read(list_models) == []
    await database.close()
