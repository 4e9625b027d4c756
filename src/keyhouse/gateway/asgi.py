"""ASGI in and out. Here errors become answers, and here the access log has its one line per request.

The line holds what is on its list and nothing else: no body, no header but the agent's name, no secret.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

from keyhouse.core.errors import Code, Refusal
from keyhouse.gateway import endpoints
from keyhouse.gateway.call import House
from keyhouse.gateway.request import ClientLeft, Receive, Request, Scope, Send
from keyhouse.wire import errors

ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

INFO: Final = 20
_PATH_CHARACTERS_MAX: Final = 200


class Log(Protocol):
    """What is needed of structlog's bound logger. What it writes must be one line, line breaks escaped."""

    def is_enabled_for(self, level: int) -> bool:
        """Whether lines of this level are written at all."""
        ...

    def info(self, event: str, **fields: Any) -> Any:
        """Write a line."""
        ...

    def error(self, event: str, **fields: Any) -> Any:
        """Write a line about what should not have happened."""
        ...


def build(house: House, log: Log) -> ASGIApp:
    """The gateway, for every path below /v1 but the Admin API's."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive, send, house.clock, house.entropy)
        try:
            raw_path = scope.get("raw_path") or scope["path"].encode("latin-1", "replace")
            await endpoints.find(raw_path.partition(b"?")[0], request)(request, house)
        except Refusal as refusal:
            await _refuse(request, refusal, log)
        except (ClientLeft, ConnectionError):
            request.reason = "client_left"
        except Exception as error:
            log.error("request failed", request_id=request.request_id, error=repr(error), exc_info=error)  # noqa: TRY400
            await _refuse(request, Refusal(Code.INTERNAL, "The server had an error.", hint=_REPORT), log)
        finally:
            if log.is_enabled_for(INFO):
                _note(request, log)

    return serve


_REPORT: Final = "Try again; if it stays so, tell an administrator this answer's x-request-id."


async def _refuse(request: Request, refusal: Refusal, log: Log) -> None:
    request.reason = str(refusal.code)
    if refusal.internal:
        log.info("refusal", request_id=request.request_id, reason=request.reason, internal=refusal.internal)
    if request.is_answered:
        await request.end()
        return
    status, headers, body = errors.answer(refusal, request.request_id)
    headers.append((b"openai-processing-ms", b"%d" % request.elapsed_ms))
    if request.call_id is not None:
        headers.append((b"x-keyhouse-call-id", request.call_id.encode()))
    await request.answer(status, headers, body)


def _note(request: Request, log: Log) -> None:
    credential, counts = request.credential, request.counts
    log.info(
        "request",
        request_id=request.request_id,
        call_id=request.call_id,
        method=request.method[:16],
        path=request.path[:_PATH_CHARACTERS_MAX],
        status=request.status,
        reason=request.reason,
        key_id=None if credential is None else credential.key_id,
        project_id=None if credential is None else credential.project_id,
        model=request.model,
        upstream=request.upstream,
        stream=request.is_streamed,
        input_tokens=None if counts is None else counts.input,
        output_tokens=None if counts is None else counts.output,
        cost_nano_usd=request.charged_nano_usd,
        flags=request.flags,
        first_byte_ms=request.first_byte_ms,
        duration_ms=request.elapsed_ms,
        address=request.address,
    )
