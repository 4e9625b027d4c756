"""ASGI in and out. Here errors become answers, and here the access log has its one line per request.

The line holds what is on its list and nothing else: no body, no header but the agent's name, no secret.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

import msgspec

from keyhouse.core.clock import Entropy
from keyhouse.core.errors import Code, Refusal
from keyhouse.gateway import endpoints
from keyhouse.gateway.client_socket import ClientSocket
from keyhouse.gateway.house import House
from keyhouse.gateway.request import ClientLeft, Receive, Request, Scope, Send
from keyhouse.gateway.sockets import find_socket
from keyhouse.wire import errors

ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

INFO: Final = 20
SUPPLY_BYTES: Final = 8_192
_TEXT_CHARACTERS_MAX: Final = 200
_ENCODE: Final = msgspec.json.Encoder().encode


class Log(Protocol):
    """What is needed of structlog's bound logger. What it writes must be one line, line breaks escaped."""

    def bind(self) -> "Log":
        """The logger itself, with what it is configured to be settled once."""
        ...

    def is_enabled_for(self, level: int) -> bool:
        """Whether lines of this level are written at all."""
        ...

    def info(self, event: str, **fields: Any) -> Any:
        """Write a line."""
        ...

    def error(self, event: str, **fields: Any) -> Any:
        """Write a line about what should not have happened."""
        ...


def build(house: House, log: Log, write_line: Callable[[bytes], None] | None = None) -> ASGIApp:
    """The gateway, for every path below /v1 but the Admin API's.

    With `write_line` the access log's lines go there, as JSON without a line end, past the logger's
    processors: they hold nothing to be processed, and the way through costs as much as a call's limits.
    """
    log = log.bind()
    entropy = _Supply(house.entropy)

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        kind = Request if scope["type"] == "http" else ClientSocket
        request = kind(scope, receive, send, house.clock, entropy, house.bodies)
        try:
            raw_path = (scope.get("raw_path") or scope["path"].encode("latin-1", "replace")).partition(b"?")[0]
            if isinstance(request, ClientSocket):
                await find_socket(raw_path)(request, house)
            else:
                await endpoints.find(raw_path, request)(request, house)
        except Refusal as refusal:
            await _refuse(request, refusal, log)
        except ClientLeft:
            # Most have left and do not hear it; whose chunks were garbage does.
            await _refuse(request, Refusal(Code.BODY_BROKEN, "The request's body broke off.", hint=_WHOLE), log)
        except ConnectionError:
            request.reason = "client_left"
        except Exception as error:
            log.error("request failed", request_id=request.request_id, error=repr(error), exc_info=error)  # noqa: TRY400
            await _refuse(request, Refusal(Code.INTERNAL, "The server had an error.", hint=_REPORT), log)
        finally:
            if request.held_bytes:
                house.bodies.give_back(request.held_bytes)
            if write_line is not None:
                write_line(_ENCODE(_line(request, house.clock.now_ms())))
            elif log.is_enabled_for(INFO):
                log.info("request", **msgspec.structs.asdict(_line(request, house.clock.now_ms())))

    return serve


class _Supply:
    """Random bytes fetched in advance: asking the system for a few of them costs more than what they are for."""

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy
        self._bytes = b""
        self._taken = 0

    def __call__(self, count: int, /) -> bytes:
        """`count` random bytes, never given out twice."""
        begin = self._taken
        self._taken += count
        if self._taken > len(self._bytes):
            self._bytes, begin, self._taken = self._entropy(SUPPLY_BYTES), 0, count
        return self._bytes[begin : self._taken]


_WHOLE: Final = "Send as many bytes as its Content-Length says, or chunks in HTTP's form."
_REPORT: Final = "Try again; if it stays so, tell an administrator this answer's x-request-id."


async def _refuse(request: Request, refusal: Refusal, log: Log) -> None:
    request.reason = str(refusal.code)
    if refusal.internal:
        log.info("refusal", request_id=request.request_id, reason=request.reason, internal=refusal.internal)
    if request.is_answered:
        return  # what has begun and cannot be finished stays unfinished, and the server closes the connection
    status, headers, body = errors.answer(refusal, request.request_id, request.dialect)
    headers.append((b"openai-processing-ms", b"%d" % request.elapsed_ms))
    if request.call_id is not None:
        headers.append((b"x-keyhouse-call-id", request.call_id.encode()))
    await request.answer(status, headers, body)


class AccessLine(msgspec.Struct, tag="request", tag_field="event", gc=False):
    """What the access log says of a request: all of it, and nothing else."""

    timestamp_ms: int
    request_id: str
    call_id: str | None
    method: str
    path: str
    status: int
    reason: str | None
    key_id: str | None
    project_id: str | None
    model: str | None
    upstream: str | None
    stream: bool
    input_tokens: int | None
    output_tokens: int | None
    cost_nano_usd: int | None
    flags: str
    first_byte_ms: int | None
    duration_ms: int
    address: str


def _line(request: Request, now_ms: int) -> AccessLine:
    credential, counts = request.credential, request.counts
    return AccessLine(
        now_ms,
        request.request_id,
        request.call_id,
        request.method[:16],
        _harmless(request.path),
        request.status,
        request.reason,
        None if credential is None else credential.key_id,
        None if credential is None else credential.project_id,
        None if request.model is None else _harmless(request.model),
        request.upstream,
        request.is_streamed,
        None if counts is None else counts.input,
        None if counts is None else counts.output,
        request.charged_nano_usd,
        request.flags,
        request.first_byte_ms,
        request.elapsed_ms,
        request.address,
    )


def _harmless(text: str) -> str:
    """What a client wrote, short, and not at all if it may hold a key: some put theirs where it does not belong."""
    return "[removed]" if "kh_" in text or "sk-" in text else text[:_TEXT_CHARACTERS_MAX]
