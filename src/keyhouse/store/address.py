"""Where a PostgreSQL database is: its URL, what may be shown of it, and what asyncpg needs to be told."""

from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec

from keyhouse.store.engine import CannotOpen

SCHEMES: Final = ("postgresql", "postgres")
APPLICATION: Final = "keyhouse"

CONNECT_TIMEOUT_SECONDS: Final = 5.0
COMMAND_TIMEOUT_SECONDS: Final = 10.0
"""How long one statement may take before the database counts as unavailable."""

SERVER_SETTINGS: Final = {
    "application_name": APPLICATION,
    # What was answered survives the server's power cut, whatever the role or the database is set to.
    "synchronous_commit": "on",
    "lock_timeout": "5s",
    # A gateway that hangs in the middle of a transaction must not hold its locks for ever.
    "idle_in_transaction_session_timeout": "10s",
    # Every statement here is short: compiling it takes longer than running it.
    "jit": "off",
}

_NOT_FOR_THE_SERVER: Final = frozenset(
    {
        "application_name",
        "channel_binding",
        "client_encoding",
        "connect_timeout",
        "gssencmode",
        "keepalives",
        "keepalives_count",
        "keepalives_idle",
        "keepalives_interval",
        "load_balance_hosts",
        "sslcompression",
        "sslsni",
        "target_session_attrs",
        "tcp_user_timeout",
    }
)
"""Options of libpq that asyncpg does not know; it would hand them to the server, which refuses them."""


class Address(msgspec.Struct, frozen=True):
    """A PostgreSQL database. `shown` is safe for logs and messages; `dsn` may hold a password."""

    dsn: str
    shown: str
    connect_timeout_seconds: float = CONNECT_TIMEOUT_SECONDS

    def __repr__(self) -> str:
        return f"Address({self.shown!r})"

    __str__ = __repr__

    def connect_arguments(self, *, is_patient: bool) -> dict[str, Any]:
        """The arguments for `asyncpg.connect`. Patient connections wait for statements and locks of any length."""
        patience = {"lock_timeout": "60s"} if is_patient else {}
        return {
            "dsn": self.dsn,
            "timeout": self.connect_timeout_seconds,
            "command_timeout": None if is_patient else COMMAND_TIMEOUT_SECONDS,
            "server_settings": SERVER_SETTINGS | patience,
            # Of several hosts the one that can be written to; a replica alone is refused.
            "target_session_attrs": "primary",
        }


def is_postgres(url: str) -> bool:
    """Whether this address is a PostgreSQL one, well-formed or not."""
    return url.partition("://")[0] in SCHEMES


def read_address(url: str) -> Address:
    """Read `postgresql://user:password@host:port/database?sslmode=...`. Raises CannotOpen, without the password."""
    shown = show(url)
    if not is_postgres(url):
        raise CannotOpen(f"{shown} is not a PostgreSQL address: expected postgresql://user@host/database.")
    parts = urlsplit(url)
    if "@" in parts.path + parts.query + parts.fragment or parts.fragment:
        raise CannotOpen(
            f"{shown} cannot be read: in a user, a password or an option write special characters in percent form, "
            "such as %40 for @, %2F for / and %23 for #."
        )
    options = parse_qsl(parts.query, keep_blank_values=True)
    for name, value in options:
        if name == "channel_binding" and value == "require":
            raise CannotOpen(
                f"{shown}: channel_binding=require is not supported. Leave it out and use sslmode=verify-full."
            )
    kept = [(name, value) for name, value in options if name not in _NOT_FOR_THE_SERVER]
    dsn = urlunsplit((SCHEMES[0], parts.netloc, parts.path, urlencode(kept), ""))
    return Address(dsn, shown, _seconds(dict(options).get("connect_timeout"), shown))


def show(url: str) -> str:
    """An address as it may be shown: without password and options, however odd it is."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return "The database address"
    credentials, at, place = rest.rpartition("@")
    # An address that is written wrongly may hold its password anywhere before the last @.
    user = credentials.partition(":")[0] if at else ""
    return f"{scheme}://{user}{at}{place.partition('?')[0].partition('#')[0]}"


def _seconds(text: str | None, shown: str) -> float:
    if text is None:
        return CONNECT_TIMEOUT_SECONDS
    try:
        return float(max(1, int(text)))
    except ValueError:
        raise CannotOpen(f"{shown}: connect_timeout: expected whole seconds.") from None
