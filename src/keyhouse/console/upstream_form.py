"""The form of an upstream: read as typed, turned into what is written down, and back. Pure."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from keyhouse.console.key_form import FaultsError
from keyhouse.core.written import WrittenUpstream

AUTHS: Final = (
    ("bearer", "Bearer", "OpenAI and most"),
    ("api-key", "api-key", "Azure OpenAI"),
    ("x-api-key", "x-api-key", "Anthropic"),
)
_SECONDS: Final = ("connect_timeout_seconds", "first_byte_timeout_seconds", "idle_timeout_seconds")
FIELDS: Final = frozenset({"name", "base_url", "api_key", "api_version", "auth", *_SECONDS})
_LENGTH_MAX: Final = 5_000


class Typed(msgspec.Struct, frozen=True):
    """What stands in the form, as text. The credential is not among it: it never comes back."""

    name: str = ""
    base_url: str = ""
    auth: str = "bearer"
    api_version: str = ""
    max_tokens_only: str = ""
    allow_private: str = ""
    connect_timeout_seconds: str = "10"
    first_byte_timeout_seconds: str = "600"
    idle_timeout_seconds: str = "120"


def read_typed(form: Mapping[str, Any]) -> Typed:
    """The form as it was sent."""
    return Typed(**{name: str(form.get(name, "")).strip()[:_LENGTH_MAX] for name in Typed.__struct_fields__})


def read_credential(form: Mapping[str, Any], *, is_new: bool) -> str | UnsetType | None:
    """The credential that is given; none at all, or, unset, the one that there is."""
    given = str(form.get("api_key", "")).strip()[:_LENGTH_MAX]
    if given:
        return given
    return None if is_new or form.get("without_credential") else UNSET


def typed_of(written: WrittenUpstream) -> Typed:
    """The form of an upstream as it is."""
    return Typed(
        name=written.name,
        base_url=written.base_url,
        auth=written.auth,
        api_version=written.api_version or "",
        max_tokens_only="on" if written.max_tokens_only else "",
        allow_private="on" if written.allow_private else "",
        **{name: f"{getattr(written, name):g}" for name in _SECONDS},
    )


def written_of(typed: Typed) -> WrittenUpstream:
    """What the form asks for. Raises FaultsError for what is no number or no choice; the rest is the verb's to say."""
    faults: dict[str, str] = {}
    seconds: dict[str, float] = {}
    for name in _SECONDS:
        text = getattr(typed, name)
        if not text.replace(".", "", 1).isascii() or not text.replace(".", "", 1).isdigit():
            faults[name] = "Write seconds as 10 or 2.5."
            continue
        seconds[name] = float(text)
    if typed.auth not in {value for value, _, _ in AUTHS}:
        faults["auth"] = "Choose one of the list."
    if faults:
        raise FaultsError(faults)
    texts = {"name": typed.name, "base_url": typed.base_url, "auth": typed.auth}
    flags = {name: bool(getattr(typed, name)) for name in ("allow_private", "max_tokens_only")}
    return msgspec.convert({**texts, **flags, **seconds, "api_version": typed.api_version or None}, WrittenUpstream)
