"""What a key may do.

A permission is a resource and an access: `chat_completions` `write`. A key holds all, all reads, or a
list; what is not granted is refused. JSON form: `"all"`, `"read_only"`, or `{"chat_completions": "write"}`.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec


class Resource(StrEnum):
    """What can be granted, alphabetical. `keys` is to verify keys of one's own organization, `child_keys` to make
    keys that may do no more than the one that makes them.
    """

    AUDIO = "audio"
    BATCHES = "batches"
    CHAT_COMPLETIONS = "chat_completions"
    CHILD_KEYS = "child_keys"
    COMPLETIONS = "completions"
    EMBEDDINGS = "embeddings"
    FILES = "files"
    IMAGES = "images"
    KEYS = "keys"
    MODELS = "models"
    MODERATIONS = "moderations"
    REALTIME = "realtime"
    RESPONSES = "responses"
    VECTOR_STORES = "vector_stores"


class Access(StrEnum):
    """How far a grant goes; write includes read."""

    READ = "read"
    WRITE = "write"


class Permissions(msgspec.Struct, frozen=True):
    """A key's permissions. `grants` counts only where `mode` is `restricted`."""

    mode: str = "all"
    grants: Mapping[Resource, Access] = {}

    def allow(self, resource: Resource, access: Access) -> bool:
        """Whether a key with these permissions may do this."""
        if self.mode == "all":
            return True
        if self.mode == "read_only":
            return access is Access.READ
        held = self.grants.get(resource)
        return held is Access.WRITE or held is access

    def is_within(self, other: "Permissions") -> bool:
        """Whether `other` allows all that these allow."""
        return all(
            other.allow(resource, access) for resource in Resource for access in Access if self.allow(resource, access)
        )

    def meet(self, other: "Permissions") -> "Permissions":
        """What both allow."""
        if self.is_within(other):
            return self
        grants: dict[Resource, Access] = {}
        for resource in Resource:
            for access in (Access.READ, Access.WRITE):  # write includes read, so it comes last
                if self.allow(resource, access) and other.allow(resource, access):
                    grants[resource] = access
        return Permissions("restricted", grants)

    def to_json(self) -> str | dict[str, str]:
        """The form of the API."""
        if self.mode != "restricted":
            return self.mode
        return {str(resource): str(access) for resource, access in sorted(self.grants.items())}

    def written(self) -> str:
        """The form in which they are kept: the same text for the same permissions."""
        return msgspec.json.encode(self.to_json()).decode()


ALL: Final = Permissions()
READ_ONLY: Final = Permissions("read_only")
CHAT_ONLY: Final = Permissions("restricted", {Resource.CHAT_COMPLETIONS: Access.WRITE, Resource.MODELS: Access.READ})
EMBEDDINGS_ONLY: Final = Permissions("restricted", {Resource.EMBEDDINGS: Access.WRITE, Resource.MODELS: Access.READ})
PRESETS: Final = {
    "all": ALL,
    "chat_only": CHAT_ONLY,
    "embeddings_only": EMBEDDINGS_ONLY,
    "read_only": READ_ONLY,
}


def parse_permissions(value: object) -> Permissions:
    """Permissions from JSON; raises ValueError with a sentence that says what was expected."""
    if isinstance(value, str):
        if value in PRESETS:
            return PRESETS[value]
        raise ValueError(f"{value!r} is not one of {', '.join(PRESETS)}")
    if not isinstance(value, Mapping):
        raise ValueError("expected a preset's name or an object of resource and access")
    grants: dict[Resource, Access] = {}
    for name, access in value.items():
        try:
            resource = Resource(name)
        except ValueError:
            raise ValueError(f"{name!r} is not one of {', '.join(Resource)}") from None
        if access in (None, "none"):
            continue
        try:
            grants[resource] = Access(access)
        except ValueError:
            raise ValueError(f"access to {name} is none, read or write, not {access!r}") from None
    return Permissions("restricted", grants)
