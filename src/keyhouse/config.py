"""Configuration: one frozen tree from a TOML file and the environment.

Each field can be set as `KEYHOUSE_SECTION__FIELD`, which wins over the file, and a secret also as
`..._FILE` with the path of a file that holds it. An unknown field or a bad value stops the start with the
field's name and what was expected. Only `app.py` and the command read this; rooms get the values they need.
"""

import tomllib
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import msgspec

from keyhouse.core.price_list import BadPrices, PriceList

DEFAULT_FILE: Final = Path("keyhouse.toml")
DATABASES: Final = ("sqlite:///", "postgresql://", "postgres://")
RETENTION_DAYS_MAX: Final = 36_500
PLACES_MAX: Final = 1_000
"""The largest rank and weight."""

_PREFIX: Final = "KEYHOUSE_"
_NOT_FIELDS: Final = frozenset({"KEYHOUSE_CONFIG", "KEYHOUSE_URL", "KEYHOUSE_ADMIN_KEY", "KEYHOUSE_ADMIN_KEY_FILE"})
"""What the command itself reads, beside names without `__`."""


class BadConfiguration(Exception):  # noqa: N818  it is an answer, not a fault
    """The configuration cannot be used. The text names the field and says what was expected."""


class Server(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where Keyhouse listens.

    `public_url` is the address people and applications use, if it is not the one listened on.
    `trusted_proxies` are addresses or networks whose `X-Forwarded-For` is believed.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    public_url: str | None = None
    trusted_proxies: tuple[str, ...] = ()


class Database(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the books are.

    `url` is `sqlite:///path/to/keyhouse.db`, or `postgresql://user:password@host:port/name` for many gateways on
    one database; left out, it is keyhouse.db in the data folder.
    """

    url: str | None = None

    def __repr__(self) -> str:
        return "Database(...)"


class Secrets(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the master key is; left out, it is master.key in the data folder."""

    master_key_file: str | None = None


class Retention(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many days things are kept: usage by the minute, and calls with all they say; left out, calls are kept for
    ever. Usage by the hour, what counts on limits and the audit log are kept for ever in any case.
    """

    minutes_days: int = 7
    calls_days: int | None = None


class Leaks(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is done with a key that somebody reports as leaked: `disable`, which an owner can undo, or `revoke`."""

    action: Literal["disable", "revoke"] = "disable"


class Upstream(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An OpenAI-compatible server.

    `base_url` ends where OpenAI's does, before `/chat/completions`. The credential is in the environment
    variable `api_key_env` or the file `api_key_file`, and goes up as `auth` says: `bearer`, as OpenAI wants it,
    `api-key`, as Azure does, or `x-api-key`, as Anthropic does. `api_version` is for Azure's addresses by deployment.
    Without `allow_private` the address must be https and public. Timeouts are seconds: to connect, until the answer
    begins, and between two pieces of it.
    """

    name: str
    base_url: str
    api_key_env: str | None = None
    api_key_file: str | None = None
    auth: Literal["bearer", "api-key", "x-api-key"] = "bearer"
    api_version: str | None = None
    allow_private: bool = False
    connect_timeout_seconds: float = 10.0
    first_byte_timeout_seconds: float = 600.0
    idle_timeout_seconds: float = 120.0


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


class Model(PriceList, frozen=True, forbid_unknown_fields=True):
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

    def _served(self, place: int, given: str | Served) -> Served:
        found = Served(name=given) if isinstance(given, str) else given
        prices = found if found.has_prices() else self
        return Served(
            name=found.name,
            rank=place if found.rank is None else found.rank,
            weight=1 if found.weight is None else found.weight,
            upstream_model=found.upstream_model or self.upstream_model or self.name,
            **{name: getattr(prices, name) for name in PriceList.__struct_fields__},
        )


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that can be configured."""

    server: Server = Server()
    database: Database = Database()
    secrets: Secrets = Secrets()
    retention: Retention = Retention()
    leaks: Leaks = Leaks()
    upstreams: tuple[Upstream, ...] = ()
    models: tuple[Model, ...] = ()


def load(file: Path | None, environment: Mapping[str, str]) -> Settings:
    """Read the file (or `KEYHOUSE_CONFIG`, or ./keyhouse.toml if it is there) and the environment.

    Raises BadConfiguration.
    """
    named = file or (Path(environment["KEYHOUSE_CONFIG"]) if environment.get("KEYHOUSE_CONFIG") else None)
    path = named or DEFAULT_FILE
    tree: dict[str, Any] = {}
    if named is not None or path.exists():
        try:
            tree = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise BadConfiguration(f"{path} cannot be read: {error.strerror}.") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise BadConfiguration(f"{path} is not valid TOML: {error}.") from None
    _overlay(tree, environment)
    try:
        settings = msgspec.convert(tree, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise BadConfiguration(_say(error, path)) from None
    _require_sense(settings)
    return settings


def read_secret(name: str, environment: Mapping[str, str]) -> str | None:
    """The value of an environment variable, or of the file that `<name>_FILE` names. Raises BadConfiguration."""
    if value := environment.get(name):
        return value.strip()
    if path := environment.get(f"{name}_FILE"):
        return read_secret_file(path, f"{name}_FILE")
    return None


def read_secret_file(path: str, field: str) -> str:
    """The one line in a file, which must not be empty. Raises BadConfiguration that names `field`."""
    try:
        value = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadConfiguration(f"{field}: {path} cannot be read: {error}.") from None
    if not value:
        raise BadConfiguration(f"{field}: {path} is empty.")
    return value


def _overlay(tree: dict[str, Any], environment: Mapping[str, str]) -> None:
    sections = {"server": Server, "database": Database, "secrets": Secrets, "retention": Retention, "leaks": Leaks}
    for name, value in environment.items():
        if not name.startswith(_PREFIX) or name in _NOT_FIELDS or "__" not in name:
            continue
        section, _, field = name.removeprefix(_PREFIX).lower().partition("__")
        if section not in sections:
            raise BadConfiguration(f"{name}: there is no section {section}; expected one of {', '.join(sections)}.")
        from_file = field.endswith("_file") and field not in sections[section].__struct_fields__
        field = field.removesuffix("_file") if from_file else field
        if field not in sections[section].__struct_fields__:
            known = ", ".join(sections[section].__struct_fields__)
            raise BadConfiguration(f"{name}: {section} has no field {field}; expected one of {known}.")
        text = read_secret_file(value, name) if from_file else value
        tree.setdefault(section, {})[field] = text.split(",") if field == "trusted_proxies" else text


def _say(error: msgspec.ValidationError, path: Path) -> str:
    message, _, place = str(error).partition(" - at `$")
    place = place.rstrip("`").lstrip(".")
    return f"{path}: {f'{place}: ' if place else ''}{message}."


def _require_sense(settings: Settings) -> None:
    server = settings.server
    if not 0 <= server.port <= 65535:
        raise BadConfiguration(f"server.port: expected 0 to 65535, not {server.port}.")
    if server.public_url is not None and urlsplit(server.public_url).scheme not in ("http", "https"):
        raise BadConfiguration(f"server.public_url: expected an http or https address, not {server.public_url!r}.")
    for network in server.trusted_proxies:
        try:
            ip_network(network)
        except ValueError as error:
            raise BadConfiguration(f"server.trusted_proxies: {error}.") from None
    url = settings.database.url
    if url is not None and not url.startswith(DATABASES):
        # Whatever it is, it may hold a password.
        raise BadConfiguration("database.url: expected sqlite:///path/to/keyhouse.db or postgresql://user@host/name.")
    for name in Retention.__struct_fields__:
        days = getattr(settings.retention, name)
        if days is not None and not 1 <= days <= RETENTION_DAYS_MAX:
            raise BadConfiguration(f"retention.{name}: expected 1 to {RETENTION_DAYS_MAX} days, not {days}.")
    names: set[str] = set()
    for place, upstream in enumerate(settings.upstreams):
        _require_upstream(f"upstreams[{place}]", upstream, names)
        names.add(upstream.name)
    seen: set[str] = set()
    for place, model in enumerate(settings.models):
        _require_model(f"models[{place}]", model, names, seen)
        seen.add(model.name)


def _require_upstream(field: str, upstream: Upstream, taken: set[str]) -> None:
    if not upstream.name or upstream.name in taken:
        raise BadConfiguration(f"{field}.name: expected a name that no other upstream has, not {upstream.name!r}.")
    parts = urlsplit(upstream.base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise BadConfiguration(f"{field}.base_url: expected an address such as https://api.example.com/v1.")
    if parts.scheme == "http" and not upstream.allow_private:
        raise BadConfiguration(
            f"{field}.base_url: expected https; for a server of your own set allow_private = true for {upstream.name}."
        )
    for name in ("connect_timeout_seconds", "first_byte_timeout_seconds", "idle_timeout_seconds"):
        if not 0 < getattr(upstream, name) <= 86_400:
            raise BadConfiguration(f"{field}.{name}: expected more than 0 and at most 86400 seconds.")


def _require_model(field: str, model: Model, upstreams: set[str], taken: set[str]) -> None:
    if not model.name or model.name in taken:
        raise BadConfiguration(f"{field}.name: expected a name that no other model has, not {model.name!r}.")
    _require_served(field, model, upstreams)
    for name in ("max_output_tokens", "max_image_tokens", "max_audio_tokens", "max_audio_seconds", "max_input_tokens"):
        value = getattr(model, name)
        if value is not None and not 1 <= value <= 10_000_000:
            raise BadConfiguration(f"{field}.{name}: expected 1 to 10000000, not {value}.")
    _require_prices(field, model)


def _require_served(field: str, model: Model, known: set[str]) -> None:
    if not model.upstreams:
        raise BadConfiguration(f"{field}.upstreams: expected the name of an upstream.")
    served = model.served()
    for place, (given, found) in enumerate(zip(model.upstreams, served, strict=True)):
        where = f"{field}.upstreams[{place}]"
        if found.name not in known:
            names = ", ".join(sorted(known)) or "none is configured"
            raise BadConfiguration(f"{where}: there is no upstream {found.name!r} (known: {names}).")
        if [one.name for one in served].count(found.name) > 1:
            raise BadConfiguration(f"{where}: expected each upstream once, and {found.name!r} is named again.")
        if isinstance(given, Served):
            _require_place(where, given, [one.rank for one in served].count(found.rank))
            _require_prices(where, given)


def _require_place(where: str, given: Served, of_its_rank: int) -> None:
    for name in ("rank", "weight"):
        value = getattr(given, name)
        if value is not None and not 1 <= value <= PLACES_MAX:
            raise BadConfiguration(f"{where}.{name}: expected 1 to {PLACES_MAX}, not {value}.")
    if given.weight is not None and of_its_rank == 1:
        raise BadConfiguration(
            f"{where}.weight: expected another upstream of the same rank: those of one rank share the calls."
        )


def _require_prices(field: str, prices: PriceList) -> None:
    try:
        prices.require_sense()
    except BadPrices as error:
        place = f"{field}.{error.field}" if error.field else field
        raise BadConfiguration(f"{place}: {error.why}.") from None
