"""A call and the account of its charge, as people read it: what was counted, times its price, is the charge."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from keyhouse.cli.client import Json
from keyhouse.cli.talk import NOTHING, plain, show_fields, show_table, text

_ITEMS: Final = {
    "input": "input tokens",
    "cached_input": "cached input tokens",
    "cache_write": "tokens written to the cache",
    "audio_input": "tokens of audio heard",
    "image_input": "tokens of images seen",
    "output": "output tokens",
    "audio_output": "tokens of audio spoken",
    "image_output": "tokens of images made",
    "audio_seconds": "seconds of audio",
    "characters": "characters spoken",
    "images": "images made",
}
_BASES: Final = {
    "upstream": "by the upstream's report",
    "counted": "by what the gateway counted",
    "reserved": "by what was reserved",
}
_USED: Final = {
    "input_tokens": "input tokens",
    "cached_input_tokens": "of them cached",
    "cache_write_tokens": "of them written to the cache",
    "audio_input_tokens": "of them audio",
    "image_input_tokens": "of them images",
    "output_tokens": "output tokens",
    "reasoning_tokens": "of them reasoning",
    "audio_output_tokens": "of them audio spoken",
    "image_output_tokens": "of them images made",
    "images": "images",
    "audio_seconds": "seconds of audio",
    "characters": "characters",
}
_ALWAYS: Final = frozenset({"input_tokens", "output_tokens"})
_HELD: Final = {
    "tokens": "tokens",
    "tokens_estimate": "tokens, by the minute",
    "images": "images",
    "audio_seconds": "seconds of audio",
    "characters": "characters",
}


def show_call(call: Json) -> None:
    """Print a call as the API explains it."""
    show_fields(_who(call))
    _heading("Used")
    show_fields(
        {name: f"{count:,}" for field, name in _USED.items() if (count := call["usage"][field]) or field in _ALWAYS}
    )
    _heading("Charge, in USD")
    _show_charge(call)
    _heading("Reserved")
    show_fields(_held(call["reserved"]))
    _heading("Limits it counted on")
    _show_limits(call["limits"], call["limits_forgotten"])
    _heading("Times, in UTC")
    show_fields(
        {
            "began": instant(call["created_at"]),
            "first byte": _after(call["first_byte_ms"]),
            "end": _after(call["duration_ms"]),
            "closed": instant(call["closed_at"]),
        }
    )
    _heading("Why")
    for note in call["notes"]:
        print(text(note))


def instant(seconds: Any) -> str:
    """A time in Unix seconds, to the second, in UTC."""
    if not isinstance(seconds, int):
        return NOTHING
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def aligned(amounts: Sequence[str]) -> list[str]:
    """Decimal numbers filled up with spaces, so that their points stand below each other."""
    decimals = max((len(amount.partition(".")[2]) for amount in amounts), default=0)
    return [amount + " " * (decimals - len(amount.partition(".")[2])) for amount in amounts]


def _who(call: Json) -> dict[str, object]:
    basis = _BASES.get(call["basis"], "")
    return {
        "call": call["id"],
        "state": f"{call['state']}, {basis}" if basis else call["state"],
        "status": call["status"],
        "model": f"{call['model']} at {call['upstream']}",
        "service tier": call["service_tier"],
        "endpoint": call["endpoint"],
        "key": f"{call['api_key_id']}, version {call['secret_version']} of its secret",
        "owner": f"{call['owner']['type'].replace('_', ' ')} {call['owner']['id']}",
        "project": call["project_id"],
        "request": f"{call['request_id']}, attempt {call['attempt']}",
        "address": call["address"],
        "agent": call["agent"],
        "gateway": call["instance_id"],
    }


def _show_charge(call: Json) -> None:
    charge = call["charge"]
    rows: list[tuple[str, str, str, str]] = []
    for line in charge["lines"]:
        million = line["million_usd"]
        price = f"x {line['each_usd']} each" if million is None else f"x {million} a million"
        rows.append((_ITEMS.get(line["item"], line["item"]), f"{line['quantity']:,}", price, line["amount_usd"]))
    if rows:
        rows.append(("together", "", "", charge["sum_usd"]))
        rows.append(("rounded up by", "", "", charge["rounding_usd"]))
        if charge["rounded_usd"] != charge["charged_usd"]:
            rows.append(("that is", "", "", charge["rounded_usd"]))
    rows.append(("charged", "", "", text(charge["charged_usd"])))
    if call["adjustment"] is not None:
        rows.append(("given back", "", "", call["adjustment"]["usd"]))
        rows.append(("cost", "", "", text(call["cost_usd"])))
    amounts = aligned([row[3] for row in rows])
    widths = [max(len(row[place]) for row in rows) for place in range(3)]
    width = max(map(len, amounts))
    for (name, count, price, _), amount in zip(rows, amounts, strict=True):
        cells = (name.ljust(widths[0]), count.rjust(widths[1]), price.rjust(widths[2]), amount.rjust(width))
        print(plain("  ".join(cells)).rstrip())


def _held(reserved: Json) -> dict[str, object]:
    held: dict[str, object] = {"usd": reserved["usd"]}
    held |= {name: f"{count:,}" for field, name in _HELD.items() if (count := reserved[field]) or field == "tokens"}
    longest = reserved["output_tokens_max"]
    return held | {"longest answer": "not bounded" if longest is None else f"{longest:,} tokens"}


def _show_limits(limits: Sequence[Json], forgotten: int) -> None:
    headers = ("LIMIT", "ON", "MODEL", "UNIT", "WINDOW", "PERIOD", "AMOUNT", "RESERVED", "CHARGED", "GIVEN BACK")
    rows = [
        (
            each["id"],
            f"{each['scope']['type']} {each['scope']['id']}",
            each["model"] or "all",
            each["unit"],
            each["window"],
            each["period"],
            "deleted" if each["deleted_at"] is not None else each["amount"],
            each["reserved"],
            each["charged"],
            each["adjusted"].removeprefix("-"),
        )
        for each in limits
    ]
    if rows:
        show_table(headers, rows, numbers=headers[6:])
    elif not forgotten:
        print("none")
    if forgotten:
        print(f"{'and ' if rows else ''}{forgotten} by the minute, whose figures are not kept any more")


def _after(milliseconds: int | None) -> str:
    return NOTHING if milliseconds is None else f"after {milliseconds:,} ms"


def _heading(words: str) -> None:
    print(f"\n{words}")
