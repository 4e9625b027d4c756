"""OpenAI's words for what a key may do, in Keyhouse's permissions. Pure.

No scopes at all mean everything, as OpenAI's reference says of a change; `api.all.read` means reading; else each is
`api.<resource>.<access>`, where OpenAI's `model.request` stands for every call of a model.
"""

from collections.abc import Collection, Iterable
from typing import Final

from keyhouse.core.permissions import ALL, READ_ONLY, Access, Permissions, Resource

_CAPABILITIES: Final = (
    Resource.AUDIO,
    Resource.CHAT_COMPLETIONS,
    Resource.COMPLETIONS,
    Resource.EMBEDDINGS,
    Resource.IMAGES,
    Resource.MODERATIONS,
    Resource.REALTIME,
    Resource.RESPONSES,
)
_ALIASES: Final = {"model": Resource.MODELS}
_CALLS: Final = frozenset({"model.request", "api.model.request"})


def permissions_of_scopes(scopes: Iterable[str]) -> Permissions:
    """The permissions these scopes mean; raises ValueError for one that means nothing here."""
    wanted = list(scopes)
    if not wanted or "api.all" in wanted:
        return ALL
    if wanted == ["api.all.read"]:
        return READ_ONLY
    grants: dict[Resource, Access] = {}
    for scope in wanted:
        for resource, access in _granted(scope):
            if grants.get(resource) is not Access.WRITE:
                grants[resource] = access
    return Permissions("restricted", grants)


def permissions_of_new(scopes: Collection[str] | None) -> Permissions:
    """The same for a new key. Everything is only what names none: a list that came out empty was not meant so."""
    if scopes is None:
        return ALL
    if not scopes:
        raise ValueError("it is empty; leave it out for everything, or name what the key may do")
    return permissions_of_scopes(scopes)


def _granted(scope: str) -> list[tuple[Resource, Access]]:
    if scope == "api.all.read":
        return [(resource, Access.READ) for resource in Resource]
    if scope in _CALLS:
        return [(resource, Access.WRITE) for resource in _CAPABILITIES]
    name, _, access = scope.removeprefix("api.").rpartition(".")
    try:
        return [(_ALIASES.get(name) or Resource(name), Access(access))]
    except ValueError:
        raise ValueError(
            f"{scope[:60]!r} is not a scope here; use api.all.read, model.request, or api.<resource>.read or .write "
            f"with one of {', '.join(Resource)}"
        ) from None
