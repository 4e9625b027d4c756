"""The gateway's addresses, described in OpenAPI: those of its table, of one model, of kept responses, of sockets."""

from collections.abc import Iterator
from typing import Final

import msgspec

from keyhouse.gateway import children, leaks, realtime_opening
from keyhouse.gateway.endpoints import BATCHES_PATH, DIALECTS, ENDPOINTS, MODEL_PATH
from keyhouse.gateway.passed import PASSED
from keyhouse.gateway.sockets import SOCKETS
from keyhouse.gateway.stored import RESPONSES_PATH, VERBS
from keyhouse.gateway.summaries import SUMMARIES
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
        tag=path.split("/")[2].replace("_", " "),
        summary=SUMMARIES[method, path],
        statuses=_LEAK_STATUSES if path == leaks.PATH else _STATUSES,
        security=None if path == leaks.PATH else "ApiKey",
        query=query,
        body=body,
        takes_form=takes_form,
        media_type=media_type,
        error=ANTHROPIC_ERROR if DIALECTS.get(path) is ANTHROPIC else "Error",
    )
