"""The secrets of a key: rotate it, end or extend the overlap, and see who calls with which of them."""

from typing import Final

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath

from keyhouse.admin import shapes
from keyhouse.admin.bodies import read
from keyhouse.admin.door import Visit, actor_of
from keyhouse.admin.keys import KEY, shown_key
from keyhouse.admin.office import TheOffice
from keyhouse.admin.queries import query_of
from keyhouse.admin.repeats import once_of
from keyhouse.admin.shapes import Json
from keyhouse.control.authority import Place, Task, require
from keyhouse.reporting.usage import INSTANT_MAX_MS

OVERLAP_SECONDS_DEFAULT: Final = 86_400
"""A rotated secret works for another day unless said otherwise."""

_PREVIOUS: Final = f"{KEY}/previous_secret"


class Rotation(msgspec.Struct, forbid_unknown_fields=True):
    """How long the present secret goes on working."""

    overlap_seconds: int = OVERLAP_SECONDS_DEFAULT


class Extension(msgspec.Struct, forbid_unknown_fields=True):
    """When the previous secret ends, in Unix seconds."""

    expires_at: int


@post(f"{KEY}/rotate", status_code=200)
async def rotate_key(request: Visit, office: TheOffice, project_id: FromPath[str], key_id: FromPath[str]) -> Json:
    """Give a key a new secret, in this answer only; the present one works on for the overlap."""
    body = await read(request, Rotation)
    overlap_ms, once = body.overlap_seconds * 1000, await once_of(request)
    issued = await office.keys.rotate(actor_of(request), key_id, overlap_ms, project_id=project_id, once=once)
    return await shown_key(request, office, project_id, issued.key) | {
        "value": issued.value,
        "previous_secret_expires_at": shapes.seconds(
            shapes.secret_end_ms(issued.key, issued.previous_secret_ends_at_ms)
        ),
    }


@post(_PREVIOUS, status_code=200)
async def extend_previous_secret(
    request: Visit, office: TheOffice, project_id: FromPath[str], key_id: FromPath[str]
) -> Json:
    """Let the previous secret work until another moment, at most thirty days from now."""
    ends_at_ms = (await read(request, Extension)).expires_at * 1000
    key = await office.keys.extend_previous_secret(actor_of(request), key_id, ends_at_ms, project_id=project_id)
    return await shown_key(request, office, project_id, key)


@delete(_PREVIOUS, status_code=200)
async def end_previous_secret(
    request: Visit, office: TheOffice, project_id: FromPath[str], key_id: FromPath[str]
) -> Json:
    """End the previous secret now."""
    key = await office.keys.end_previous_secret(actor_of(request), key_id, project_id=project_id)
    return await shown_key(request, office, project_id, key)


@get(f"{KEY}/secrets")
async def list_secrets(request: Visit, office: TheOffice, project_id: FromPath[str], key_id: FromPath[str]) -> Json:
    """A key's secrets, newest first, each with who has called with it since `start_time`, or in the last day."""
    start_s = query_of(request).integer("start_time", 0, INSTANT_MAX_MS // 1000)
    used = await office.caller_questions.of_key(
        actor_of(request).organization_id,
        key_id,
        project_id=project_id,
        since_ms=None if start_s is None else start_s * 1000,
    )
    require(actor_of(request), Task.API_KEYS_READ, Place(project_id, used.key.owner_id))
    data = [
        shapes.secret(used.key, secret, [caller for caller in used.callers if caller.version == secret.version])
        for secret in used.key.secrets
    ]
    return {"object": "list", "data": data, "has_more": False, "start_time": shapes.seconds(used.since_ms)}
