"""A request's body, as every endpoint's reader begins and ends with it.

Only what bears on cost, model and streaming is decoded; every value's bytes go upstream as they came. The
object around them is written anew, which settles three things: names that appear twice, names in disguise
(`"mod\u0065l"`), and what has to be changed. So an upstream never sees another value than the one read here.
Names that some upstreams take for the ones read here (other case, other spelling) are refused.
"""

from collections.abc import Callable, Collection
from typing import Final, NamedTuple, TypeVar

import msgspec

from keyhouse.core.bound import Ask
from keyhouse.core.errors import Code, Refusal

CHOICES_MAX: Final = 128
"""OpenAI's own maximum of `n`."""

OUTPUT_TOKENS_MAX: Final = 10_000_000
"""No model writes more; larger numbers are mistakes, and would only make bounds absurd."""

OTHER_MAXIMA: Final = frozenset(
    {"max_completion_tokens", "max_new_tokens", "max_output_tokens", "max_tokens", "n_predict", "num_predict"}
)
"""What some server takes for the maximum of an answer. Those that an endpoint does not know would undo its bound."""

Object = dict[str, msgspec.Raw]
T = TypeVar("T")

ABSENT: Final = msgspec.Raw()
OBJECT: Final = msgspec.json.Decoder(Object)
ENCODE: Final = msgspec.json.Encoder().encode
_SEE: Final = "See OpenAI's reference of this endpoint."


_TRUE: Final = msgspec.Raw(b"true")
_WITH_USAGE: Final = msgspec.Raw(b'{"include_usage":true}')


class StreamOptions(msgspec.Struct, gc=False):
    """What a client wants of a stream."""

    include_usage: bool | None = None


class Names(NamedTuple):
    """What an upstream calls the model, and whether it knows the maximum of an answer as `max_tokens` alone."""

    model: str
    max_tokens_only: bool = False


class Asked:
    """A request that was read: what it asks for, and how to write it for an upstream."""

    __slots__ = ("_fields", "_read", "ask")

    def __init__(self, ask: Ask, fields: Object) -> None:
        self.ask = ask
        self._read = self._fields = fields

    def written(self, names: Names, output_tokens_max: int | None) -> bytes:
        """The body for an upstream, in its own names, and with this maximum of the answer if there is one.

        Each time from what was read: what one upstream was told is not told to the next.
        """
        self._fields = self._read.copy()
        if names.model != self.ask.model:
            self._fields["model"] = msgspec.Raw(ENCODE(names.model))
        if output_tokens_max is not None and output_tokens_max != self.ask.output_tokens_max:
            self._write_maximum(output_tokens_max)
        if names.max_tokens_only:
            self._rename_maximum()
        self._ask_for_usage()
        return ENCODE(self._fields)

    def _write_maximum(self, output_tokens_max: int) -> None:
        """Write the maximum under the endpoint's own name of it. Endpoints without one have nothing to write."""

    def _rename_maximum(self) -> None:
        """Call the maximum `max_tokens`, where it has another name."""

    def _ask_for_usage(self) -> None:
        """Have the upstream say what was used, where it must be asked."""


def read(body: bytes, known: msgspec.json.Decoder[T], ask: Callable[[T, Object, int], Ask]) -> tuple[Ask, Object]:
    """What a body asks for, by `ask` from its decoded fields, all of its fields, and its length.

    `known` names the fields that bear on cost. Raises Refusal that names the parameter at fault.
    """
    try:
        if not body.isascii():
            body.decode()
        fields = OBJECT.decode(body)
    except UnicodeDecodeError:
        raise _not_json("it is not valid UTF-8") from None
    except RecursionError:
        raise _not_json("it is nested too deeply") from None
    except msgspec.ValidationError:
        raise _not_json("it is JSON, but not an object") from None
    except msgspec.DecodeError as error:
        raise _not_json(str(error)) from None
    try:
        return ask(known.decode(body), fields, len(body)), fields
    except RecursionError:
        raise _not_json("it is nested too deeply") from None
    except msgspec.ValidationError as error:
        raise _invalid(error) from None
    except msgspec.DecodeError as error:
        raise _not_json(str(error)) from None


def read_own(body: bytes, known: msgspec.json.Decoder[T]) -> T:
    """The body of an endpoint of Keyhouse's own, whose struct forbids fields that it does not know.

    Raises Refusal that names the parameter at fault.
    """
    try:
        return known.decode(body)
    except RecursionError:
        raise _not_json("it is nested too deeply") from None
    except msgspec.ValidationError as error:
        is_object = body.lstrip().startswith(b"{")
        raise (_invalid(error) if is_object else _not_json("it is JSON, but not an object")) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _not_json(str(error)) from None


def require_model(model: str) -> None:
    """Raise Refusal for an empty name."""
    if not model:
        raise Refusal(Code.PARAMETER_INVALID, "`model` is empty.", hint="Name a model.", param="model")


def refuse_disguises(fields: Object, known: Collection[str], maximum: str | None) -> None:
    """Refuse what another server would read as one of the `known` fields, or as another word for the `maximum`.

    Servers that ignore case (Go's JSON does), or know another word for the maximum, would read another request.
    """
    for name in fields:
        if name in known:
            continue
        plain = name.lower()
        if plain in known or plain in OTHER_MAXIMA:
            hint = f"Write `{plain}`."
            if plain not in known:
                hint = f"Set `{maximum}`." if maximum else "This endpoint has no maximum of the answer's length."
            raise Refusal(
                Code.PARAMETER_UNKNOWN, f"`{name}` is not a parameter of this endpoint.", hint=hint, param=name
            )


def refuse_outside(name: str, value: int | None, most: int) -> None:
    """Refuse a number that is not from 1 to `most`."""
    if value is not None and not 1 <= value <= most:
        raise Refusal(Code.PARAMETER_INVALID, f"`{name}` is {value}.", hint=f"It is from 1 to {most}.", param=name)


def with_usage(options: msgspec.Raw | None) -> msgspec.Raw:
    """`stream_options` that ask for usage; other options in them stay."""
    if options is None or not is_given(options):
        return _WITH_USAGE
    return msgspec.Raw(ENCODE(OBJECT.decode(options) | {"include_usage": _TRUE}))


def is_given(value: msgspec.Raw | None) -> bool:
    """Whether a field is there and not null."""
    return value is not None and bytes(value) not in (b"", b"null")


def _not_json(why: str) -> Refusal:
    return Refusal(
        Code.BODY_NOT_JSON,
        f"We could not parse the JSON body of your request: {why}.",
        hint="The API expects a JSON object, as UTF-8, with `content-type: application/json`.",
    )


def _invalid(error: msgspec.ValidationError) -> Refusal:
    """The decoder's words, `Expected ..., got ... - at `$.path``, as a refusal with the parameter's name."""
    what, _, where = str(error).partition(" - at `")
    path = where.rstrip("`").removeprefix("$").removeprefix(".")
    if what.startswith("Object missing required field `"):
        name = what.removeprefix("Object missing required field `").rstrip("`")
        param = f"{path}.{name}" if path else name
        return Refusal(Code.PARAMETER_MISSING, f"Missing required parameter: `{param}`.", hint=_SEE, param=param)
    if what.startswith("Object contains unknown field `"):
        name = what.removeprefix("Object contains unknown field `").rstrip("`")[:200]
        param = f"{path}.{name}" if path else name
        return Refusal(
            Code.PARAMETER_UNKNOWN,
            f"There is no parameter `{param}` here.",
            hint="Leave it out; the API's reference lists them.",
            param=param,
        )
    return Refusal(
        Code.PARAMETER_INVALID,
        f"Invalid value for `{path}`: {what[:1].lower()}{what[1:]}.",
        hint=_SEE,
        param=path or None,
    )
