"""The reader of the Responses API: what a request asks for, as far as the gateway must know it.

What is listed here as text is bounded by the body's length, images and audio by the model's maxima. What the
upstream keeps and reads with a request, such as an earlier answer, is not in the body, and only the model's longest
prompt bounds it. Everything else is named as unbounded; a kind that is not known counts as that.
"""

from typing import Final

import msgspec

from keyhouse.core.bound import Ask
from keyhouse.core.errors import Code, Refusal
from keyhouse.wire import body as bodies
from keyhouse.wire.body import ABSENT, ENCODE, OBJECT, OUTPUT_TOKENS_MAX, Asked, Object, is_given
from keyhouse.wire.caching import Caching, read_caching
from keyhouse.wire.references import references_in
from keyhouse.wire.rewriting import ARGUMENTS_DEPTH, growth_of_calls, growth_of_fields


class _Tool(msgspec.Struct, gc=False):
    type: str = "function"


class _Reasoning(msgspec.Struct, gc=False):
    mode: str | None = None


class _Moderation(msgspec.Struct, gc=False):
    model: str = ""


class _Responses(msgspec.Struct, gc=False):
    model: str
    input: msgspec.Raw = ABSENT
    stream: bool | None = None
    max_output_tokens: int | None = None
    tools: list[_Tool] | None = None
    service_tier: str | None = None
    store: bool | None = None
    background: bool | None = None
    previous_response_id: str | None = None
    conversation: msgspec.Raw = ABSENT
    prompt: msgspec.Raw = ABSENT
    context_management: msgspec.Raw = ABSENT
    reasoning: _Reasoning | None = None
    moderation: _Moderation | None = None
    prompt_cache_options: Caching | None = None


_RESPONSES: Final = msgspec.json.Decoder(_Responses)
_ITEMS: Final = msgspec.json.Decoder(list[Object])
_TEXT: Final = msgspec.json.Decoder(str)

_READ: Final = frozenset(_Responses.__struct_fields__)
_INPUT_ONLY: Final = ("max_output_tokens", "stream", "background")
"""Parameters of an answer, which the endpoints that only take an input do not have."""

_UNBOUNDED: Final = (
    *("audio", "best_of", "chat_template", "messages", "mm_processor_kwargs", "modalities", "n", "n_cmpl", "plugins"),
    "use_beam_search",
)
"""Parameters of other endpoints, and extensions of some servers, that would make a request cost more than its input
and its maximum where a server takes them."""

_REWRITTEN: Final = frozenset({"text", "tools"})
"""Parameters whose JSON a chat template may write into the prompt."""

_TEXT_TOOLS: Final = frozenset({"function", "custom"})
_FREE_MODERATION: Final = "omni-moderation"
_STANDARD: Final = frozenset({None, "standard"})

_MESSAGE, _REASONING, _CALL = b'"message"', b'"reasoning"', b'"function_call"'
_TEXT_ITEMS: Final = {
    _MESSAGE: "content",
    _CALL: "arguments",
    b'"function_call_output"': "output",
    b'"custom_tool_call"': "input",
    b'"custom_tool_call_output"': "output",
}
"""Items that hold all that is read of them, and the field that holds it."""

_COMPACTION, _REFERENCE = b'"compaction"', b'"item_reference"'
"""Items that stand for something else: sealed, so that only the upstream can read it, or kept by the upstream."""

_RISKY_ITEM_FIELDS: Final = frozenset({"arguments", "audio", "content", "files", "images", "input", "output", "videos"})
_TEXT_PARTS: Final = frozenset(
    {b'"input_text"', b'"output_text"', b'"text"', b'"refusal"', b'"reasoning_text"', b'"summary_text"'}
)
_IMAGE, _AUDIO = b'"input_image"', b'"input_audio"'
_TEXT_PART_FIELDS: Final = frozenset(
    {"annotations", "cache_control", "logprobs", "prompt_cache_breakpoint", "refusal", "text", "type"}
)
_MEDIA_PART_FIELDS: Final = {
    _IMAGE: frozenset({"cache_control", "detail", "file_id", "image_url", "prompt_cache_breakpoint", "type"}),
    _AUDIO: frozenset({"cache_control", "input_audio", "prompt_cache_breakpoint", "type"}),
}
_DETAILS: Final = frozenset({b"", b"null", b'"auto"', b'"low"', b'"high"'})
"""How closely an image may be looked at within the model's maximum of an image; `original` is beyond it."""

_NOT_TEXT: Final = frozenset({b"", b"null", b"[]", b'""'})


class ResponsesRequest(Asked):
    """A request for a response that was read."""

    __slots__ = ()

    def _write_maximum(self, output_tokens_max: int) -> None:
        self._fields["max_output_tokens"] = msgspec.Raw(b"%d" % output_tokens_max)


class InputRequest(Asked):
    """A request that was read and asks for something else than an answer, which has no maximum."""

    __slots__ = ()


def read_responses(body: bytes) -> ResponsesRequest:
    """Read the body of `POST /v1/responses`. Raises Refusal that names the parameter at fault."""
    return ResponsesRequest(*bodies.read(body, _RESPONSES, _ask))


def read_input(body: bytes) -> InputRequest:
    """Read a body that holds a response's input only: those of `/compact` and `/input_tokens`. Raises Refusal."""
    ask, fields = bodies.read(body, _RESPONSES, _ask)
    for name in _INPUT_ONLY:
        if is_given(fields.get(name)):
            raise Refusal(
                Code.PARAMETER_UNKNOWN,
                f"`{name}` is not a parameter of this endpoint.",
                hint="Leave it out.",
                param=name,
            )
    return InputRequest(msgspec.structs.replace(ask, has_maximum=False, is_kept=False), fields)


def _ask(asked: _Responses, fields: Object, body_bytes: int) -> Ask:
    bodies.refuse_disguises(fields, _READ, "max_output_tokens")
    bodies.require_model(asked.model)
    bodies.refuse_outside("max_output_tokens", asked.max_output_tokens, OUTPUT_TOKENS_MAX)
    if is_given(fields.get("request_id")):
        # vLLM takes it for the answer's id, and would put the answer in the place of another project's.
        raise Refusal(
            Code.PARAMETER_UNKNOWN,
            "`request_id` is not a parameter of this endpoint.",
            hint="Leave it out: the upstream names its answers itself.",
            param="request_id",
        )
    if asked.background and asked.store is False:
        raise Refusal(
            Code.PARAMETER_INVALID,
            "`background` is true and `store` is false.",
            hint="What is made in the background must be kept, to be read back: leave `store` out.",
            param="background",
        )
    found = _Input()
    found.read(asked.input)
    if asked.previous_response_id is not None:
        found.refer("previous_response_id", asked.previous_response_id)
    if is_given(asked.conversation):
        found.refer("conversation", _id_of_conversation(asked.conversation))
    return Ask(
        model=asked.model,
        input_bytes=body_bytes,
        stream=asked.stream is True,
        wants_usage=True,
        output_tokens_max=asked.max_output_tokens,
        has_tools=bool(asked.tools),
        unbounded=_unbounded(asked, fields) or found.unbounded,
        media_bytes=found.media_bytes,
        rewritten_bytes=found.rewritten_bytes + growth_of_fields(fields, _REWRITTEN),
        images_in=found.images,
        audio_in=found.audio,
        service_tier=asked.service_tier,
        unseen_input=found.unseen,
        references=(*found.references, *_named(asked, fields, found)),
        is_kept=asked.store is not False,
        background=asked.background is True,
        long_cache=found.is_cached_long,
    )


def _named(asked: _Responses, fields: Object, found: "_Input") -> list[tuple[str, str]]:
    """The objects that are named by what is more than text: files, vector stores, containers."""
    named: list[tuple[str, str]] = []
    if found.images or found.unbounded is not None:
        named += references_in(msgspec.json.decode(asked.input))
    if any(tool.type not in _TEXT_TOOLS for tool in asked.tools or ()):
        named += references_in(msgspec.json.decode(fields["tools"]))
    if is_given(asked.prompt):
        named += references_in(msgspec.json.decode(asked.prompt))
    return named


def _unbounded(asked: _Responses, fields: Object) -> str | None:
    """The first parameter whose cost neither the body's length nor a maximum bounds."""
    for tool in asked.tools or ():
        if tool.type not in _TEXT_TOOLS:
            return f"tools: {tool.type[:64]}"
    if is_given(asked.prompt):
        return "prompt"  # it may bring tools of its own
    if bytes(asked.context_management) not in _NOT_TEXT:
        return "context_management"  # a compaction is another pass over the whole prompt
    if asked.reasoning is not None and asked.reasoning.mode not in _STANDARD:
        return "reasoning: mode"
    if asked.moderation is not None and not asked.moderation.model.startswith(_FREE_MODERATION):
        return "moderation"
    if asked.prompt_cache_options is not None and asked.prompt_cache_options.is_long:
        return "prompt_cache_options: ttl"
    for name in _UNBOUNDED:
        if is_given(fields.get(name)):
            return name
    return None


def _id_of_conversation(conversation: msgspec.Raw) -> str:
    given = conversation if memoryview(conversation)[0] != ord("{") else OBJECT.decode(conversation).get("id", ABSENT)
    return _text(given, "conversation")


def _text(value: msgspec.Raw, param: str) -> str:
    """A string in JSON. Raises Refusal for anything else."""
    try:
        return _TEXT.decode(value)
    except msgspec.DecodeError:
        raise Refusal(
            Code.PARAMETER_INVALID, f"`{param}` names no object.", hint="Send an id as text.", param=param
        ) from None


class _Input:
    """What is found while a request's input is read."""

    __slots__ = (
        *("audio", "images", "is_cached_long", "media_bytes", "references", "rewritten_bytes", "unbounded", "unseen"),
    )

    def __init__(self) -> None:
        self.audio = 0
        self.images = 0
        self.media_bytes = 0
        self.rewritten_bytes = 0
        self.is_cached_long = False
        self.unbounded: str | None = None
        self.unseen: str | None = None
        self.references: list[tuple[str, str]] = []

    def read(self, given: msgspec.Raw) -> None:
        """Read `input`: text, or a list of items."""
        first = memoryview(given)[0] if bytes(given) else ord("n")
        if first in b'"n':
            return
        for item in _objects(given, "input", "items"):
            self._read_item(item)

    def refer(self, param: str, reference: str) -> None:
        """Note an object of the upstream's that is read beside the body."""
        self.unseen = self.unseen or param
        self.references.append((param, reference))

    def _read_item(self, item: Object) -> None:
        kind = _kind(item)
        if kind in (b"", b"null"):
            # An item without a type is a message where it has a role, and else a reference.
            kind = _MESSAGE if "role" in item else _REFERENCE
        name = _TEXT_ITEMS.get(kind)
        if name is not None and is_given(item.get(name)):
            self._read_parts(item[name], f"input.{name}")
            self._refuse_others(item, name)
            if kind == _CALL:
                self.rewritten_bytes += growth_of_calls(item[name], ARGUMENTS_DEPTH)
        elif kind == _REASONING:
            self._read_reasoning(item)
        elif kind == _COMPACTION and is_given(item.get("encrypted_content")):
            self.unseen = self.unseen or "input: compaction"
        elif name is not None or kind in (_COMPACTION, _REFERENCE):
            # Without what it should hold, it can only be looked up.
            self.refer(f"input: {_shown(kind)}", _text(item.get("id", ABSENT), "input.id"))
        else:
            self._cannot_bound(f"input: {_shown(kind)}")

    def _read_reasoning(self, item: Object) -> None:
        """Reasoning is sent back in the open, encrypted, or by nothing but its id."""
        if is_given(item.get("encrypted_content")):
            self.unseen = self.unseen or "input: reasoning"
        elif bytes(item.get("content", b"")) not in _NOT_TEXT:
            self._read_parts(item["content"], "input.content")
        elif is_given(item.get("id")):
            self.refer("input: reasoning", _text(item["id"], "input.id"))

    def _refuse_others(self, item: Object, known: str) -> None:
        for name in item:
            if name != known and name.lower() in _RISKY_ITEM_FIELDS and is_given(item[name]):
                self._cannot_bound(f"input: {name}")

    def _read_parts(self, content: msgspec.Raw, param: str) -> None:
        if memoryview(content)[0] == ord('"'):
            return
        for part in _objects(content, param, "parts"):
            self._read_part(part)

    def _read_part(self, part: Object) -> None:
        kind = _kind(part)
        if kind in _TEXT_PARTS:
            names = _TEXT_PART_FIELDS
        elif kind in _MEDIA_PART_FIELDS:
            names = _MEDIA_PART_FIELDS[kind]
            self.images += kind == _IMAGE
            self.audio += kind == _AUDIO
            self.media_bytes += len(bytes(part.get("image_url" if kind == _IMAGE else "input_audio", b"")))
            if bytes(part.get("detail", b"")) not in _DETAILS:
                self._cannot_bound(f"input: {_shown(kind)} detail")
        else:
            self._cannot_bound(f"input: {_shown(kind)}")
            return
        for name in part:
            if name not in names:
                self._cannot_bound(f"input: {name[:64]}")
        if read_caching(part.get("prompt_cache_breakpoint")).is_long:
            self._cannot_bound("input: prompt_cache_breakpoint")
        if read_caching(part.get("cache_control")).is_long_control:
            self.is_cached_long = True

    def _cannot_bound(self, part: str) -> None:
        self.unbounded = self.unbounded or part


def _objects(value: msgspec.Raw, param: str, what: str) -> list[Object]:
    """A list of objects in JSON. Raises Refusal for anything else."""
    try:
        return _ITEMS.decode(value)
    except msgspec.ValidationError:
        raise Refusal(
            Code.PARAMETER_INVALID,
            f"`{param}` is neither text nor a list of {what}.",
            hint=f"Send a string, or an array of {what}.",
            param=param,
        ) from None


def _kind(given: Object) -> bytes:
    """The type of an item or a part, in JSON without disguises: an upstream would see through them."""
    kind = bytes(given.get("type", b""))
    return ENCODE(_TEXT.decode(kind)) if b"\\" in kind else kind


def _shown(kind: bytes) -> str:
    return kind.decode(errors="replace").strip('"')[:64]
