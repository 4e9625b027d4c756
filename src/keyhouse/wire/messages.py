"""The reader of Anthropic's `POST /v1/messages`: what a request asks for, as far as the gateway must know it.

What is listed here is bounded: text by its bytes, images by the model's maximum, tools of the client by their
definitions. Everything else is named as unbounded, such as tools that run upstream, documents, and whatever is new.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from keyhouse.core.bound import Ask
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.money import DEFAULT_TIER
from keyhouse.wire import body as bodies
from keyhouse.wire.body import ABSENT, ENCODE, OBJECT, OUTPUT_TOKENS_MAX, Asked, Object, is_given
from keyhouse.wire.caching import Caching, read_caching
from keyhouse.wire.messages_usage import FAST
from keyhouse.wire.references import references_in
from keyhouse.wire.rewriting import ARGUMENTS_DEPTH, growth, growth_of_fields

THINKING_TOKENS_MIN: Final = 1_024
"""The smallest budget for thinking that Anthropic takes."""


class _Tool(msgspec.Struct, gc=False):
    type: str | None = None
    cache_control: Caching | None = None


class _Thinking(msgspec.Struct, gc=False):
    budget_tokens: int | None = None


class _Messages(msgspec.Struct, gc=False):
    model: str
    messages: list[Object]
    max_tokens: int
    stream: bool | None = None
    system: msgspec.Raw = ABSENT
    tools: list[_Tool] | None = None
    thinking: _Thinking | None = None
    service_tier: str | None = None
    speed: str | None = None
    inference_geo: str | None = None
    cache_control: Caching | None = None
    output_config: msgspec.Raw = ABSENT
    output_format: msgspec.Raw = ABSENT


class _Counted(msgspec.Struct, gc=False):
    model: str


_MESSAGES: Final = msgspec.json.Decoder(_Messages)
_COUNTED: Final = msgspec.json.Decoder(_Counted)
_BLOCKS: Final = msgspec.json.Decoder(list[Object])
_KIND: Final = msgspec.json.Decoder(str)

_READ: Final = frozenset(_Messages.__struct_fields__)
_BOUNDED: Final = _READ | {"metadata", "stop_sequences", "temperature", "tool_choice", "top_k", "top_p"}
"""Fields that add nothing to what their text and the maximum bound."""

_REWRITTEN: Final = frozenset({"output_config", "output_format", "tools"})
"""Fields whose JSON a chat template may write into the prompt."""

_CLIENT_TOOLS: Final = ("bash_", "text_editor_", "memory_", "computer_20")
_CLIENT_TOOL_TOKENS: Final = 2_048
"""What a tool that Anthropic defines and the client runs adds at most, beside the text that names it (Anthropic, tool
use, pricing: 245 to 735 tokens, and 499 for the computer's own prompt)."""

_TEXT_BLOCKS: Final = {
    "text": frozenset({"type", "text", "citations", "cache_control"}),
    "thinking": frozenset({"type", "thinking", "signature"}),
    "redacted_thinking": frozenset({"type", "data"}),
    "tool_use": frozenset({"type", "id", "name", "input", "caller", "cache_control"}),
    "tool_reference": frozenset({"type", "tool_name", "cache_control"}),
}
_IMAGE_FIELDS: Final = frozenset({"type", "source", "cache_control"})
_REFERRING: Final = frozenset({"container_upload", "document", "image"})
"""Blocks that may name a file which the upstream keeps."""

_NESTS: Final = {
    "tool_result": frozenset({"type", "tool_use_id", "content", "is_error", "cache_control"}),
    "search_result": frozenset({"type", "source", "title", "content", "citations", "cache_control"}),
}
_DEPTH_MAX: Final = 3
"""A message, a tool's result in it, a search's result in that."""

_TIERS: Final = {"standard_only": DEFAULT_TIER}


class MessagesRequest(Asked):
    """A request for a message that was read."""

    __slots__ = ()

    def _write_maximum(self, output_tokens_max: int) -> None:
        self._fields["max_tokens"] = msgspec.Raw(b"%d" % output_tokens_max)
        if not is_given(self._fields.get("thinking")):
            return
        # A budget for thinking is part of the maximum, and must be less than it.
        thinking = OBJECT.decode(self._fields["thinking"])
        budget = thinking.get("budget_tokens")
        if is_given(budget) and output_tokens_max > THINKING_TOKENS_MIN:
            least = min(int(bytes(budget or b"0")), output_tokens_max - 1)
            self._fields["thinking"] = msgspec.Raw(ENCODE(thinking | {"budget_tokens": msgspec.Raw(b"%d" % least)}))


def read_messages(body: bytes) -> MessagesRequest:
    """Read a request's body. Raises Refusal that names the parameter at fault."""
    return MessagesRequest(*bodies.read(body, _MESSAGES, _ask))


def read_count_tokens(body: bytes) -> Asked:
    """Read the body of a request to count tokens, of which nothing but the model matters. Raises Refusal."""
    return Asked(*bodies.read(body, _COUNTED, _ask_to_count))


def _ask_to_count(counted: _Counted, fields: Object, body_bytes: int) -> Ask:
    bodies.refuse_disguises(fields, bodies.OTHER_MAXIMA | {"model"}, None)
    bodies.require_model(counted.model)
    content = _Content()
    for message in _BLOCKS.decode(fields["messages"]) if is_given(fields.get("messages")) else ():
        content.see_message(message)
    return Ask(model=counted.model, input_bytes=body_bytes, output_tokens_max=0, references=tuple(content.references))


def _ask(asked: _Messages, fields: Object, body_bytes: int) -> Ask:
    bodies.refuse_disguises(fields, _READ, "max_tokens")
    bodies.require_model(asked.model)
    if not asked.messages:
        raise Refusal(Code.PARAMETER_INVALID, "`messages` is empty.", hint="Send at least one.", param="messages")
    bodies.refuse_outside("max_tokens", asked.max_tokens, OUTPUT_TOKENS_MAX)
    content = _Content()
    content.see_control(asked.cache_control)
    tools = asked.tools or ()
    for tool in tools:
        content.see_control(tool.cache_control)
    if is_given(asked.system):
        content.see("system", asked.system)
    for message in asked.messages:
        content.see_message(message)
    of_anthropic = sum(_is_of_anthropic(tool) for tool in tools)
    return Ask(
        model=asked.model,
        input_bytes=body_bytes + of_anthropic * _CLIENT_TOOL_TOKENS,
        stream=asked.stream is True,
        output_tokens_max=asked.max_tokens,
        has_tools=bool(tools) or is_given(asked.output_config) or is_given(asked.output_format),
        unbounded=_unbounded(asked, fields) or content.unbounded,
        media_bytes=content.media_bytes,
        rewritten_bytes=content.rewritten_bytes + growth_of_fields(fields, _REWRITTEN),
        images_in=content.images,
        service_tier=FAST if asked.speed == FAST else _TIERS.get(asked.service_tier or "", asked.service_tier),
        long_cache=content.is_cached_long,
        references=(*content.references, *_named(fields)),
    )


def _named(fields: Object) -> Iterator[tuple[str, str]]:
    """The container that code is run in, if the request names one."""
    if is_given(fields.get("container")):
        yield from references_in({"container": _container_id(msgspec.json.decode(fields["container"]))})


def _container_id(container: object) -> object:
    return container.get("id") if isinstance(container, dict) else container


def _is_of_anthropic(tool: _Tool) -> bool:
    return tool.type is not None and tool.type.startswith(_CLIENT_TOOLS)


def _unbounded(asked: _Messages, fields: Object) -> str | None:
    """The first part, beside the messages, whose cost the body's length does not bound."""
    for name, value in fields.items():
        if name not in _BOUNDED and is_given(value):
            return name[:64]
    if asked.speed not in (None, "standard", FAST):
        return "speed"
    if asked.inference_geo not in (None, "global"):
        return "inference_geo"
    for tool in asked.tools or ():
        if tool.type not in (None, "custom") and not _is_of_anthropic(tool):
            return f"tools: {(tool.type or '')[:64]}"
    return None


class _Content:
    """What of a request's messages is not text, the files they name, and the first part of them that nothing bounds."""

    __slots__ = ("images", "is_cached_long", "media_bytes", "references", "rewritten_bytes", "unbounded")

    def __init__(self) -> None:
        self.images = 0
        self.media_bytes = 0
        self.rewritten_bytes = 0
        self.is_cached_long = False
        self.unbounded: str | None = None
        self.references: list[tuple[str, str]] = []

    def see_message(self, message: Object) -> None:
        """Count a message in."""
        for name in message:
            if name not in ("role", "content"):
                self._cannot_bound(f"messages: {name}")
        if "content" in message:
            self.see("messages.content", message["content"])

    def see_control(self, control: Caching | None) -> None:
        """Note for how long a part of the prompt is to be cached."""
        if control is not None and control.is_long_control:
            self.is_cached_long = True

    def see(self, where: str, content: msgspec.Raw, depth: int = 1) -> None:
        """Count in content, which is text or a list of blocks, some of which hold content again."""
        first = memoryview(content)[0]
        if first in b'"n':
            return
        if first != ord("["):
            raise Refusal(
                Code.PARAMETER_INVALID,
                f"`{where}` is neither text nor a list of blocks.",
                hint="Send a string, or an array of content blocks.",
                param=where,
            )
        for block in _BLOCKS.decode(content):
            self._see_block(where, block, depth)

    def _see_block(self, where: str, block: Object, depth: int) -> None:
        kind = _KIND.decode(block["type"]) if "type" in block else ""
        self.see_control(read_caching(block.get("cache_control")))
        if kind in _REFERRING:
            self.references += references_in({name: msgspec.json.decode(value) for name, value in block.items()})
        if kind in _TEXT_BLOCKS:
            known = _TEXT_BLOCKS[kind]
            self.rewritten_bytes += growth(block["input"], ARGUMENTS_DEPTH) if "input" in block else 0
        elif kind == "image":
            self.images += 1
            self.media_bytes += len(bytes(block.get("source", b"")))
            known = _IMAGE_FIELDS
        elif kind in _NESTS and depth < _DEPTH_MAX:
            known = _NESTS[kind]
            if "content" in block:
                self.see(where, block["content"], depth + 1)
        else:
            self._cannot_bound(kind)
            return
        for name in block:
            if name not in known:
                self._cannot_bound(name)

    def _cannot_bound(self, name: str) -> None:
        if self.unbounded is None:
            self.unbounded = name[:64] or "content"
