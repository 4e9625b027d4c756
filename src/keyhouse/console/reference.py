"""What the API is: `/openapi.json` for machines, `/docs` for people. The same for everyone, and no key is asked for."""

from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar import Response, get

from keyhouse.console.doorway import Visit
from keyhouse.console.pages import pages_of
from keyhouse.wire.openapi import by_tag

_KEYS: Final = {"ApiKey": "Takes an API key.", "AdminApiKey": "Takes an admin key."}


class Field(msgspec.Struct, frozen=True):
    """A parameter, or a field of a body, and what it may be."""

    name: str
    kind: str
    is_required: bool
    place: str = "body"


class Operation(msgspec.Struct, frozen=True):
    """One method and path, as the page shows it."""

    name: str
    method: str
    path: str
    summary: str
    key: str
    fields: tuple[Field, ...]
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
    groups = [(tag, [read_operation(each, shapes) for each in found]) for tag, found in by_tag(described)]
    return pages.bare("reference/reference.html", status=HTTPStatus.OK, groups=groups)


def read_operation(found: Any, shapes: Any) -> Operation:
    """An operation of the description, with its method and path, as the page shows it."""
    fields = [
        Field(each["name"], kind_of(each["schema"]), each["required"], each["in"]) for each in found["parameters"]
    ]
    body = found.get("requestBody")
    if body is not None:
        (content,) = body["content"].values()
        name = content["schema"].get("$ref", "").rpartition("/")[2]
        shape = shapes.get(name, {})
        required = shape.get("required", ())
        fields += [Field(name, kind_of(each), name in required) for name, each in shape.get("properties", {}).items()]
    keys = [name for each in found["security"] for name in each]
    return Operation(
        name=found["operationId"],
        method=found["method"],
        path=found["path"],
        summary=found["summary"],
        key=_KEYS[keys[0]] if keys else "Takes no key.",
        fields=tuple(fields),
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
