r"""The reader of `POST /v1/chat/completions`: what a request asks for, as far as the gateway must know it.

Only what bears on cost, model and streaming is decoded; every value's bytes go upstream as they came. The
object around them is written anew, which settles three things: names that appear twice, names in disguise
(`"mod\u0065l"`), and what has to be changed. So an upstream never sees another value than the one read here.
Names that some upstreams take for the ones read here (other case, other spelling) are refused.
"""

from typing import Final

import msgspec

from keyhouse.core.bound import Ask
from keyhouse.core.errors import Code, Refusal

CHOICES_MAX: Final = 128
"""OpenAI's own maximum of `n`."""

OUTPUT_TOKENS_MAX: Final = 10_000_000
"""No model writes more; larger numbers are mistakes, and would only make bounds absurd."""

_Object = dict[str, msgspec.Raw]
_ABSENT: Final = msgspec.Raw()


class _StreamOptions(msgspec.Struct, gc=False):
    include_usage: bool | None = None


class _Tool(msgspec.Struct, gc=False):
    type: str = "function"


class _Chat(msgspec.Struct, gc=False):
    model: str
    messages: list[_Object]
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n: int | None = None
    tools: list[_Tool] | None = None
    functions: list[msgspec.Raw] | None = None
    prediction: msgspec.Raw = _ABSENT
    modalities: list[str] | None = None
    audio: msgspec.Raw = _ABSENT
    web_search_options: msgspec.Raw = _ABSENT
    service_tier: str | None = None


_CHAT: Final = msgspec.json.Decoder(_Chat)
_OBJECT: Final = msgspec.json.Decoder(_Object)
_PARTS: Final = msgspec.json.Decoder(list[_Object])
_ENCODE: Final = msgspec.json.Encoder().encode

_READ: Final = frozenset(_Chat.__struct_fields__)
_TRUE: Final = msgspec.Raw(b"true")
_WITH_USAGE: Final = msgspec.Raw(b'{"include_usage":true}')

_OTHER_MAXIMA: Final = frozenset({"max_new_tokens", "max_output_tokens", "n_predict", "num_predict"})
"""What some servers take for the maximum, over the one that OpenAI's API knows: it would undo the bound."""

_UNBOUNDED: Final = ("best_of", "use_beam_search", "chat_template", "plugins", "mm_processor_kwargs")
"""Extensions of some servers that make a request cost more than its text and its maximum."""

_TEXT_TOOLS: Final = frozenset({"function", "custom"})
_TEXT_PARTS: Final = frozenset({b'"text"', b'"refusal"'})
_IMAGE, _AUDIO = b'"image_url"', b'"input_audio"'
_MEDIA_FIELDS: Final = {_IMAGE: "image_url", _AUDIO: "input_audio"}
"""Parts of a message that are bounded by the model's own maximum, and the field that holds their bytes."""

_TEXT_PART_FIELDS: Final = frozenset({"type", "text", "refusal", "cache_control", "prompt_cache_breakpoint"})
_MEDIA_PART_FIELDS: Final = {
    kind: frozenset({"type", field, "cache_control", "prompt_cache_breakpoint"})
    for kind, field in _MEDIA_FIELDS.items()
}
_MODALITIES: Final = frozenset({"text", "audio"})
_RISKY_MESSAGE_FIELDS: Final = frozenset({"content", "audio", "images", "videos", "files"})


class ChatRequest:
    """A request that was read: what it asks for, and how to write it for an upstream."""

    __slots__ = ("_fields", "ask")

    def __init__(self, ask: Ask, fields: _Object) -> None:
        self.ask = ask
        self._fields = fields

    def written(self, upstream_model: str, output_tokens_max: int | None) -> bytes:
        """The body for the upstream: its own name of the model, this maximum if there is one, and usage asked for."""
        fields, ask = self._fields, self.ask
        if upstream_model != ask.model:
            fields["model"] = msgspec.Raw(_ENCODE(upstream_model))
        if output_tokens_max is not None and output_tokens_max != ask.output_tokens_max:
            name = "max_completion_tokens"
            if _is_given(fields.get("max_tokens")) and not _is_given(fields.get(name)):
                name = "max_tokens"
            fields[name] = msgspec.Raw(b"%d" % output_tokens_max)
        if ask.stream and not ask.wants_usage:
            options = fields.get("stream_options")
            if options is not None and _is_given(options):
                fields["stream_options"] = msgspec.Raw(_ENCODE(_OBJECT.decode(options) | {"include_usage": _TRUE}))
            else:
                fields["stream_options"] = _WITH_USAGE
        return _ENCODE(fields)


def read_chat(body: bytes) -> ChatRequest:
    """Read a request's body. Raises Refusal that names the parameter at fault."""
    try:
        if not body.isascii():
            body.decode()
        fields = _OBJECT.decode(body)
    except UnicodeDecodeError:
        raise _not_json("it is not valid UTF-8") from None
    except RecursionError:
        raise _not_json("it is nested too deeply") from None
    except msgspec.ValidationError:
        raise _not_json("it is JSON, but not an object") from None
    except msgspec.DecodeError as error:
        raise _not_json(str(error)) from None
    try:
        chat = _CHAT.decode(body)
        _refuse_disguises(fields)
        return ChatRequest(_ask(chat, fields, len(body)), fields)
    except RecursionError:
        raise _not_json("it is nested too deeply") from None
    except msgspec.ValidationError as error:
        raise _invalid(error) from None
    except msgspec.DecodeError as error:
        raise _not_json(str(error)) from None


def _ask(chat: _Chat, fields: _Object, body_bytes: int) -> Ask:
    if not chat.model:
        raise Refusal(Code.PARAMETER_INVALID, "`model` is empty.", hint="Name a model.", param="model")
    if not chat.messages:
        raise Refusal(Code.PARAMETER_INVALID, "`messages` is empty.", hint="Send at least one.", param="messages")
    if chat.max_tokens is not None and chat.max_completion_tokens is not None:
        raise Refusal(
            Code.PARAMETER_INVALID,
            "`max_tokens` and `max_completion_tokens` are both set.",
            hint="Set only `max_completion_tokens`.",
            param="max_tokens",
        )
    _refuse_outside("max_tokens", chat.max_tokens, OUTPUT_TOKENS_MAX)
    _refuse_outside("max_completion_tokens", chat.max_completion_tokens, OUTPUT_TOKENS_MAX)
    _refuse_outside("n", chat.n, CHOICES_MAX)
    options = chat.stream_options
    media = _Media()
    unbounded = _unbounded(chat, fields) or _unbounded_message(chat.messages, media)
    return Ask(
        model=chat.model,
        input_bytes=body_bytes,
        stream=chat.stream is True,
        wants_usage=options is not None and options.include_usage is True,
        output_tokens_max=chat.max_completion_tokens if chat.max_tokens is None else chat.max_tokens,
        choices=chat.n or 1,
        has_tools=bool(chat.tools or chat.functions),
        prediction=_is_given(chat.prediction),
        unbounded=unbounded,
        media_bytes=media.bytes,
        images_in=media.images,
        audio_in=media.audio,
        service_tier=chat.service_tier,
        speaks=chat.modalities is not None and "audio" in chat.modalities,
    )


def _unbounded(chat: _Chat, fields: _Object) -> str | None:
    """The first part whose cost the body's length does not bound."""
    if chat.modalities is not None and not _MODALITIES.issuperset(chat.modalities):
        return "modalities"
    if _is_given(chat.web_search_options):
        return "web_search_options"
    for name in _UNBOUNDED:
        if name in fields:
            return name
    for tool in chat.tools or ():
        if tool.type not in _TEXT_TOOLS:
            return f"tools: {tool.type[:64]}"
    return None


class _Media:
    """What of a request's messages is not text, counted while they are read."""

    __slots__ = ("audio", "bytes", "images")

    def __init__(self) -> None:
        self.images = 0
        self.audio = 0
        self.bytes = 0


def _unbounded_message(messages: list[_Object], media: _Media) -> str | None:
    for message in messages:
        for name in message:
            if name != "content" and name.lower() in _RISKY_MESSAGE_FIELDS and _is_given(message[name]):
                return f"messages: {name}"
        content = message.get("content")
        if content is not None and (part := _unbounded_part(content, media)) is not None:
            return part
    return None


def _unbounded_part(content: msgspec.Raw, media: _Media) -> str | None:
    """The kind of the first part of a message that is neither text nor what the model's maximum bounds."""
    first = memoryview(content)[0]
    if first in b'"n':
        return None
    if first != ord("["):
        raise Refusal(
            Code.PARAMETER_INVALID,
            "`messages[].content` is neither text nor a list of parts.",
            hint="Send a string, or an array of content parts.",
            param="messages.content",
        )
    for part in _PARTS.decode(content):
        kind = bytes(part.get("type", b"null"))
        if kind in _MEDIA_FIELDS:
            field = _MEDIA_FIELDS[kind]
            media.images += kind == _IMAGE
            media.audio += kind == _AUDIO
            media.bytes += len(bytes(part.get(field, b"")))
            names = _MEDIA_PART_FIELDS[kind]
        elif kind in _TEXT_PARTS:
            names = _TEXT_PART_FIELDS
        else:
            return kind.decode(errors="replace").strip('"')[:64]
        for name in part:
            if name not in names:
                return name[:64]
    return None


def _refuse_disguises(fields: _Object) -> None:
    """Servers that ignore case (Go's JSON does), or know another word for the maximum, would read another request."""
    for name in fields:
        if name in _READ:
            continue
        plain = name.lower()
        if plain in _READ or plain in _OTHER_MAXIMA:
            hint = "Set `max_completion_tokens`." if plain in _OTHER_MAXIMA else f"Write `{plain}`."
            raise Refusal(
                Code.PARAMETER_UNKNOWN, f"`{name}` is not a parameter of this endpoint.", hint=hint, param=name
            )


def _refuse_outside(name: str, value: int | None, most: int) -> None:
    if value is not None and not 1 <= value <= most:
        raise Refusal(Code.PARAMETER_INVALID, f"`{name}` is {value}.", hint=f"It is from 1 to {most}.", param=name)


def _is_given(value: msgspec.Raw | None) -> bool:
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
        return Refusal(
            Code.PARAMETER_MISSING,
            f"Missing required parameter: `{param}`.",
            hint="See OpenAI's reference of this endpoint.",
            param=param,
        )
    return Refusal(
        Code.PARAMETER_INVALID,
        f"Invalid value for `{path}`: {what[:1].lower()}{what[1:]}.",
        hint="See OpenAI's reference of this endpoint.",
        param=path or None,
    )
