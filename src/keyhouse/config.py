"""Configuration: one frozen tree from a TOML file and the environment.

Each field can be set as `KEYHOUSE_SECTION__FIELD`, which wins over the file, and a secret also as
`..._FILE` with the path of a file that holds it. An unknown field or a bad value stops the start with the
field's name and what was expected. Only `app.py` and the command read this; rooms get the values they need.
"""

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import inspect

from keyhouse.core.leak_signatures import Signatures, read_signatures
from keyhouse.core.price_list import BadField
from keyhouse.core.written import WrittenModel, WrittenUpstream

DEFAULT_FILE: Final = Path("keyhouse.toml")
DATABASES: Final = ("sqlite:///", "postgresql://", "postgres://")
RETENTION_DAYS_MAX: Final = 36_500

_PREFIX: Final = "KEYHOUSE_"
_UNKNOWN: Final = "Object contains unknown field `"
_NAME: Final = re.compile(r"[a-z_]+")
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

    def master_key_beside(self, data: Path) -> Path:
        """The master key's file, where this is the data folder."""
        return data / "master.key" if self.master_key_file is None else Path(self.master_key_file)


class Retention(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many days things are kept: usage by the minute, and calls with all they say; left out, calls are kept for
    ever. Usage by the hour, what counts on limits and the audit log are kept for ever in any case.
    """

    minutes_days: int = 7
    calls_days: int | None = None


class Leaks(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is done with a key that somebody reports as leaked: `disable`, which an owner can undo, or `revoke`.

    With `github_public_keys_file`, the keys that GitHub publishes, only reports that it signed are taken.
    """

    action: Literal["disable", "revoke"] = "disable"
    github_public_keys_file: str | None = None

    def signatures(self) -> Signatures | None:
        """How signatures of reports are told; None where they are not looked at. Raises BadConfiguration."""
        field, path = "leaks.github_public_keys_file", self.github_public_keys_file
        if path is None:
            return None
        try:
            return read_signatures(read_secret_file(path, field))
        except ValueError as error:
            raise BadConfiguration(f"{field}: {path}: {error}.") from None


class Upstream(WrittenUpstream, frozen=True, forbid_unknown_fields=True):
    """An OpenAI-compatible server. Its credential is in the environment variable `api_key_env` or the file
    `api_key_file`.
    """

    api_key_env: str | None = None
    api_key_file: str | None = None


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that can be configured."""

    server: Server = Server()
    database: Database = Database()
    secrets: Secrets = Secrets()
    retention: Retention = Retention()
    leaks: Leaks = Leaks()
    upstreams: tuple[Upstream, ...] = ()
    models: tuple[WrittenModel, ...] = ()


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
    if message.startswith(_UNKNOWN):
        field = message.removeprefix(_UNKNOWN).rstrip("`")
        return f"{path}: {place or 'it'} has no field {field}; expected one of {', '.join(_fields_at(place))}."
    return f"{path}: {f'{place}: ' if place else ''}{message}."


def _fields_at(place: str) -> list[str]:
    """The fields of the table at a place such as `models[2].upstreams[0]`."""
    table = next(_tables_in(inspect.type_info(Settings)))
    for name in _NAME.findall(place):
        table = next(found for field in table.fields if field.name == name for found in _tables_in(field.type))
    return [field.name for field in table.fields]


def _tables_in(kind: inspect.Type) -> Iterator[inspect.StructType]:
    """The tables that a value of this kind is, or may be, or holds."""
    if isinstance(kind, inspect.StructType):
        yield kind
    elif isinstance(kind, inspect.UnionType):
        for one in kind.types:
            yield from _tables_in(one)
    elif isinstance(kind, inspect.VarTupleType):
        yield from _tables_in(kind.item_type)


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
    _require_names("upstreams", [upstream.name for upstream in settings.upstreams])
    _require_names("models", [model.name for model in settings.models])
    known = [upstream.name for upstream in settings.upstreams]
    for place, upstream in enumerate(settings.upstreams):
        _require(f"upstreams[{place}]", upstream.require_sense)
    for place, model in enumerate(settings.models):
        _require(f"models[{place}]", partial(model.require_sense, known))


def _require_names(section: str, names: list[str]) -> None:
    for place, name in enumerate(names):
        if name in names[:place]:
            raise BadConfiguration(f"{section}[{place}].name: expected a name that no other one has, not {name!r}.")


def _require(place: str, require_sense: Callable[[], None]) -> None:
    try:
        require_sense()
    except BadField as error:
        raise BadConfiguration(f"{f'{place}.{error.field}' if error.field else place}: {error.why}.") from None
