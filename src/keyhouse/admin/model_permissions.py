"""`/projects/{project_id}/model_permissions`: retrieve, update, delete."""

from typing import Final

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath

from keyhouse.admin.bodies import read
from keyhouse.admin.door import Visit, actor_of
from keyhouse.admin.office import TheOffice
from keyhouse.admin.policy import ROOT
from keyhouse.admin.shapes import Json
from keyhouse.control.model_permissions import missing
from keyhouse.core.key import ModelPolicy

_KIND: Final = "project.model_permissions"
_PERMISSIONS: Final = f"{ROOT}/projects/{{project_id:str}}/model_permissions"


class ModelPermissionFields(msgspec.Struct):
    """A list of models, and whether it names those that may be used or those that may not."""

    mode: str
    model_ids: list[str]


@get(_PERMISSIONS)
async def retrieve_model_permissions(request: Visit, office: TheOffice, project_id: FromPath[str]) -> Json:
    """Which models a project may use; 404 where it may use all."""
    policy = await office.project_questions.model_policy(actor_of(request).organization_id, project_id)
    if policy is None:
        raise missing(project_id)
    return _shown(policy)


@post(_PERMISSIONS, status_code=200)
async def update_model_permissions(request: Visit, office: TheOffice, project_id: FromPath[str]) -> Json:
    """Say which models a project may use, on every gateway at once."""
    body = await read(request, ModelPermissionFields)
    return _shown(await office.model_permissions.set(actor_of(request), project_id, body.mode, body.model_ids))


@delete(_PERMISSIONS, status_code=200)
async def delete_model_permissions(request: Visit, office: TheOffice, project_id: FromPath[str]) -> Json:
    """Let a project use every model."""
    await office.model_permissions.delete(actor_of(request), project_id)
    return {"object": f"{_KIND}.deleted", "deleted": True}


def _shown(policy: ModelPolicy) -> Json:
    return {"object": _KIND, "mode": policy.mode, "model_ids": list(policy.models)}
