"""The gateway's addresses, described in OpenAPI: those of its table, of one model, of kept responses, of sockets."""

from collections.abc import Iterator
from typing import Final

import msgspec

from keyhouse.gateway import children, leaks, realtime_opening, responses_socket
from keyhouse.gateway.endpoints import BATCHES_PATH, DIALECTS, ENDPOINTS, MODEL_PATH
from keyhouse.gateway.passed import PASSED
from keyhouse.gateway.sockets import SOCKETS
from keyhouse.gateway.stored import RESPONSES_PATH, VERBS
from keyhouse.wire.messages_errors import ANTHROPIC
from keyhouse.wire.openapi import ANTHROPIC_ERROR, JSON_TYPE, SWITCHED, Route

_STATUSES: Final = (200, 400, 401, 403, 404, 405, 408, 413, 429, 500, 502, 503, 504)
"""How a call may be answered. What else an upstream says passes through with its own status."""


_LEAK_STATUSES: Final = (204, 400, 401, 403, 404, 405, 408, 413, 429, 500, 503)
"""A report is taken without a word, whatever was in it."""

_SOCKET_STATUSES: Final = (SWITCHED, 400, 401, 403, 404, 405, 429, 500, 502, 503)
"""Before there is a socket it is a request like any other."""


def described() -> Iterator[Route]:
    """Every address of the gateway."""
    for path, (method, _) in ENDPOINTS.items():
        yield _route(method, path, body="" if method == "POST" else None)
    yield _route("GET", f"{MODEL_PATH}{{model}}")
    for tail, verbs in VERBS.items():
        for verb in verbs:
            path = f"{RESPONSES_PATH}{{response_id}}" + (f"/{tail}" if tail else "")
            yield _route(verb.method, path, query=tuple(sorted(verb.query)))
    yield _route("POST", BATCHES_PATH, body="")
    yield _route("GET", children.PATH)
    yield _route("POST", children.PATH, body="")
    yield _route("DELETE", f"{children.PATH}/{{child_id}}")
    for passed in PASSED:
        yield _route(
            passed.method,
            f"/v1{passed.path}",
            body="" if passed.method == "POST" else None,
            query=tuple(sorted(passed.query)),
            takes_form=passed.takes_form,
            media_type="application/octet-stream" if passed.in_pieces else JSON_TYPE,
        )
    for path in SOCKETS:
        query = ("intent", "model") if path == realtime_opening.PATH else ()
        yield msgspec.structs.replace(_route("GET", path, query=query), statuses=_SOCKET_STATUSES)


def _route(
    method: str,
    path: str,
    *,
    body: str | None = None,
    query: tuple[str, ...] = (),
    takes_form: bool = False,
    media_type: str = JSON_TYPE,
) -> Route:
    words = ["one" if part.startswith("{") else part for part in path.split("/")[2:]]
    return Route(
        method=method,
        path=path,
        name=f"{method.lower()}_{'_'.join(words)}".replace("-", "_"),
        tag="models",
        summary=_SUMMARIES.get((method, path), "OpenAI's, as it is there."),
        statuses=_LEAK_STATUSES if path == leaks.PATH else _STATUSES,
        security=None if path == leaks.PATH else "ApiKey",
        query=query,
        body=body,
        takes_form=takes_form,
        media_type=media_type,
        error=ANTHROPIC_ERROR if DIALECTS.get(path) is ANTHROPIC else "Error",
    )


_SUMMARIES: Final = {
    ("POST", "/v1/messages"): "Anthropic's Messages, as they are there.",
    ("POST", "/v1/messages/count_tokens"): "How many tokens a prompt of Anthropic's is.",
    ("GET", children.PATH): "The living child keys of this key.",
    (
        "POST",
        children.PATH,
    ): "A child key, for a short time. Its secret is in this answer only.",
    ("DELETE", f"{children.PATH}/{{child_id}}"): "Revoke a child key.",
    ("POST", leaks.PATH): "Secrets that were found where they should not be, in GitHub's partner form.",
    ("POST", "/v1/keys/verify"): "Whether a key is alive, may do this, and has room in its limits.",
    ("GET", "/v1/models"): "The models that this key may use.",
    ("GET", realtime_opening.PATH): "OpenAI's Realtime, on a WebSocket: this request asks for one.",
    ("GET", responses_socket.PATH): "Responses on a WebSocket: this request asks for one.",
    ("GET", f"{MODEL_PATH}{{model}}"): "One of the models that this key may use.",
}
