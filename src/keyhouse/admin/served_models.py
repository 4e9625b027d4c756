"""`/models`: list, create, retrieve, update, delete."""

from typing import Final

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath

from keyhouse.admin import shapes
from keyhouse.admin.bodies import decode, read
from keyhouse.admin.door import Visit, actor_of
from keyhouse.admin.office import Office, TheOffice
from keyhouse.admin.policy import ROOT
from keyhouse.admin.queries import query_of
from keyhouse.admin.shapes import Json
from keyhouse.admin.upstreams import read_only, source_of
from keyhouse.core.written import WrittenModel
from keyhouse.reporting.catalog import KnownModel

_KIND: Final = "organization.model"
_MODEL: Final = f"{ROOT}/models/{{model_id:str}}"


@get(f"{ROOT}/models")
async def list_models(request: Visit, office: TheOffice) -> Json:
    """The models: those of the configuration, then those that were added."""
    query = query_of(request)
    limit, after = query.page_limit(), query.text("after")
    found = await office.catalog_questions.models(actor_of(request).organization_id)
    rows, has_more = shapes.page_behind(found, lambda one: one.id, after, limit)
    return shapes.page([shown(row) for row in rows], has_more=has_more)


@post(f"{ROOT}/models", status_code=200)
async def create_model(request: Visit, office: TheOffice) -> Json:
    """A new model, served by every gateway at once."""
    written = await read(request, WrittenModel)
    actor = actor_of(request)
    made = await office.served_models.create(actor, written)
    return shown(await office.catalog_questions.model(actor.organization_id, made.id))


@get(_MODEL)
async def retrieve_model(request: Visit, office: TheOffice, model_id: FromPath[str]) -> Json:
    """One model."""
    return shown(await office.catalog_questions.model(actor_of(request).organization_id, model_id))


@post(_MODEL, status_code=200)
async def update_model(request: Visit, office: TheOffice, model_id: FromPath[str]) -> Json:
    """Change the fields that are sent; null takes one out."""
    changes = await read(request, dict[str, msgspec.Raw])
    actor = actor_of(request)
    await _require_added(office, actor.organization_id, model_id)

    def rewrite(before: WrittenModel) -> WrittenModel:
        return decode(msgspec.json.encode(msgspec.structs.asdict(before) | changes), WrittenModel)

    await office.served_models.update(actor, model_id, rewrite)
    return shown(await office.catalog_questions.model(actor.organization_id, model_id))


@delete(_MODEL, status_code=200)
async def delete_model(request: Visit, office: TheOffice, model_id: FromPath[str]) -> Json:
    """Remove a model: its name is not served any more."""
    actor = actor_of(request)
    await _require_added(office, actor.organization_id, model_id)
    await office.served_models.delete(actor, model_id)
    return shapes.deleted(_KIND, model_id)


def shown(found: KnownModel) -> Json:
    """A model as the API shows it."""
    return {
        "object": _KIND,
        "id": found.id,
        **msgspec.to_builtins(found.written),
        "source": source_of(found.is_configured),
        "is_shadowed": found.is_shadowed,
        "created_at": shapes.seconds(found.created_at_ms),
    }


async def _require_added(office: Office, organization_id: str, model_id: str) -> None:
    found = await office.catalog_questions.model(organization_id, model_id)
    if found.is_configured:
        raise read_only("model", found.written.name)
