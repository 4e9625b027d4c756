"""The Admin API described in OpenAPI: every route of the one table, by the code that answers it. Pure.

What a route reads is found in its code: the one shape of this room that it, or what it calls in its own module, names.
"""

import inspect
from collections.abc import Iterator, Mapping
from types import CodeType, FunctionType
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from keyhouse.admin.app import ROUTES
from keyhouse.admin.policy import POLICY
from keyhouse.admin.shapes import Json
from keyhouse.admin.upstreams import UpstreamFields
from keyhouse.admin.usage import KINDS
from keyhouse.core.written import WrittenModel
from keyhouse.wire.openapi import Route

ERRORS: Final = (400, 401, 403, 404, 405, 500, 503)
"""How any route may refuse: what is asked is wrong, who asks is, or may not, it is not there, or nothing works now."""

WRITING_ERRORS: Final = (408, 409, 413)
"""How a route with a body may refuse besides."""

_PAGE: Final = ("after", "limit")
_TIMES: Final = ("start_time", "end_time", "bucket_width", "limit", "page", "group_by[]")
_OF_CALLS: Final = ("project_ids[]", "user_ids[]", "api_key_ids[]", "models[]")
_IN_BOTH_ORDERS: Final = (
    *("list_roles", "list_project_roles", "list_groups", "list_group_users", "list_project_groups"),
    *("list_user_roles", "list_group_roles", "list_project_user_roles", "list_project_group_roles"),
)
_QUERIES: Final[Mapping[str, tuple[str, ...]]] = {
    "list_admin_keys": (*_PAGE, "order"),
    "list_projects": (*_PAGE, "include_archived"),
    "list_keys": (*_PAGE, "owner_project_access", "include_revoked"),
    "retrieve_key": ("include_revoked",),
    "list_users": (*_PAGE, "emails[]"),
    "list_project_users": _PAGE,
    **dict.fromkeys(_IN_BOTH_ORDERS, (*_PAGE, "order")),
    "retrieve_project_group": ("group_type",),
    "list_limits": (*_PAGE, "scope_type", "scope_id"),
    "list_rate_limits": (*_PAGE, "before"),
    "list_organization_spend_alerts": (*_PAGE, "before", "order"),
    "list_project_spend_alerts": (*_PAGE, "before", "order"),
    "list_audit_logs": (
        *_PAGE,
        "before",
        *(f"effective_at[{bound}]" for bound in ("gt", "gte", "lt", "lte")),
        *("project_ids[]", "event_types[]", "actor_ids[]", "actor_emails[]", "resource_ids[]", "tenant_only"),
    ),
    "list_calls": (
        *_PAGE,
        "start_time",
        "end_time",
        *_OF_CALLS,
        "upstreams[]",
        "endpoints[]",
        "states[]",
        "errors_only",
    ),
    "list_secrets": ("start_time",),
    "show_costs": (*_TIMES, *_OF_CALLS, "line_items[]"),
    **{f"show_{kind.path}": (*_TIMES, *_OF_CALLS) for kind in KINDS},
}
"""The parameters of routes by the names of their functions; lists without a row have those of a page."""

_REQUIRED: Final = frozenset({"start_time"})


def described() -> Iterator[Route]:
    """Every route of the Admin API, in the order of its table."""
    functions = {
        (method, path.replace(":str}", "}")): _function(route)
        for route in ROUTES
        for method in route.http_methods
        for path in route.paths
    }
    for method, path in POLICY:
        function = functions[method, path]
        name = function.__name__
        body = _body(function) if method == "POST" else None
        usual = _PAGE if method == "GET" and name.startswith("list_") else ()
        query = _QUERIES.get(name, usual)
        is_usage = name.startswith("show_")
        yield Route(
            method=method,
            path=path,
            name=name,
            tag=function.__module__.rpartition(".")[2].replace("_", " "),
            security="AdminApiKey",
            summary=(inspect.getdoc(function) or "").partition("\n")[0],
            query=query,
            required=_REQUIRED if is_usage else frozenset(),
            statuses=(200, *ERRORS, *(WRITING_ERRORS if method != "GET" else ())),
            body=None if body is None else body.__name__,
        )


def shapes() -> Json:
    """JSON Schema of what routes read, and of what that refers to, by name."""
    read = {_body(_function(route)) for route in ROUTES}
    _, components = msgspec.json.schema_components(
        [each for each in read if each is not None], ref_template="#/components/schemas/{name}"
    )
    return dict(sorted(components.items()))


def _function(route: Any) -> FunctionType:
    function: FunctionType = inspect.unwrap(getattr(route.fn, "value", route.fn))
    return function


def _body(function: FunctionType) -> type[msgspec.Struct] | None:
    """The shape that is read: named together with `read`, by the function or one that it calls in its module."""
    if function.__name__ in _CHANGES:
        return _CHANGES[function.__name__]
    seen: set[CodeType] = set()
    waiting = [function]
    while waiting:
        asked = waiting.pop()
        if asked.__code__ in seen:
            continue
        seen.add(asked.__code__)
        named = [asked.__globals__.get(name) for name in asked.__code__.co_names]
        if "read" in asked.__code__.co_names:
            for each in named:
                if isinstance(each, type) and issubclass(each, msgspec.Struct) and each.__module__.startswith(_ROOMS):
                    return each
        waiting += [each for each in named if isinstance(each, FunctionType) and each.__module__ == function.__module__]
    return None


def _part_of(shape: type[msgspec.Struct], name: str) -> type[msgspec.Struct]:
    """The shape of a change: any of these fields, none of them required."""
    fields = [(field.name, field.type | UnsetType, UNSET) for field in msgspec.structs.fields(shape)]
    return msgspec.defstruct(name, fields)


_ROOMS: Final = ("keyhouse.admin.", "keyhouse.core.written")
_CHANGES: Final[Mapping[str, type[msgspec.Struct]]] = {
    "update_upstream": _part_of(UpstreamFields, "UpstreamChange"),
    "update_model": _part_of(WrittenModel, "ModelChange"),
}
"""What routes read that take any part of something that is written whole, by the names of their functions."""
