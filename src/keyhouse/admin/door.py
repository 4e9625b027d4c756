"""The door of the Admin API, before any route is looked for.

1. A request carries a living admin key, or is refused; only then is its path looked at.
2. Every answer has its request id and how long it took, and nobody may store it.
"""

from typing import Any, Final

import structlog
from litestar import Request
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from keyhouse.admin.office import Office
from keyhouse.core.errors import Code, Refusal
from keyhouse.store.engine import Actor
from keyhouse.wire.errors import answer

Visit = Request[Any, Any, Any]
"""A request to the Admin API."""

_ACTOR: Final = "keyhouse_actor"
_REQUEST_ID: Final = "keyhouse_request_id"
_CREDENTIALS: Final = frozenset({b"authorization", b"api-key", b"x-api-key"})


class Door:
    """An ASGI app that lets those with an admin key through to another one."""

    def __init__(self, office: Office, inner: ASGIApp) -> None:
        self._office = office
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == ScopeType.WEBSOCKET:
            return
        request_id = f"req_{self._office.entropy(16).hex()}"
        stamped = self._stamped(send, request_id)
        try:
            actor = await self._office.admin_keys.authenticate(_authorization(scope), _address(scope))
        except Refusal as refusal:
            if refusal.internal:
                structlog.get_logger("keyhouse.admin").warning(
                    "admin_refusal", code=str(refusal.code), internal=refusal.internal, request_id=request_id
                )
            await _send(stamped, *answer(refusal, request_id))
            return
        except Exception:
            await _send(stamped, *answer(broken(request_id), request_id))
            raise
        scope["state"] = {_ACTOR: actor, _REQUEST_ID: request_id}
        await self._inner(scope, receive, stamped)

    def _stamped(self, send: Send, request_id: str) -> Send:
        began_ms = self._office.clock.monotonic_ms()

        async def stamp(message: Message) -> None:
            if message["type"] == "http.response.start":
                took_ms = int(self._office.clock.monotonic_ms() - began_ms)
                ours = {
                    b"x-request-id": request_id.encode(),
                    b"openai-processing-ms": str(took_ms).encode(),
                    b"cache-control": b"no-store",
                    b"x-content-type-options": b"nosniff",
                }
                theirs = [(name, value) for name, value in message["headers"] if name.lower() not in ours]
                message["headers"] = [*theirs, *ours.items()]
            await send(message)

        return stamp


def actor_of(request: Visit) -> Actor:
    """Who asks. There is no request behind the door without one."""
    actor: Actor = request.scope["state"][_ACTOR]
    return actor


def request_id_of(request: Visit) -> str:
    """The request's id, as its answer carries it."""
    return str(request.scope["state"][_REQUEST_ID])


def broken(request_id: str) -> Refusal:
    """The answer to a mistake of ours."""
    return Refusal(
        Code.INTERNAL,
        "Keyhouse made a mistake.",
        hint=f"Try again; if it stays, the server's log has more under {request_id}.",
    )


def _authorization(scope: HTTPScope) -> list[str]:
    """Every credential that came: one that stands elsewhere is none here, but makes two of another one."""
    return [value.decode("latin-1") for name, value in scope["headers"] if name.lower() in _CREDENTIALS]


def _address(scope: HTTPScope) -> str:
    client = scope.get("client")
    return client[0] if client else ""


async def _send(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
