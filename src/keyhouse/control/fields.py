"""Fields that people and programs fill in: each is put into its one stored form, or refused by its name."""

import ipaddress
import re
import unicodedata
import zoneinfo
from collections.abc import Iterable
from functools import cache
from typing import Final

from keyhouse.core.errors import Code, Refusal

NAME_LENGTH_MAX: Final = 100
EMAIL_LENGTH_MAX: Final = 254
MODEL_LENGTH_MAX: Final = 200
EXTERNAL_KEY_LENGTH_MAX: Final = 200
LIST_LENGTH_MAX: Final = 100
"""How many models or networks one key may list."""

EXPIRES_AT_MS_MAX: Final = 253_402_300_799_999
"""The end of the year 9999."""

_EMAIL: Final = re.compile(r"[^\s@]+@[^\s@]+")
_ENDPOINT: Final = re.compile(r"/v1(/[A-Za-z0-9_-]{1,60}){1,6}", re.ASCII)
_JOINERS: Final = "\u200c\u200d"
"""Invisible, but part of how some scripts and emoji are written."""


def read_name(value: str, param: str = "name", length_max: int = NAME_LENGTH_MAX) -> str:
    """A name of 1 to `length_max` characters on one line, trimmed."""
    name = value.strip()
    if not name:
        raise _invalid(param, f"The {_words(param)} is empty.", f"Give it 1 to {length_max} characters.")
    if len(name) > length_max:
        raise _invalid(param, f"The {_words(param)} has {len(name)} characters.", f"It may have at most {length_max}.")
    _refuse_invisible(name, param)
    return name


def read_email(value: str, param: str = "email") -> str:
    """An e-mail address, trimmed and in lower case. Only its shape is looked at."""
    email = value.strip().lower()
    if len(email) > EMAIL_LENGTH_MAX or _EMAIL.fullmatch(email) is None:
        raise _invalid(param, "That is not an e-mail address.", "It should look like ada@example.com.")
    _refuse_invisible(email, param)
    return email


@cache
def _time_zones() -> frozenset[str]:
    """The IANA names of all time zones. They are looked for on the disk once."""
    return frozenset(zoneinfo.available_timezones() - {"Factory", "localtime"})


def read_time_zone(value: str) -> str:
    """The IANA name of a time zone."""
    name = value.strip()
    if name not in _time_zones():
        raise _invalid("time_zone", f"{name[:100]!r} is not a time zone.", "Use an IANA name such as Europe/Berlin.")
    return name


def read_models(values: Iterable[str] | None, param: str = "models") -> tuple[str, ...] | None:
    """Names of models, each once, in their order; None for every model."""
    if values is None:
        return None
    models = tuple(dict.fromkeys(read_model(value, param) for value in values))
    if not models:
        raise _invalid(
            param, "The list of models is empty.", "Name at least one, or leave it out to allow every model."
        )
    return _not_too_many(models, param)


def read_model(value: str, param: str = "model") -> str:
    """The public name of a model. Whether it is served is the gateway's to say: models come and go."""
    model = value.strip()
    if not model or len(model) > MODEL_LENGTH_MAX:
        raise _invalid(param, "A model's name has 1 to 200 characters.", "List the models to see their names.")
    _refuse_invisible(model, param)
    return model


def read_endpoints(values: Iterable[str] | None, param: str = "endpoints") -> tuple[str, ...] | None:
    """Paths of endpoints such as /v1/chat/completions, each once; None for every endpoint."""
    if values is None:
        return None
    paths = tuple(dict.fromkeys(value.strip().rstrip("/") for value in values))
    if not paths:
        raise _invalid(param, "The list of endpoints is empty.", "Name at least one, or leave it out to allow all.")
    for path in paths:
        if _ENDPOINT.fullmatch(path) is None:
            raise _invalid(param, f"{path[:100]!r} is not an endpoint.", "Use paths such as /v1/chat/completions.")
    return _not_too_many(paths, param)


def read_networks(values: Iterable[str], param: str = "ip_allowlist") -> tuple[str, ...]:
    """Addresses and networks in CIDR notation, each once, with the bits beyond the prefix cleared."""
    return _not_too_many(tuple(dict.fromkeys(_network(value, param) for value in values)), param)


def read_expiry(value: int | None, now_ms: int) -> int | None:
    """A moment in the future in milliseconds since 1970; None for never."""
    if value is None:
        return None
    if value <= now_ms:
        raise _invalid("expires_at", "The expiry lies in the past.", "Choose a moment in the future, or none.")
    if value > EXPIRES_AT_MS_MAX:
        raise _invalid("expires_at", "The expiry lies beyond the year 9999.", "Leave it out for a key without one.")
    return value


def read_external_key(value: str | None) -> str | None:
    """The caller's own name for a project."""
    if value is None:
        return None
    key = value.strip()
    if not key or len(key) > EXTERNAL_KEY_LENGTH_MAX:
        raise _invalid("external_key_id", "An external key id has 1 to 200 characters.", "Leave it out for none.")
    _refuse_invisible(key, "external_key_id")
    return key


def _network(value: str, param: str) -> str:
    try:
        # A zone such as %eth0 names an interface of one machine; no caller's address carries it here.
        network = ipaddress.ip_network(value.strip() if "%" not in value else "", strict=False)
    except ValueError:
        raise _invalid(
            param, f"{value[:100]!r} is not an IP address or network.", "Use forms such as 203.0.113.7 or 10.0.0.0/8."
        ) from None
    if isinstance(network, ipaddress.IPv6Network):
        mapped = network.network_address.ipv4_mapped
        if mapped is not None and network.prefixlen >= 96:
            return str(ipaddress.IPv4Network((int(mapped), network.prefixlen - 96), strict=False))
    return str(network)


def _not_too_many(values: tuple[str, ...], param: str) -> tuple[str, ...]:
    if len(values) > LIST_LENGTH_MAX:
        raise _invalid(param, f"The list has {len(values)} entries.", f"It may have at most {LIST_LENGTH_MAX}.")
    return values


def _refuse_invisible(text: str, param: str) -> None:
    """Control characters, line breaks and turned directions make a text look like another one."""
    for character in text:
        category = unicodedata.category(character)
        if category in ("Cc", "Cs", "Zl", "Zp") or (category == "Cf" and character not in _JOINERS):
            raise _invalid(
                param, f"The {_words(param)} contains a character that cannot be seen.", "Type it again by hand."
            )


def _words(param: str) -> str:
    return {"email": "e-mail address", "external_key_id": "external key id", "models": "model's name"}.get(
        param, param.replace("_", " ")
    )


def _invalid(param: str, message: str, hint: str) -> Refusal:
    return Refusal(Code.PARAMETER_INVALID, message, hint=hint, param=param)
