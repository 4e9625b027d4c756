"""Models that administrators added."""

from typing import Any, Final

import msgspec
from sqlalchemy import Connection, RowMapping, delete, insert, select, update

from keyhouse.core.errors import Code, Refusal
from keyhouse.core.written import WrittenModel
from keyhouse.store.schema import models

_DECODE: Final = msgspec.json.Decoder(WrittenModel).decode
_ENCODE: Final = msgspec.json.Encoder().encode


class StoredModel(msgspec.Struct, frozen=True):
    """A model as it was written."""

    id: str
    organization_id: str
    written: WrittenModel
    created_at_ms: int
    created_by: str


def insert_model(connection: Connection, model: StoredModel) -> None:
    """Add a model."""
    connection.execute(insert(models).values(_row(model)))


def update_model(connection: Connection, model: StoredModel) -> None:
    """Write a model."""
    connection.execute(update(models).where(models.c.id == model.id).values(_row(model)))


def delete_model(connection: Connection, model_id: str) -> None:
    """Delete a model. Calls keep its name, and its prices stay, so that they can be explained."""
    connection.execute(delete(models).where(models.c.id == model_id))


def get_model(connection: Connection, organization_id: str, model_id: str, *, for_update: bool = False) -> StoredModel:
    """The organization's model with this id; raises Refusal(NOT_FOUND)."""
    statement = select(models).where(models.c.id == model_id, models.c.organization_id == organization_id)
    row = connection.execute(statement.with_for_update() if for_update else statement).mappings().one_or_none()
    if row is None:
        raise Refusal(Code.NOT_FOUND, f"There is no model {model_id} here.", hint="List the models to see their ids.")
    return _model(row)


def list_models(connection: Connection) -> list[StoredModel]:
    """All of them, oldest first."""
    statement = select(models).order_by(models.c.created_at_ms, models.c.id)
    return [_model(row) for row in connection.execute(statement).mappings()]


def _row(model: StoredModel) -> dict[str, Any]:
    return {
        "id": model.id,
        "organization_id": model.organization_id,
        "name": model.written.name,
        "written": _ENCODE(model.written).decode(),
        "created_at_ms": model.created_at_ms,
        "created_by": model.created_by,
    }


def _model(row: RowMapping) -> StoredModel:
    return StoredModel(
        row["id"], row["organization_id"], _DECODE(row["written"]), row["created_at_ms"], row["created_by"]
    )
