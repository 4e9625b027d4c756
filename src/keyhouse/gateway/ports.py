"""The ports to the control plane: child keys are made there, and leaked keys stopped."""

from collections.abc import Sequence
from typing import Protocol

from keyhouse.core.children import ChildDraft
from keyhouse.core.key import ApiKey, Credential
from keyhouse.wire.leaks import LeakReport


class Issued(Protocol):
    """A new key with its secret's value, which is shown once."""

    @property
    def key(self) -> ApiKey:
        """The key."""
        ...

    @property
    def value(self) -> str:
        """Its secret."""
        ...


class ChildKeys(Protocol):
    """What can be asked of child keys, by their parent. Each raises Refusal."""

    async def mint(self, parent: Credential, draft: ChildDraft, address: str) -> Issued:
        """A new child key."""
        ...

    async def list(self, parent: Credential, now_ms: int) -> tuple[ApiKey, ...]:
        """The parent's living child keys."""
        ...

    async def revoke(self, parent: Credential, child_id: str, address: str) -> None:
        """Refuse a child key for good."""
        ...


class Leaks(Protocol):
    """What the control plane does with reports."""

    async def report(self, reports: Sequence[LeakReport], address: str) -> int:
        """Stop the keys of these secrets."""
        ...
