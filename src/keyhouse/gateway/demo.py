"""The built-in upstream: answers as model `keyhouse-demo`, in this process, so that a first key works at once.

It says in every answer that it is not a model, and how to get one. What it uses is counted truly: a token is
a word.
"""

import asyncio
from typing import Final, Self

import msgspec

from keyhouse.core.clock import Clock
from keyhouse.core.errors import Code
from keyhouse.gateway.answer import Answer, Unsent
from keyhouse.gateway.routing import Upstream
from keyhouse.wire.form import Upload

CHAT: Final = "/chat/completions"
MODEL: Final = "keyhouse-demo"
PACE_MS_MAX: Final = 1_000
UPSTREAM: Final = Upstream("demo", "", is_demo=True)

TEXT: Final = (
    "This is Keyhouse's built-in demo, not a language model. Your key works: this call was authenticated, "
    "reserved, answered, settled and counted like any other. To get real answers, set OPENAI_API_KEY and "
    "restart Keyhouse, or name your own server under [[upstreams]] and [[models]] in keyhouse.toml."
)


class _Message(msgspec.Struct):
    content: msgspec.Raw = msgspec.Raw()


class _Asked(msgspec.Struct):
    messages: list[_Message]
    stream: bool | None = None
    n: int | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    metadata: dict[str, str] | None = None

    @property
    def pace_seconds(self) -> float:
        """How long the demo waits before each piece: `metadata.pace_ms`, for whoever wants to see a stream."""
        text = (self.metadata or {}).get("pace_ms", "")
        return min(int(text), PACE_MS_MAX) / 1000 if text.isascii() and text.isdigit() else 0.0


_ASKED: Final = msgspec.json.Decoder(_Asked)
_ENCODE: Final = msgspec.json.Encoder().encode


class Demo:
    """Forwards to nobody: `forward` has the form of the HTTP client's, so that both take the same way."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def forward(self, path: str, body: bytes | Upload) -> "DemoAnswer":
        """Answer a chat request. Raises Unsent for any other."""
        if path != CHAT or isinstance(body, Upload):
            raise Unsent(
                Code.PARAMETER_INVALID,
                f"The demo model answers /v1{CHAT} only.",
                hint="Connect an upstream to use the other endpoints.",
                param="model",
            )
        asked = _ASKED.decode(body)
        return DemoAnswer(_pieces(asked, self._clock.now_ms()), asked.pace_seconds)


class DemoAnswer(Answer):
    """An answer made of given pieces."""

    def __init__(self, pieces: list[bytes], pace_seconds: float = 0.0) -> None:
        self.status = 200
        self._is_stream = pieces[0].startswith(b"data:")
        self._pieces = iter(pieces)
        self._pace_seconds = pace_seconds

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    def header(self, name: str) -> str | None:
        """The content type; it has no other."""
        if name != "content-type":
            return None
        return "text/event-stream" if self._is_stream else "application/json"

    async def chunk(self) -> bytes | None:
        """The next piece."""
        if self._pace_seconds and self._is_stream:
            await asyncio.sleep(self._pace_seconds)
        return next(self._pieces, None)


def _pieces(asked: _Asked, now_ms: int) -> list[bytes]:
    words = TEXT.split(" ")
    most = asked.max_completion_tokens or asked.max_tokens or len(words)
    reason = "stop" if most >= len(words) else "length"
    words = words[:most]
    choices = asked.n or 1
    given = sum(len(bytes(message.content).split()) for message in asked.messages)
    usage = {
        "prompt_tokens": given,
        "completion_tokens": choices * len(words),
        "total_tokens": given + choices * len(words),
    }
    head = {"id": f"chatcmpl-demo-{now_ms}", "created": now_ms // 1000, "model": MODEL}
    if not asked.stream:
        answers = [
            {"index": index, "message": {"role": "assistant", "content": " ".join(words)}, "finish_reason": reason}
            for index in range(choices)
        ]
        return [_ENCODE(head | {"object": "chat.completion", "choices": answers, "usage": usage})]
    head |= {"object": "chat.completion.chunk"}
    pieces = [
        _event(head, [{"index": index, "delta": delta, "finish_reason": None}])
        for index in range(choices)
        for delta in _deltas(words)
    ]
    pieces += [_event(head, [{"index": index, "delta": {}, "finish_reason": reason}]) for index in range(choices)]
    return [*pieces, _event(head, [], usage), b"data: [DONE]\n\n"]


def _deltas(words: list[str]) -> list[dict[str, str]]:
    return [
        {"role": "assistant", "content": words[0]},
        *({"content": f" {word}"} for word in words[1:]),
    ]


def _event(head: dict[str, object], choices: list[object], usage: object = None) -> bytes:
    chunk = head | {"choices": choices}
    return b"data: " + _ENCODE(chunk if usage is None else chunk | {"usage": usage}) + b"\n\n"
