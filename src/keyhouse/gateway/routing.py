"""Which upstreams serve a model, in which order they are tried, and which models a key may see."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final
from urllib.parse import quote

import msgspec

from keyhouse.core.bound import UNKNOWN, Ceilings
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.key import Credential
from keyhouse.core.money import Price
from keyhouse.gateway.cool_down import CoolDowns
from keyhouse.wire.body import Names

NAME_CHARACTERS_MAX: Final = 200
"""The longest name that is passed on unknown: it stands in the call's row and in the rollups."""

DEPLOYMENT_PATHS: Final = frozenset(
    {
        "/audio/speech",
        "/audio/transcriptions",
        "/audio/translations",
        "/chat/completions",
        "/completions",
        "/embeddings",
        "/images/edits",
        "/images/generations",
    }
)
"""What Azure has below `/deployments/{deployment}` (its REST reference, data plane inference); the rest names the
deployment in the body."""


class Auth(StrEnum):
    """How an upstream wants its credential: as OpenAI does, as Azure does, or as Anthropic does."""

    API_KEY = "api-key"
    BEARER = "bearer"
    X_API_KEY = "x-api-key"


class Upstream(msgspec.Struct, frozen=True):
    """An OpenAI-compatible server. `base_url` ends before `/chat/completions`, without a slash.

    `auth` is how it wants its credential. Without `allow_private` it must be https at a public address.
    `api_version` makes it Azure's older form: models are below their deployments, and the version is in the query.
    `max_tokens_only`: it knows the maximum of a chat's answer as `max_tokens` alone.
    `is_demo`: the built-in one, in this process.
    Timeouts: to connect, until the answer begins, and between two pieces of a streamed one.
    """

    name: str
    base_url: str
    api_key: str | None = None
    auth: Auth = Auth.BEARER
    allow_private: bool = False
    api_version: str | None = None
    max_tokens_only: bool = False
    is_demo: bool = False
    connect_timeout_ms: int = 10_000
    first_byte_timeout_ms: int = 600_000
    idle_timeout_ms: int = 120_000

    @property
    def secret(self) -> bytes | None:
        """Its credential as it would show in an answer, from which it is cut out."""
        return self.api_key.encode() if self.api_key else None

    def target(self, path: str, model: str | None = None) -> str:
        """Where `path` of OpenAI's API is below the base of this upstream, for a model by its name there."""
        if self.api_version is None:
            return path
        if model is not None and path in DEPLOYMENT_PATHS:
            path = f"/deployments/{quote(model, safe='')}{path}"
        return f"{path}{'&' if '?' in path else '?'}api-version={quote(self.api_version, safe='')}"

    def __repr__(self) -> str:
        return f"Upstream({self.name!r}, {self.base_url!r})"


class Deployment(msgspec.Struct, frozen=True):
    """A model at one upstream: its name there, and what it costs there. `price` None: its cost is unknown.

    `ceilings` are its documented maxima. The lowest `rank` is tried first; within a rank `weight` says how often
    one is tried before the others.
    """

    upstream: Upstream
    upstream_model: str
    price: Price | None = None
    ceilings: Ceilings = UNKNOWN
    rank: int = 1
    weight: int = 1

    @property
    def names(self) -> Names:
        """What the upstream calls the model, and the maximum of an answer."""
        return Names(self.upstream_model, self.upstream.max_tokens_only)

    def target(self, path: str) -> str:
        """Where `path` of OpenAI's API is for this model, below its upstream's base."""
        return self.upstream.target(path, self.upstream_model)


class Model(msgspec.Struct, frozen=True):
    """A public name and who answers to it: at least one deployment."""

    name: str
    deployments: tuple[Deployment, ...]
    created_at_s: int = 0
    owned_by: str = "keyhouse"


class Routing:
    """The models by their public names, in the order in which they are listed.

    A name that is not among them goes to `others`, if there is one, without a price.
    """

    def __init__(self, models: Mapping[str, Model], cool_downs: CoolDowns, others: Upstream | None = None) -> None:
        self.cool_downs = cool_downs
        self.replace(models, (), others)

    def replace(self, models: Mapping[str, Model], upstreams: Iterable[Upstream], others: Upstream | None) -> None:
        """From now on there are these models and no others; a call that runs goes on as it was chosen."""
        self._models = dict(models)
        self._others = others
        self._upstreams = {upstream.name: upstream for upstream in upstreams}
        for model in models.values():
            self._upstreams |= {each.upstream.name: each.upstream for each in model.deployments}
        if others is not None:
            self._upstreams[others.name] = others

    @property
    def names(self) -> list[str]:
        """The names of the models."""
        return list(self._models)

    @property
    def upstreams(self) -> Collection[str]:
        """The names of all upstreams."""
        return self._upstreams.keys()

    @property
    def home(self) -> Upstream | None:
        """The first upstream that is not the demo: where what belongs to no model is made."""
        return next((upstream for upstream in self._upstreams.values() if not upstream.is_demo), None)

    def find_upstream(self, name: str) -> Upstream | None:
        """The upstream of this name, if there still is one."""
        return self._upstreams.get(name)

    def get(self, name: str) -> Model:
        """The model of this name; raises Refusal if there is none."""
        model = self._models.get(name)
        is_name = len(name) <= NAME_CHARACTERS_MAX and name.isprintable()
        if model is None and self._others is not None and is_name:
            return Model(name, (Deployment(self._others, name),), owned_by=self._others.name)
        if model is None:
            raise Refusal(
                Code.MODEL_UNKNOWN,
                f"The model `{name[:200]}` does not exist or you do not have access to it.",
                hint="GET /v1/models lists the models that this key may use.",
                param="model",
            )
        return model

    def choose(self, name: str, random: bytes) -> Sequence[Deployment]:
        """The deployments to try for a model of this name, in order; raises Refusal if there is no such model."""
        deployments = self.get(name).deployments
        if len(deployments) == 1:
            return deployments
        ordered = in_order(deployments, int.from_bytes(random), self.cool_downs.cooling())
        self.cool_downs.tries(ordered[0].upstream.name)
        return ordered

    def visible(self, credential: Credential) -> list[Model]:
        """The models that this credential may use."""
        return [model for name, model in self._models.items() if credential.may_use(name)]


def in_order(
    deployments: Sequence[Deployment], draw: int, cooling: Collection[str] = frozenset()
) -> Sequence[Deployment]:
    """All of them, in the order in which they are tried; the same `draw` always gives the same order.

    The lowest rank comes first. Within a rank, each place goes to one of those that are left, with a chance of its
    weight in theirs. Whose upstream cools down comes after all others, but is not left out: when nobody is well, a
    try is worth more than a refusal.
    """
    ordered = []
    for rank in sorted({deployment.rank for deployment in deployments}):
        left = [deployment for deployment in deployments if deployment.rank == rank]
        while left:
            draw, point = divmod(draw, sum(deployment.weight for deployment in left))
            place = 0
            while point >= left[place].weight:
                point -= left[place].weight
                place += 1
            ordered.append(left.pop(place))
    return sorted(ordered, key=lambda deployment: deployment.upstream.name in cooling)
