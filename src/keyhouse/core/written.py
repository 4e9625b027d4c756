"""Upstreams and models as people write them down, in the configuration or by API, and what can be meant by it."""

from collections.abc import Collection
from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec

from keyhouse.core.price_list import BadField, PriceList

PLACES_MAX: Final = 1_000
"""The largest rank and weight."""

NAME_CHARACTERS_MAX: Final = 200
TOKENS_MAX: Final = 10_000_000
TIMEOUT_SECONDS_MAX: Final = 86_400

_MAXIMA: Final = (
    "max_output_tokens",
    "max_image_tokens",
    "max_audio_tokens",
    "max_audio_seconds",
    "max_input_tokens",
)
_NOT_IN_ADDRESSES: Final = frozenset(' "<>\\^`{|}')
_TIMEOUTS: Final = ("connect_timeout_seconds", "first_byte_timeout_seconds", "idle_timeout_seconds")


class WrittenUpstream(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An OpenAI-compatible server, without its credential.

    `base_url` ends where OpenAI's does, before `/chat/completions`. The credential goes up as `auth` says: `bearer`, as
    OpenAI wants it, `api-key`, as Azure does, or `x-api-key`, as Anthropic does. `api_version` is for Azure's addresses
    by deployment. `max_tokens_only`: it knows the maximum of a chat's answer by no other name. Without `allow_private`
    the address must be https and public. Timeouts are seconds: to connect, until the answer begins, and between two
    pieces of it.
    """

    name: str
    base_url: str
    auth: Literal["bearer", "api-key", "x-api-key"] = "bearer"
    api_version: str | None = None
    max_tokens_only: bool = False
    allow_private: bool = False
    connect_timeout_seconds: float = 10.0
    first_byte_timeout_seconds: float = 600.0
    idle_timeout_seconds: float = 120.0

    def require_sense(self) -> None:
        """Raise BadField unless every field can be meant."""
        if not self.name.strip() or len(self.name) > NAME_CHARACTERS_MAX or not self.name.isprintable():
            raise BadField("name", f"expected 1 to {NAME_CHARACTERS_MAX} characters that can be seen")
        if not _is_address(self.base_url):
            raise BadField("base_url", "expected an address such as https://api.example.com/v1")
        if urlsplit(self.base_url).scheme == "http" and not self.allow_private:
            raise BadField(
                "base_url", f"expected https; for a server of your own set allow_private = true for {self.name}"
            )
        if self.api_version is not None and not self.api_version:
            raise BadField("api_version", "expected a version such as 2024-10-21, or none")
        for name in _TIMEOUTS:
            if not 0 < getattr(self, name) <= TIMEOUT_SECONDS_MAX:
                raise BadField(name, f"expected more than 0 and at most {TIMEOUT_SECONDS_MAX} seconds")


class Served(PriceList, frozen=True, forbid_unknown_fields=True):
    """One of a model's upstreams, in more words than its name.

    The lowest `rank` is tried first; left out, it is the place in the list, from 1. Upstreams of one rank share the
    calls by `weight`, and stand in for each other before the next rank does. `upstream_model` is the model's name
    there; left out, the model says it. Prices are those of the model unless there is any here.
    """

    name: str
    rank: int | None = None
    weight: int | None = None
    upstream_model: str | None = None


class WrittenModel(PriceList, frozen=True, forbid_unknown_fields=True):
    """A model's public name and who serves it: names of upstreams, in the order in which they are tried, or tables.
    Its prices are for each of them that has none of its own; `upstream_model` is the public name if left out.

    The maxima bound what a call can cost: tokens of an answer, of an image and of a piece of audio in a prompt,
    seconds of audio to transcribe, tokens of a prompt with all that the upstream adds to it. What has no maximum is
    refused where a limit in usd applies.
    """

    name: str
    upstreams: tuple[str | Served, ...]
    upstream_model: str | None = None
    max_output_tokens: int | None = None
    max_image_tokens: int | None = None
    max_audio_tokens: int | None = None
    max_audio_seconds: int | None = None
    max_input_tokens: int | None = None

    def served(self) -> tuple[Served, ...]:
        """Its upstreams, each with its rank, weight, name and prices."""
        return tuple(self._served(place, given) for place, given in enumerate(self.upstreams, 1))

    def require_sense(self, known: Collection[str]) -> None:
        """Raise BadField unless every field can be meant, where these are the upstreams that there are."""
        if not self.name.strip() or len(self.name) > NAME_CHARACTERS_MAX or not self.name.isprintable():
            raise BadField("name", f"expected 1 to {NAME_CHARACTERS_MAX} characters that can be seen")
        self._require_served(known)
        for name in _MAXIMA:
            value = getattr(self, name)
            if value is not None and not 1 <= value <= TOKENS_MAX:
                raise BadField(name, f"expected 1 to {TOKENS_MAX}, not {value}")
        self.require_prices()

    def _served(self, place: int, given: "str | Served") -> Served:
        found = Served(name=given) if isinstance(given, str) else given
        prices = found if found.has_prices() else self
        return Served(
            name=found.name,
            rank=place if found.rank is None else found.rank,
            weight=1 if found.weight is None else found.weight,
            upstream_model=found.upstream_model or self.upstream_model or self.name,
            **{name: getattr(prices, name) for name in PriceList.__struct_fields__},
        )

    def _require_served(self, known: Collection[str]) -> None:
        if not self.upstreams:
            raise BadField("upstreams", "expected the name of an upstream")
        served = self.served()
        for place, (given, found) in enumerate(zip(self.upstreams, served, strict=True)):
            where = f"upstreams[{place}]"
            if found.name not in known:
                names = ", ".join(sorted(known)) or "there is none yet"
                raise BadField(where, f"there is no upstream {found.name!r} (known: {names})")
            if [one.name for one in served].count(found.name) > 1:
                raise BadField(where, f"expected each upstream once, and {found.name!r} is named again")
            if isinstance(given, Served):
                _require_place(where, given, [one.rank for one in served].count(found.rank))
                try:
                    given.require_prices()
                except BadField as error:
                    raise BadField(f"{where}.{error.field}" if error.field else where, error.why) from None


class Configured(msgspec.Struct, frozen=True):
    """What the configuration says there is; it wins over what administrators add under the same names."""

    upstreams: tuple[WrittenUpstream, ...] = ()
    models: tuple[WrittenModel, ...] = ()


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and text.isprintable()
            and not _NOT_IN_ADDRESSES.intersection(text)
            and not (parts.query or parts.fragment or parts.username)
            and parts.port != 0
        )
    except ValueError:
        return False


def _require_place(where: str, given: Served, of_its_rank: int) -> None:
    for name in ("rank", "weight"):
        value = getattr(given, name)
        if value is not None and not 1 <= value <= PLACES_MAX:
            raise BadField(f"{where}.{name}", f"expected 1 to {PLACES_MAX}, not {value}")
    if given.weight is not None and of_its_rank == 1:
        raise BadField(
            f"{where}.weight", "expected another upstream of the same rank: those of one rank share the calls"
        )
