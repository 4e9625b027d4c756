"""Which models a project may use: a list of those it may, or of those it may not; without a row, all."""

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from keyhouse.core.key import ModelPolicy
from keyhouse.store.schema import model_permissions


def find_model_policy(connection: Connection, project_id: str) -> ModelPolicy | None:
    """What a project may use; None for every model."""
    row = connection.execute(
        select(model_permissions.c.mode, model_permissions.c.models).where(model_permissions.c.project_id == project_id)
    ).one_or_none()
    return None if row is None else read_model_policy(row.mode, row.models)


def insert_model_policy(connection: Connection, project_id: str, policy: ModelPolicy) -> None:
    """Limit a project to some models; it has no list yet."""
    connection.execute(insert(model_permissions).values(project_id=project_id, **_columns(policy)))


def update_model_policy(connection: Connection, project_id: str, policy: ModelPolicy) -> None:
    """Write the list that a project has."""
    statement = update(model_permissions).where(model_permissions.c.project_id == project_id)
    connection.execute(statement.values(**_columns(policy)))


def delete_model_policy(connection: Connection, project_id: str) -> None:
    """Let a project use every model."""
    connection.execute(delete(model_permissions).where(model_permissions.c.project_id == project_id))


def read_model_policy(mode: str | None, models: str | None) -> ModelPolicy | None:
    """A policy from its columns, which are null where there is none."""
    if mode is None or models is None:
        return None
    return ModelPolicy(mode, msgspec.json.decode(models, type=tuple[str, ...]))


def _columns(policy: ModelPolicy) -> dict[str, str]:
    return {"mode": policy.mode, "models": msgspec.json.encode(policy.models).decode()}
