"""The form of a model: who serves it, in which order and at what price; read as typed, and back. Pure.

What the form has no field for, such as prices of one upstream alone or of another service tier, stays as it is.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from keyhouse.console.key_form import FaultsError
from keyhouse.core.written import Served, WrittenModel

ROWS_MIN: Final = 3
ROWS_MAX: Final = 12
PRICES: Final = (
    ("input_usd_per_million", "Input", "per million tokens"),
    ("cached_input_usd_per_million", "Cached input", "per million tokens"),
    ("output_usd_per_million", "Output", "per million tokens"),
    ("image_input_usd_per_million", "Image input", "per million tokens"),
    ("image_output_usd_per_million", "Image output", "per million tokens"),
    ("image_usd", "Image", "each"),
    ("audio_usd_per_minute", "Audio", "per minute"),
    ("characters_usd_per_million", "Speech", "per million characters"),
    ("request_usd", "Request", "each"),
)
MAXIMA: Final = (
    ("max_output_tokens", "Tokens of an answer"),
    ("max_input_tokens", "Tokens of a prompt"),
    ("max_image_tokens", "Tokens of an image"),
    ("max_audio_tokens", "Tokens of audio"),
    ("max_audio_seconds", "Seconds of audio"),
)
_ROW: Final = ("upstream", "rank", "weight", "there")
_LENGTH_MAX: Final = 250


class Typed(msgspec.Struct, frozen=True):
    """What stands in the form, as text. `rows` are upstream, rank, weight and the model's name there."""

    name: str = ""
    rows: tuple[tuple[str, str, str, str], ...] = ()
    amounts: Mapping[str, str] = {}


def read_typed(form: Mapping[str, Any]) -> Typed:
    """The form as it was sent; rows without an upstream are left out."""
    given = {name: str(value).strip()[:_LENGTH_MAX] for name, value in form.items()}
    rows = []
    for place in range(ROWS_MAX):
        upstream, rank, weight, there = (given.get(f"{part}_{place}", "") for part in _ROW)
        if upstream:
            rows.append((upstream, rank, weight, there))
    amounts = {name: given.get(name, "") for name, *_ in (*PRICES, *MAXIMA)}
    return Typed(given.get("name", ""), tuple(rows), amounts)


def typed_of(written: WrittenModel) -> Typed:
    """The form of a model as it is."""
    rows = []
    for given in written.upstreams:
        one = Served(name=given) if isinstance(given, str) else given
        rows.append((one.name, _text(one.rank), _text(one.weight), one.upstream_model or written.upstream_model or ""))
    amounts = {name: _text(getattr(written, name)) for name, *_ in (*PRICES, *MAXIMA)}
    return Typed(written.name, tuple(rows), amounts)


def rows_shown(typed: Typed) -> tuple[tuple[str, str, str, str], ...]:
    """The rows, and some empty ones to fill in."""
    empty = max(1, ROWS_MIN - len(typed.rows))
    return (*typed.rows, *[("", "", "", "")] * empty)[:ROWS_MAX]


def written_of(typed: Typed, before: WrittenModel | None) -> WrittenModel:
    """What the form asks for, with what it has no field for from `before`.

    Raises FaultsError for what is no number; whether it can be meant is the verb's to say.
    """
    faults: dict[str, str] = {}
    known = {one.name: one for one in (before.upstreams if before else ()) if isinstance(one, Served)}
    served: list[str | Served] = []
    for place, (upstream, rank, weight, there) in enumerate(typed.rows):
        own = known.get(upstream, Served(name=upstream))
        one = msgspec.structs.replace(
            own,
            rank=_whole(rank, f"rank_{place}", faults),
            weight=_whole(weight, f"weight_{place}", faults),
            upstream_model=there or None,
        )
        served.append(upstream if one == Served(name=upstream) else one)
    maxima = {name: _whole(typed.amounts.get(name, ""), name, faults) for name, _ in MAXIMA}
    if faults:
        raise FaultsError(faults)
    prices = {name: typed.amounts.get(name, "").replace(",", "") or None for name, *_ in PRICES}
    base = before or WrittenModel(name=typed.name, upstreams=())
    return msgspec.structs.replace(
        base, name=typed.name, upstreams=tuple(served), upstream_model=None, **prices, **maxima
    )


def _whole(text: str, field: str, faults: dict[str, str]) -> int | None:
    plain = text.replace(",", "")
    if not plain:
        return None
    if not (plain.isascii() and plain.isdigit()):
        faults[field] = "Write a whole number."
        return None
    return int(plain[:12])


def _text(value: object) -> str:
    return "" if value is None else str(value)
