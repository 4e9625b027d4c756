"""`/v1/keys/children`: a key makes, lists and revokes child keys of its own, for one run of an agent.

What becomes of them is the control plane's; here it is asked for, through the port that the house hands in.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from keyhouse.core.key import ApiKey
from keyhouse.core.permissions import Access, Resource
from keyhouse.core.secret import redacted
from keyhouse.gateway.authenticate import require_permission
from keyhouse.gateway.house import House, identify
from keyhouse.gateway.request import Request
from keyhouse.wire.children import read_child

Serve = Callable[[Request, House], Awaitable[None]]

PATH: Final = "/v1/keys/children"


def find_verb(path: str, method: str) -> tuple[str, Serve] | None:
    """The method that is right at a path of child keys, and what serves it; None if there is nothing there."""
    if path == PATH:
        return ("GET", list_children) if method == "GET" else ("POST", mint_child)
    return ("DELETE", revoke_child) if path.startswith(f"{PATH}/") and len(path) > len(PATH) + 1 else None


async def list_children(request: Request, house: House) -> None:
    """`GET`: the living child keys of the key that asks."""
    parent = await identify(request, house, anew=True)
    require_permission(parent, Resource.CHILD_KEYS, Access.READ)
    found = await house.children.list(parent, house.clock.now_ms())
    await request.answer_json(msgspec.json.encode({"object": "list", "data": [_shown(each) for each in found]}))


async def mint_child(request: Request, house: House) -> None:
    """`POST`: a new one, whose secret is in this answer only."""
    parent = await identify(request, house, anew=True)
    require_permission(parent, Resource.CHILD_KEYS, Access.WRITE)
    draft = read_child(await request.body(house.body_bytes_max, house.body_seconds_max))
    issued = await house.children.mint(parent, draft, request.address)
    await request.answer_json(msgspec.json.encode(_shown(issued.key) | {"value": issued.value}))


async def revoke_child(request: Request, house: House) -> None:
    """`DELETE /v1/keys/children/{id}`."""
    parent = await identify(request, house, anew=True)
    require_permission(parent, Resource.CHILD_KEYS, Access.WRITE)
    child_id = request.path.removeprefix(f"{PATH}/")[:200]
    await house.children.revoke(parent, child_id, request.address)
    gone = {"object": "api_key.child.deleted", "id": child_id, "deleted": True}
    await request.answer_json(msgspec.json.encode(gone))


def _shown(child: ApiKey) -> dict[str, Any]:
    return {
        "object": "api_key.child",
        "id": child.id,
        "name": child.name,
        "redacted_value": redacted(child.kind, child.id, child.current.last_four),
        "parent_id": child.parent_id,
        "project_id": child.project_id,
        "created_at": child.created_at_ms // 1000,
        "expires_at": None if child.expires_at_ms is None else child.expires_at_ms // 1000,
        "permissions": child.permissions.to_json(),
        "models": None if child.models is None else list(child.models),
    }
