"""Bodies of requests: read into the one shape that is allowed, or refused by the field that is wrong.

OpenAI's routes ignore fields they do not know, because its own clients disagree on them; Keyhouse's own
refuse them. Either way what is not in a shape here is never stored.
"""

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, Final, TypeVar

import msgspec

from keyhouse.admin.door import Visit
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.limit import Unit, parse_amount

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

BODY_BYTES_MAX: Final = 256 * 1024

_FIELD: Final = re.compile(r"Object (?P<how>missing required|contains unknown) field `(?P<name>.*)`", re.DOTALL)
_JSON_WORDS: Final = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}
_EXPONENT_MAX: Final = 40


async def read(request: Visit, shape: type[T]) -> T:
    """The request's body as `shape`; an empty one is taken for `{}`.

    Raises Refusal(BODY_NOT_JSON, BODY_TOO_LARGE, PARAMETER_MISSING, PARAMETER_INVALID, PARAMETER_UNKNOWN).
    """
    return decode(await request.body(), shape)


def decode(body: bytes, shape: type[T]) -> T:
    """The same for a body that is at hand."""
    try:
        return msgspec.json.decode(body or b"{}", type=shape)
    except msgspec.ValidationError as fault:
        raise _wrong_field(str(fault)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refusal(
            Code.BODY_NOT_JSON,
            "We could not parse the JSON body of your request.",
            hint="Send one JSON object in UTF-8.",
        ) from None


def read_amount(unit: Unit, raw: msgspec.Raw, param: str) -> int:
    """An amount as text or as a number, exactly as it was written, in the unit's own integer."""
    written = bytes(raw)
    text = written.decode(errors="replace")
    try:
        written.decode()
        value = msgspec.json.decode(raw) if text.startswith('"') else _plain(text)
        return parse_amount(unit, value)
    except (ValueError, InvalidOperation):
        examples = '"25.00"' if unit is Unit.USD else '"60"'
        raise Refusal(
            Code.PARAMETER_INVALID,
            f"The field {param} is not an amount in {unit}: {text[:60]}.",
            hint=f"Send it as decimal text such as {examples}; an amount is never below zero.",
            param=param,
        ) from None


def read_choice(choices: type[E], value: str, param: str) -> E:
    """One of these choices by its value; raises Refusal(PARAMETER_INVALID) that names them all."""
    try:
        return choices(value)
    except ValueError:
        raise Refusal(
            Code.PARAMETER_INVALID,
            f"The field {param} is {value[:60]!r}.",
            hint=f"It is one of {', '.join(choices)}.",
            param=param,
        ) from None


def read_by(reader: Callable[[Any], T], value: object, param: str) -> T:
    """What `reader` makes of a value; its ValueError becomes a refusal that names the field."""
    try:
        return reader(value)
    except ValueError as fault:
        raise Refusal(Code.PARAMETER_INVALID, f"The field {param} is wrong: {fault}.", param=param) from None


def _plain(number: str) -> str:
    """A JSON number without its exponent. A float would lose what was written."""
    value = Decimal(number)
    if abs(value.adjusted()) > _EXPONENT_MAX:
        raise ValueError("out of range")
    return format(value, "f")


def _wrong_field(message: str) -> Refusal:
    what, _, at = message.partition(" - at `")
    path = at.removeprefix("key in ").removesuffix("`").removeprefix("$").removeprefix(".")
    field = _FIELD.fullmatch(what)
    if field is not None:
        param = f"{path}.{field['name']}" if path else field["name"]
        if field["how"] == "missing required":
            return Refusal(
                Code.PARAMETER_MISSING, f"The field {param} is missing.", hint="Add it to the body.", param=param
            )
        return Refusal(
            Code.PARAMETER_UNKNOWN,
            f"There is no field {param[:200]} here.",
            hint="Leave it out; the API's reference lists the fields.",
            param=param[:200],
        )
    what = re.sub(r"`(\w+)`", lambda word: _JSON_WORDS.get(word[1], word[1]), what)
    what = what.replace("`", "").replace(" | ", " or ")
    subject = f"The field {path} is wrong" if path else "The body is wrong"
    return Refusal(Code.PARAMETER_INVALID, f"{subject}: {what[:1].lower()}{what[1:]}.", param=path or None)
