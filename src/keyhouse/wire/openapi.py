"""A description of the whole HTTP API in OpenAPI 3.1, from what each door says of its routes. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

Json = dict[str, Any]

JSON_TYPE: Final = "application/json"
TEXT_TYPE: Final = "text/plain"
FORM_TYPE: Final = "multipart/form-data"


class Route(msgspec.Struct, frozen=True):
    """One method and path, as it is described.

    `body` is the name of the shape it reads, empty for an object of any kind, None if it reads none; with `takes_form`
    it is a form with a file. `security` names the kind of key it takes, None for none. The first of `statuses` is what
    it answers if all is well, in `media_type`; what refuses is an `error`: in OpenAI's shape, or Anthropic's.
    """

    method: str
    path: str
    name: str
    tag: str
    summary: str
    statuses: tuple[int, ...]
    security: str | None = None
    query: tuple[str, ...] = ()
    required: frozenset[str] = frozenset()
    body: str | None = None
    takes_form: bool = False
    media_type: str = JSON_TYPE
    error: str = "Error"


SWITCHED: Final = 101
"""The connection has become a WebSocket: what is said on it, OpenAPI cannot describe."""

_SILENT: Final = (SWITCHED, 204)

_WORDS: Final[Mapping[int, str]] = {
    101: "The connection has become a WebSocket.",
    200: "It is done.",
    204: "It is done, and there is nothing to say.",
    400: "What was sent cannot be read, or is not allowed.",
    401: "No key was sent, or none that is alive and of the right kind.",
    403: "Whoever asks may not do this.",
    404: "There is nothing of this kind here, or nothing that may be seen.",
    405: "This address does not take this method.",
    408: "The body did not come in time.",
    409: "It cannot be done as things stand.",
    413: "The body is too large.",
    429: "A limit is full, or too much is asked for at once.",
    500: "Keyhouse made a mistake.",
    502: "The upstream failed.",
    503: "It cannot be done right now, and may be in a moment.",
    504: "The upstream did not answer in time.",
}

_ERROR: Final[Json] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
                "reason": {"type": "string"},
            },
        }
    },
}


ANTHROPIC_ERROR: Final = "AnthropicError"
_ANTHROPIC_ERROR: Final[Json] = {
    "type": "object",
    "required": ["type", "error"],
    "properties": {
        "type": {"type": "string"},
        "error": {
            "type": "object",
            "required": ["type", "message"],
            "properties": {
                "type": {"type": "string"},
                "message": {"type": "string"},
                "reason": {"type": "string"},
            },
        },
    },
}


def document(version: str, routes: Iterable[Route], shapes: Mapping[str, Json]) -> Json:
    """The description. `shapes` are the JSON Schemas of the bodies, and what they refer to, by name."""
    paths: dict[str, Json] = {}
    tags: dict[str, None] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
        tags[route.tag] = None
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Keyhouse",
            "version": version,
            "description": "OpenAI's API for models, and its Admin API, for your own organization.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in tags],
        "paths": paths,
        "components": {
            "schemas": {"Error": _ERROR, ANTHROPIC_ERROR: _ANTHROPIC_ERROR, **shapes},
            "securitySchemes": {
                "ApiKey": {"type": "http", "scheme": "bearer", "description": "An API key: it calls models."},
                "AdminApiKey": {"type": "http", "scheme": "bearer", "description": "An admin key: it administers."},
            },
        },
    }


def _operation(route: Route) -> Json:
    operation: Json = {
        "operationId": route.name,
        "summary": route.summary,
        "tags": [route.tag],
        "parameters": [*_in_path(route.path), *_in_query(route)],
        "responses": {str(status): _response(status, route) for status in route.statuses},
        "security": [] if route.security is None else [{route.security: []}],
    }
    if route.body is not None:
        schema = {"$ref": f"#/components/schemas/{route.body}"} if route.body else {"type": "object"}
        operation["requestBody"] = {"content": {FORM_TYPE if route.takes_form else JSON_TYPE: {"schema": schema}}}
    return operation


def _in_path(path: str) -> list[Json]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    schema = {"type": "string", "minLength": 1}
    return [{"name": name, "in": "path", "required": True, "schema": schema} for name in names]


def _in_query(route: Route) -> list[Json]:
    return [
        {"name": name, "in": "query", "required": name in route.required, "schema": _query_schema(name)}
        for name in route.query
    ]


def _query_schema(name: str) -> Json:
    if name.endswith("[]"):
        return {"type": "array", "items": {"type": "string"}}
    return {"type": "integer"} if name in _NUMBERS or name.startswith("effective_at") else {"type": "string"}


_NUMBERS: Final = frozenset({"limit", "start_time", "end_time"})


def _response(status: int, route: Route) -> Json:
    is_well = status == route.statuses[0]
    if status in _SILENT:
        return {"description": _WORDS[status]}
    if route.media_type != JSON_TYPE and (is_well or route.security is None):
        return {"description": _WORDS[status], "content": {route.media_type: {"schema": {"type": "string"}}}}
    schema: Json = {"type": "object"} if is_well else {"$ref": f"#/components/schemas/{route.error}"}
    return {"description": _WORDS[status], "content": {JSON_TYPE: {"schema": schema}}}


def by_tag(described: Mapping[str, Any]) -> Sequence[tuple[str, list[Json]]]:
    """The operations of a description for people to read: tag by tag, each with its method and path."""
    found: dict[str, list[Json]] = {tag["name"]: [] for tag in described["tags"]}
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            found[operation["tags"][0]].append({"method": method.upper(), "path": path, **operation})
    return list(found.items())
