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

from keyhouse.core.money import NANO_PER_USD, parse_price, parse_usd

DEFAULT_FILE: Final = Path("keyhouse.toml")
DATABASES: Final = ("sqlite:///", "postgresql://", "postgres://")
RETENTION_DAYS_MAX: Final = 36_500
PRICE_USD_MAX: Final = 1_000_000
"""The dearest price that is taken for meant, of a million tokens as of an image: no worst case of it overflows."""

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


class Upstream(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An OpenAI-compatible server.

    `base_url` ends where OpenAI's does, before `/chat/completions`. The credential is in the environment
    variable `api_key_env` or the file `api_key_file`, and goes up as `auth` says: `bearer`, as OpenAI wants it, or
    `x-api-key`, as Anthropic does. Without `allow_private` the address must be https and public. Timeouts are
    seconds: to connect, until the answer begins, and between two pieces of it.
    """

    name: str
    base_url: str
    api_key_env: str | None = None
    api_key_file: str | None = None
    auth: Literal["bearer", "x-api-key"] = "bearer"
    allow_private: bool = False
    connect_timeout_seconds: float = 10.0
    first_byte_timeout_seconds: float = 600.0
    idle_timeout_seconds: float = 120.0


class Rate(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What tokens cost on another service tier than the default one, or in calls of so many input tokens and more.

    Prices are USD per million tokens, as text.
    """

    tier: str = "default"
    from_input_tokens: int = 0
    input_usd_per_million: str
    cached_input_usd_per_million: str | None = None
    cache_write_usd_per_million: str | None = None
    output_usd_per_million: str
    audio_input_usd_per_million: str | None = None
    audio_output_usd_per_million: str | None = None


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model's public name and who serves it. Prices are USD, as text; left out, they are those that are known
    for `upstream_model`, which is the public name if left out itself.

    The maxima bound what a call can cost: tokens of an answer, of an image and of a piece of audio in a prompt,
    seconds of audio to transcribe, tokens of a prompt with all that the upstream adds to it. What has no maximum is
    refused where a limit in usd applies.
    """

    name: str
    upstreams: tuple[str, ...]
    upstream_model: str | None = None
    input_usd_per_million: str | None = None
    cached_input_usd_per_million: str | None = None
    cache_write_usd_per_million: str | None = None
    output_usd_per_million: str | None = None
    max_output_tokens: int | None = None
    audio_input_usd_per_million: str | None = None
    audio_output_usd_per_million: str | None = None
    image_usd: str | None = None
    audio_usd_per_minute: str | None = None
    characters_usd_per_million: str | None = None
    request_usd: str | None = None
    max_image_tokens: int | None = None
    max_audio_tokens: int | None = None
    max_audio_seconds: int | None = None
    max_input_tokens: int | None = None
    rates: tuple[Rate, ...] = ()


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that can be configured."""

    server: Server = Server()
    database: Database = Database()
    secrets: Secrets = Secrets()
    retention: Retention = Retention()
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
    sections = {"server": Server, "database": Database, "secrets": Secrets, "retention": Retention}
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
    if len(model.upstreams) != 1:
        raise BadConfiguration(f"{field}.upstreams: expected the name of one upstream, got {len(model.upstreams)}.")
    for name in model.upstreams:
        if name not in upstreams:
            known = ", ".join(sorted(upstreams)) or "none is configured"
            raise BadConfiguration(f"{field}.upstreams: there is no upstream {name!r} (known: {known}).")
    for name in ("max_output_tokens", "max_image_tokens", "max_audio_tokens", "max_audio_seconds", "max_input_tokens"):
        value = getattr(model, name)
        if value is not None and not 1 <= value <= 10_000_000:
            raise BadConfiguration(f"{field}.{name}: expected 1 to 10000000, not {value}.")
    _require_prices(field, model)
    if (model.input_usd_per_million is None) != (model.output_usd_per_million is None):
        raise BadConfiguration(f"{field}: set both input_usd_per_million and output_usd_per_million, or neither.")
    for name in _BESIDE_TOKENS:
        if model.input_usd_per_million is None and getattr(model, name) is not None:
            raise BadConfiguration(
                f"{field}.{name}: expected input_usd_per_million and output_usd_per_million beside it; without them "
                "the known prices are used."
            )
    _require_rates(field, model)


_BESIDE_TOKENS: Final = (
    "cached_input_usd_per_million",
    "cache_write_usd_per_million",
    "audio_input_usd_per_million",
    "audio_output_usd_per_million",
)
"""Prices of tokens that mean nothing without those of plain ones."""


def _require_rates(field: str, model: Model) -> None:
    if model.rates and model.input_usd_per_million is None:
        raise BadConfiguration(f"{field}.rates: expected input_usd_per_million and output_usd_per_million beside them.")
    kinds = {("default", 0)}
    for number, rate in enumerate(model.rates):
        place = f"{field}.rates[{number}]"
        _require_prices(place, rate)
        if not 0 <= rate.from_input_tokens <= 100_000_000:
            raise BadConfiguration(f"{place}.from_input_tokens: expected 0 to 100000000, not {rate.from_input_tokens}.")
        if not rate.tier or (rate.tier, rate.from_input_tokens) in kinds:
            raise BadConfiguration(f"{place}: expected a tier and from_input_tokens that no other rate has.")
        kinds.add((rate.tier, rate.from_input_tokens))
    for number, rate in enumerate(model.rates):
        if (rate.tier, 0) not in kinds:
            raise BadConfiguration(f"{field}.rates[{number}]: the tier {rate.tier!r} needs a rate from 0 tokens, too.")


def _require_prices(field: str, priced: Model | Rate) -> None:
    for name in priced.__struct_fields__:
        text = getattr(priced, name)
        if "_usd" not in name or text is None:
            continue
        is_per_million = name.endswith("_per_million")
        try:
            # Both are integers below the dollar: micro-USD per million, and nano-USD.
            amount, one_usd = (parse_price(text), 1_000_000) if is_per_million else (parse_usd(text), NANO_PER_USD)
        except ValueError as error:
            unit = "USD per million" if is_per_million else "USD"
            raise BadConfiguration(f"{field}.{name}: {error}; write {unit} as text, such as '0.25'.") from None
        if amount > PRICE_USD_MAX * one_usd:
            raise BadConfiguration(f"{field}.{name}: expected at most {PRICE_USD_MAX} USD, not {text}.")
