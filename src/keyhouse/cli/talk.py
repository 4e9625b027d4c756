"""How the command talks: tables and JSON to stdout, everything else to stderr."""

import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from enum import IntEnum
from typing import Annotated, Any, Final

import msgspec
from cyclopts import Parameter

AsJson = Annotated[bool, Parameter(name="--json", show_default=False, help="Print JSON instead of a table.")]
"""The option that every command has."""

NOTHING: Final = "-"


class Exit(IntEnum):
    """How the command ends. 75 is EX_TEMPFAIL of sysexits.h."""

    OK = 0
    ERROR = 1
    USAGE = 2
    NOT_FOUND = 3
    DENIED = 4
    CONFLICT = 5
    TRY_AGAIN = 75


class Failure(Exception):  # noqa: N818  it is an answer, not a fault
    """The command ends here: the message says what happened and what to do."""

    def __init__(self, message: str, status: Exit = Exit.ERROR) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


def say(message: str) -> None:
    """Talk to the person at the terminal."""
    print(f"keyhouse: {plain(message)}", file=sys.stderr, flush=True)


def show_json(value: object) -> None:
    """Data for programs."""
    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def show_fields(fields: Mapping[str, object]) -> None:
    """One thing: a line for each of its fields."""
    width = max(map(len, fields), default=0)
    for name, value in fields.items():
        print(f"{name:<{width}}  {text(value)}")


def show_table(headers: Sequence[str], rows: Sequence[Sequence[object]], numbers: Sequence[str] = ()) -> None:
    """Many things: aligned columns, those of `numbers` to the right. Without rows, only the heading."""
    lines = [list(headers), *([text(value) for value in row] for row in rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(headers))]
    for line in lines:
        cells = [
            value.rjust(width) if header in numbers else value.ljust(width)
            for header, value, width in zip(headers, line, widths, strict=True)
        ]
        print("  ".join(cells).rstrip())


def show_one(found: Mapping[str, object], fields: Mapping[str, object], *, as_json: bool) -> None:
    """One thing of the API: as it is for programs, its fields for people."""
    if as_json:
        show_json(found)
    else:
        show_fields(fields)


def show_list(
    found: Sequence[Mapping[str, object]],
    headers: Sequence[str],
    row: Callable[[Any], Sequence[object]],
    *,
    as_json: bool,
    numbers: Sequence[str] = (),
) -> None:
    """A list of the API, all of its pages: as it is for programs, a table for people."""
    if as_json:
        show_json({"object": "list", "data": found})
    else:
        show_table(headers, [row(each) for each in found], numbers)


def text(value: object) -> str:
    """A value as a table shows it; nothing is a dash."""
    if value is None or value in ("", []):
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ",".join(f"{plain(str(name))}={plain(str(each))}" for name, each in value.items())
    if isinstance(value, list):
        return ",".join(plain(str(each)) for each in value)
    return plain(str(value))


def plain(words: str) -> str:
    """Words that leave the terminal as it is: what came over the network may hold control characters."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in words)


def moment(seconds: Any) -> str:
    """A time in Unix seconds for people, in UTC."""
    if not isinstance(seconds, int):
        return NOTHING
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
