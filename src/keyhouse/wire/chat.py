"""The reader of `POST /v1/chat/completions`: what a request asks for, as far as the gateway must know it."""

from typing import Final

import msgspec

from keyhouse.core.bound import Ask
from keyhouse.core.errors import Code, Refusal
from keyhouse.wire import body as bodies
from keyhouse.wire.body import ABSENT, CHOICES_MAX, OUTPUT_TOKENS_MAX, Asked, Object, is_given
from keyhouse.wire.caching import Caching, read_caching
from keyhouse.wire.references import references_in
from keyhouse.wire.rewriting import growth_of_calls, growth_of_fields


class _Tool(msgspec.Struct, gc=False):
    type: str = "function"


class _Moderation(msgspec.Struct, gc=False):
    model: str = ""


class _Chat(msgspec.Struct, gc=False):
    model: str
    messages: list[Object]
    stream: bool | None = None
    stream_options: bodies.StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n: int | None = None
    tools: list[_Tool] | None = None
    functions: list[msgspec.Raw] | None = None
    prediction: msgspec.Raw = ABSENT
    modalities: list[str] | None = None
    audio: msgspec.Raw = ABSENT
    web_search_options: msgspec.Raw = ABSENT
    chat_template_kwargs: dict[str, msgspec.Raw] | None = None
    moderation: _Moderation | None = None
    prompt_cache_options: Caching | None = None
    service_tier: str | None = None


_CHAT: Final = msgspec.json.Decoder(_Chat)
_PARTS: Final = msgspec.json.Decoder(list[Object])

_READ: Final = frozenset(_Chat.__struct_fields__)

_UNBOUNDED: Final = (
    *("best_of", "chat_template", "enable_search", "mm_processor_kwargs", "models", "n_cmpl", "plugins"),
    *("search_parameters", "use_beam_search"),
)
"""Extensions of some servers that make a request cost more than its text and its maximum: other templates, other
models, searches."""

_REWRITTEN: Final = frozenset({"documents", "functions", "response_format", "tools"})
"""Fields whose JSON a chat template may write into the prompt."""

_FREE_MODERATION: Final = "omni-moderation"
_PLAIN: Final = frozenset(b'"tfn-0123456789')
"""How values begin that hold no others."""

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
_CALLS: Final = frozenset({"function_call", "tool_calls"})
_RISKY_MESSAGE_FIELDS: Final = frozenset({"content", "audio", "images", "videos", "files"})


class ChatRequest(Asked):
    """A chat request that was read."""

    __slots__ = ()

    def _write_maximum(self, output_tokens_max: int) -> None:
        name = "max_completion_tokens"
        if is_given(self._fields.get("max_tokens")) and not is_given(self._fields.get(name)):
            name = "max_tokens"
        self._fields[name] = msgspec.Raw(b"%d" % output_tokens_max)

    def _rename_maximum(self) -> None:
        given = self._fields.pop("max_completion_tokens", ABSENT)
        if is_given(given):
            self._fields["max_tokens"] = given

    def _ask_for_usage(self) -> None:
        if self.ask.stream and not self.ask.wants_usage:
            self._fields["stream_options"] = bodies.with_usage(self._fields.get("stream_options"))


def read_chat(body: bytes) -> ChatRequest:
    """Read a request's body. Raises Refusal that names the parameter at fault."""
    return ChatRequest(*bodies.read(body, _CHAT, _ask))


def _ask(chat: _Chat, fields: Object, body_bytes: int) -> Ask:
    bodies.refuse_disguises(fields, _READ, "max_completion_tokens")
    bodies.require_model(chat.model)
    if not chat.messages:
        raise Refusal(Code.PARAMETER_INVALID, "`messages` is empty.", hint="Send at least one.", param="messages")
    if chat.max_tokens is not None and chat.max_completion_tokens is not None:
        raise Refusal(
            Code.PARAMETER_INVALID,
            "`max_tokens` and `max_completion_tokens` are both set.",
            hint="Set only `max_completion_tokens`.",
            param="max_tokens",
        )
    bodies.refuse_outside("max_tokens", chat.max_tokens, OUTPUT_TOKENS_MAX)
    bodies.refuse_outside("max_completion_tokens", chat.max_completion_tokens, OUTPUT_TOKENS_MAX)
    bodies.refuse_outside("n", chat.n, CHOICES_MAX)
    options = chat.stream_options
    found = _Content()
    unbounded = _unbounded(chat, fields) or _unbounded_message(chat.messages, found)
    return Ask(
        model=chat.model,
        input_bytes=body_bytes,
        stream=chat.stream is True,
        wants_usage=options is not None and options.include_usage is True,
        output_tokens_max=chat.max_completion_tokens if chat.max_tokens is None else chat.max_tokens,
        choices=chat.n or 1,
        has_tools=bool(chat.tools or chat.functions),
        # Rejected predictions are charged as output (OpenAI, predicted outputs): at most their own text.
        extra_output_tokens=body_bytes if is_given(chat.prediction) else 0,
        unbounded=unbounded,
        media_bytes=found.bytes,
        rewritten_bytes=found.rewritten_bytes + growth_of_fields(fields, _REWRITTEN),
        images_in=found.images,
        audio_in=found.audio,
        service_tier=chat.service_tier,
        references=() if unbounded is None else tuple(references_in(msgspec.json.decode(fields["messages"]))),
        long_cache=found.is_cached_long,
        speaks=chat.modalities is not None and "audio" in chat.modalities,
    )


def _unbounded(chat: _Chat, fields: Object) -> str | None:
    """The first part whose cost the body's length does not bound."""
    if chat.modalities is not None and not _MODALITIES.issuperset(chat.modalities):
        return "modalities"
    if is_given(chat.web_search_options):
        return "web_search_options"
    for name in _UNBOUNDED:
        if name in fields:
            return name
    for tool in chat.tools or ():
        if tool.type not in _TEXT_TOOLS:
            return f"tools: {tool.type[:64]}"
    if chat.moderation is not None and not chat.moderation.model.startswith(_FREE_MODERATION):
        return "moderation"
    if chat.prompt_cache_options is not None and chat.prompt_cache_options.is_long:
        return "prompt_cache_options: ttl"
    for name, value in (chat.chat_template_kwargs or {}).items():
        # A flag or a word is as long as it is; another template or other tools are not.
        if "template" in name or memoryview(value)[0] not in _PLAIN:
            return f"chat_template_kwargs: {name[:64]}"
    return None


class _Content:
    """What of a request's messages is not plain text, counted while they are read."""

    __slots__ = ("audio", "bytes", "images", "is_cached_long", "rewritten_bytes")

    def __init__(self) -> None:
        self.images = 0
        self.audio = 0
        self.bytes = 0
        self.rewritten_bytes = 0
        self.is_cached_long = False


def _unbounded_message(messages: list[Object], found: _Content) -> str | None:
    for message in messages:
        for name in message:
            if name != "content" and name.lower() in _RISKY_MESSAGE_FIELDS and is_given(message[name]):
                return f"messages: {name}"
        for name in _CALLS & message.keys():
            found.rewritten_bytes += growth_of_calls(message[name])
        content = message.get("content")
        if content is not None and (part := _unbounded_part(content, found)) is not None:
            return part
    return None


def _unbounded_part(content: msgspec.Raw, found: _Content) -> str | None:
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
            found.images += kind == _IMAGE
            found.audio += kind == _AUDIO
            found.bytes += len(bytes(part.get(field, b"")))
            names = _MEDIA_PART_FIELDS[kind]
        elif kind in _TEXT_PARTS:
            names = _TEXT_PART_FIELDS
        else:
            return kind.decode(errors="replace").strip('"')[:64]
        for name in part:
            if name not in names:
                return name[:64]
        if read_caching(part.get("prompt_cache_breakpoint")).is_long:
            return "prompt_cache_breakpoint"
        if read_caching(part.get("cache_control")).is_long_control:
            found.is_cached_long = True
    return None
