"""Which upstreams and models there are: what is configured, and what administrators added."""

import hashlib
from collections.abc import Collection
from typing import TypeVar

import msgspec

from keyhouse.core.errors import Code, Refusal
from keyhouse.core.money import Price
from keyhouse.core.written import Configured, WrittenModel, WrittenUpstream
from keyhouse.store import served_models, upstreams
from keyhouse.store.engine import Database


class KnownUpstream(msgspec.Struct, frozen=True):
    """An upstream. `is_configured`: the configuration has it, and only there it is changed; whether it has a credential
    is not asked of it. `is_shadowed`: the configuration has another one of its name, which is used instead.
    """

    id: str
    written: WrittenUpstream
    has_credential: bool | None = None
    created_at_ms: int | None = None
    is_configured: bool = False
    is_shadowed: bool = False


class KnownModel(msgspec.Struct, frozen=True):
    """A model; its fields mean what those of an upstream do."""

    id: str
    written: WrittenModel
    created_at_ms: int | None = None
    is_configured: bool = False
    is_shadowed: bool = False


class ServedAt(msgspec.Struct, frozen=True):
    """A model at one of its upstreams, as calls are served right now. `price` None: its cost is not known."""

    upstream: str
    upstream_model: str
    rank: int
    weight: int
    price: Price | None


K = TypeVar("K", KnownUpstream, KnownModel)


class CatalogQuestions:
    """The questions about upstreams and models."""

    def __init__(self, database: Database, configured: Configured) -> None:
        self._database = database
        self._configured = configured

    async def upstreams(self, organization_id: str) -> list[KnownUpstream]:
        """All of them: those of the configuration first, then the organization's, oldest first."""
        stored = await self._database.read(upstreams.list_upstreams)
        taken = {one.name for one in self._configured.upstreams}
        return [
            *(
                KnownUpstream(_configured_id("upstream_", one.name), _plain(one), is_configured=True)
                for one in self._configured.upstreams
            ),
            *(
                KnownUpstream(
                    one.id,
                    one.written,
                    one.credential is not None,
                    one.created_at_ms,
                    is_shadowed=one.written.name in taken,
                )
                for one in stored
                if one.organization_id == organization_id
            ),
        ]

    async def upstream(self, organization_id: str, upstream_id: str) -> KnownUpstream:
        """One of them by its id; raises Refusal(NOT_FOUND)."""
        return _one(await self.upstreams(organization_id), upstream_id, "upstream")

    async def models(self, organization_id: str) -> list[KnownModel]:
        """All of them, in the same order."""
        stored = await self._database.read(served_models.list_models)
        taken = {one.name for one in self._configured.models}
        return [
            *(
                KnownModel(_configured_id("model_", one.name), one, is_configured=True)
                for one in self._configured.models
            ),
            *(
                KnownModel(one.id, one.written, one.created_at_ms, is_shadowed=one.written.name in taken)
                for one in stored
                if one.organization_id == organization_id
            ),
        ]

    async def model(self, organization_id: str, model_id: str) -> KnownModel:
        """One of them by its id; raises Refusal(NOT_FOUND)."""
        return _one(await self.models(organization_id), model_id, "model")


def _configured_id(prefix: str, name: str) -> str:
    """An id for what only has a name: always the same, and fit for a path whatever the name is."""
    return f"{prefix}config_{hashlib.sha256(name.encode()).hexdigest()[:20]}"


def _plain(written: WrittenUpstream) -> WrittenUpstream:
    """Without what only the configuration says of it: where its credential is."""
    return WrittenUpstream(*(getattr(written, name) for name in WrittenUpstream.__struct_fields__))


def _one(found: Collection[K], wanted: str, what: str) -> K:
    for one in found:
        if one.id == wanted:
            return one
    raise Refusal(Code.NOT_FOUND, f"There is no {what} {wanted} here.", hint=f"List the {what}s to see their ids.")
