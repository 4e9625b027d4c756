"""Child keys: what a key may hand on of itself, for a while."""

from typing import Final

import msgspec

from keyhouse.core.errors import Code, Refusal
from keyhouse.core.key import ApiKey
from keyhouse.core.permissions import Access, Permissions, Resource
from keyhouse.core.policy import LimitDraft

LIFE_SECONDS_MAX: Final = 24 * 3_600
CHILDREN_MAX: Final = 1_000
"""How many child keys of one key may live at once."""


class ChildDraft(msgspec.Struct, frozen=True):
    """A child key as it is asked for. Where nothing is named it has what its parent has."""

    name: str
    expires_in_seconds: int
    permissions: Permissions | None = None
    models: tuple[str, ...] | None = None
    limits: tuple[LimitDraft, ...] = ()


def require_parent(parent: ApiKey) -> None:
    """Raise Refusal unless this key may have children: it has the permission, and is no child itself."""
    if parent.parent_id is not None:
        raise Refusal(
            Code.PERMISSION_MISSING,
            f"The API key {parent.id} is a child key, and child keys have no children.",
            hint=f"Ask with the key that made it ({parent.parent_id}).",
        )
    if not parent.permissions.allow(Resource.CHILD_KEYS, Access.WRITE):
        raise Refusal(
            Code.PERMISSION_MISSING,
            f"The API key {parent.id} lacks the permission `{Resource.CHILD_KEYS}: {Access.WRITE}`.",
            hint="Have it added to the key.",
        )


def require_no_more(parent: ApiKey, draft: ChildDraft) -> None:
    """Raise Refusal for what a child would have beyond its parent."""
    if draft.permissions is not None and not draft.permissions.is_within(parent.permissions):
        raise _beyond("permissions", "permissions")
    if draft.models is not None and parent.models is not None and not set(draft.models) <= set(parent.models):
        raise _beyond("models", "models")


def _beyond(what: str, param: str) -> Refusal:
    return Refusal(
        Code.PARAMETER_INVALID,
        f"A child key has no {what} that its parent lacks.",
        hint="Ask for some of the parent's, or leave them out for all of them.",
        param=param,
    )
