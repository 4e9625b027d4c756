"""The addresses at which the gateway takes WebSockets."""

from collections.abc import Awaitable, Callable
from typing import Final

from keyhouse.core.errors import Code, Refusal
from keyhouse.gateway import realtime, realtime_opening, responses_socket
from keyhouse.gateway.client_socket import ClientSocket
from keyhouse.gateway.house import House

SOCKETS: Final[dict[str, Callable[[ClientSocket, House], Awaitable[None]]]] = {
    realtime_opening.PATH: realtime.serve_realtime,
    responses_socket.PATH: responses_socket.serve_responses,
}


def find_socket(raw_path: bytes) -> Callable[[ClientSocket, House], Awaitable[None]]:
    """What serves a socket at this path, as it was sent. Raises Refusal for any other."""
    path = raw_path.decode("latin-1")
    serve = SOCKETS.get(path)
    if serve is None:
        raise Refusal(
            Code.ENDPOINT_UNKNOWN,
            f"No WebSocket is taken at {path[:200]}.",
            hint=f"They are at {' and '.join(SOCKETS)}.",
        )
    return serve
