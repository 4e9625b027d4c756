"""What the API is: `/openapi.json` for machines, `/docs` for people. The same for everyone, and no key is asked for."""

from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar import Response, get

from keyhouse.console.doorway import Visit
from keyhouse.console.pages import pages_of
from keyhouse.wire.openapi import by_tag

_KEYS: Final = {"ApiKey": "Takes an API key.", "AdminApiKey": "Takes an admin key.", "": "Takes no key."}
_PARTS: Final = {"ApiKey": ("models", "Call models"), "AdminApiKey": ("admin", "Administer"), "": ("all", "For anyone")}
"""By the key that their routes take: the parts of the page, in this order."""


class Field(msgspec.Struct, frozen=True):
    """A parameter, or a field of a body, and what it may be."""

    name: str
    kind: str
    is_required: bool
    place: str = "body"


class Part(msgspec.Struct, frozen=True):
    """What takes one kind of key, by resource."""

    id: str
    title: str
    groups: tuple[tuple[str, tuple["Operation", ...]], ...]


class Operation(msgspec.Struct, frozen=True):
    """One method and path, as the page shows it."""

    name: str
    method: str
    path: str
    summary: str
    key: str
    fields: tuple[Field, ...]
    has_open_body: bool
    answers: tuple[tuple[str, str], ...]


@get("/openapi.json")
async def show_description(request: Visit) -> Response[Any]:
    """The whole API in OpenAPI."""
    return Response(msgspec.json.encode(pages_of(request).desk.reference), media_type="application/json")


@get("/docs")
async def show_reference(request: Visit) -> Response[Any]:
    """The same as a page, without a script of its own."""
    pages = pages_of(request)
    described = pages.desk.reference
    shapes = described["components"]["schemas"]
    groups = by_tag(described)
    parts = [_part(key, groups, shapes) for key in _PARTS]
    return pages.bare("reference/reference.html", status=HTTPStatus.OK, parts=parts)


def _part(key: str, groups: Any, shapes: Any) -> Part:
    chosen = [(tag, tuple(read_operation(one, shapes) for one in found if key_of(one) == key)) for tag, found in groups]
    return Part(*_PARTS[key], tuple((tag, found) for tag, found in chosen if found))


def key_of(found: Any) -> str:
    """The kind of key that an operation takes, empty for none."""
    return next((name for each in found["security"] for name in each), "")


def read_operation(found: Any, shapes: Any) -> Operation:
    """An operation of the description, with its method and path, as the page shows it."""
    fields = [
        Field(each["name"], kind_of(each["schema"]), each["required"], each["in"]) for each in found["parameters"]
    ]
    body, has_open_body = found.get("requestBody"), False
    if body is not None:
        (content,) = body["content"].values()
        name = content["schema"].get("$ref", "").rpartition("/")[2]
        shape, has_open_body = shapes.get(name, {}), not name
        required = shape.get("required", ())
        fields += [Field(name, kind_of(each), name in required) for name, each in shape.get("properties", {}).items()]
    return Operation(
        name=found["operationId"],
        method=found["method"],
        path=found["path"],
        summary=found["summary"],
        key=_KEYS[key_of(found)],
        fields=tuple(fields),
        has_open_body=has_open_body,
        answers=tuple((status, each["description"]) for status, each in found["responses"].items()),
    )


def kind_of(schema: Any) -> str:
    """The type of a field in words: `string or null`, `array of Scope`."""
    if "anyOf" in schema:
        return " or ".join(kind_of(each) for each in schema["anyOf"])
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "enum" in schema:
        return " or ".join(map(str, schema["enum"]))
    kind = schema.get("type", "anything")
    if isinstance(kind, list):
        return " or ".join(kind)
    return f"array of {kind_of(schema['items'])}" if kind == "array" and schema.get("items") else str(kind)
