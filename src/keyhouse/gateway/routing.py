"""Which upstream serves a model, and which models a key may see."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec

from keyhouse.core.bound import UNKNOWN, Ceilings
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.key import Credential
from keyhouse.core.money import Price

NAME_CHARACTERS_MAX: Final = 200
"""The longest name that is passed on unknown: it stands in the call's row and in the rollups."""


class Auth(StrEnum):
    """How an upstream wants its credential: as OpenAI does, or as Anthropic does."""

    BEARER = "bearer"
    X_API_KEY = "x-api-key"


class Upstream(msgspec.Struct, frozen=True):
    """An OpenAI-compatible server. `base_url` ends before `/chat/completions`, without a slash.

    `auth` is how it wants its credential. Without `allow_private` it must be https at a public address.
    `is_demo`: the built-in one, in this process.
    Timeouts: to connect, until the answer begins, and between two pieces of a streamed one.
    """

    name: str
    base_url: str
    api_key: str | None = None
    auth: Auth = Auth.BEARER
    allow_private: bool = False
    is_demo: bool = False
    connect_timeout_ms: int = 10_000
    first_byte_timeout_ms: int = 600_000
    idle_timeout_ms: int = 120_000

    @property
    def secret(self) -> bytes | None:
        """Its credential as it would show in an answer, from which it is cut out."""
        return self.api_key.encode() if self.api_key else None

    def __repr__(self) -> str:
        return f"Upstream({self.name!r}, {self.base_url!r})"


class Model(msgspec.Struct, frozen=True):
    """A public name and who answers to it. `price` None: its cost is unknown.

    `ceilings` are its documented maxima.
    """

    name: str
    upstream: Upstream
    upstream_model: str
    price: Price | None = None
    ceilings: Ceilings = UNKNOWN
    created_at_s: int = 0
    owned_by: str = "keyhouse"


class Routing:
    """The models by their public names, in the order in which they are listed.

    A name that is not among them goes to `others`, if there is one, without a price.
    """

    def __init__(self, models: Mapping[str, Model], others: Upstream | None = None) -> None:
        self._models = dict(models)
        self._others = others
        self._upstreams = {model.upstream.name: model.upstream for model in self._models.values()}
        if others is not None:
            self._upstreams[others.name] = others

    def find_upstream(self, name: str) -> Upstream | None:
        """The upstream of this name, if there still is one."""
        return self._upstreams.get(name)

    def choose(self, name: str) -> Model:
        """The model of this name; raises Refusal if there is none."""
        model = self._models.get(name)
        if model is None and self._others is not None and len(name) <= NAME_CHARACTERS_MAX:
            return Model(name, self._others, name, owned_by=self._others.name)
        if model is None:
            raise Refusal(
                Code.MODEL_UNKNOWN,
                f"The model `{name[:200]}` does not exist or you do not have access to it.",
                hint="GET /v1/models lists the models that this key may use.",
                param="model",
            )
        return model

    def visible(self, credential: Credential) -> list[Model]:
        """The models that this credential may use."""
        return [model for name, model in self._models.items() if credential.may_use(name)]
