"""Builds the Admin API: the door, and behind it every route, each guarded by the one table."""

from http import HTTPStatus
from typing import Any, Final, cast

import structlog
from litestar import Litestar, Response
from litestar.connection import ASGIConnection
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.handlers.base import BaseRouteHandler
from litestar.routes import HTTPRoute
from litestar.types import ASGIApp, Guard

from keyhouse.admin import (
    admin_keys,
    assignments,
    audit,
    calls,
    groups,
    invites,
    key_secrets,
    keys,
    limits,
    model_permissions,
    policies,
    projects,
    rate_limits,
    roles,
    served_models,
    service_accounts,
    spend_alerts,
    spend_limits,
    upstreams,
    usage,
    users,
)
from keyhouse.admin.absent import feature_at
from keyhouse.admin.bodies import BODY_BYTES_MAX
from keyhouse.admin.door import Door, Visit, actor_of, broken, request_id_of
from keyhouse.admin.office import Office, TheOffice
from keyhouse.admin.policy import authorize, methods_at, refuse_other_routes
from keyhouse.admin.shapes import Json
from keyhouse.control.grantors import Lacking
from keyhouse.core.errors import Code, Refusal
from keyhouse.wire.errors import answer

ROUTES: Final = (
    admin_keys.list_admin_keys,
    admin_keys.create_admin_key,
    admin_keys.retrieve_admin_key,
    admin_keys.delete_admin_key,
    policies.retrieve_policies,
    policies.update_policies,
    projects.list_projects,
    projects.create_project,
    projects.retrieve_project,
    projects.update_project,
    projects.archive_project,
    keys.list_keys,
    keys.create_key,
    keys.retrieve_key,
    keys.update_key,
    keys.delete_key,
    key_secrets.rotate_key,
    key_secrets.extend_previous_secret,
    key_secrets.end_previous_secret,
    key_secrets.list_secrets,
    keys.disable_key,
    keys.enable_key,
    service_accounts.list_service_accounts,
    service_accounts.create_service_account,
    service_accounts.retrieve_service_account,
    service_accounts.update_service_account,
    service_accounts.delete_service_account,
    service_accounts.create_service_account_key,
    limits.list_limits,
    limits.set_limit,
    limits.retrieve_limit,
    limits.delete_limit,
    rate_limits.list_rate_limits,
    rate_limits.update_rate_limit,
    spend_limits.retrieve_organization_spend_limit,
    spend_limits.update_organization_spend_limit,
    spend_limits.delete_organization_spend_limit,
    spend_limits.retrieve_project_spend_limit,
    spend_limits.update_project_spend_limit,
    spend_limits.delete_project_spend_limit,
    upstreams.list_upstreams,
    upstreams.create_upstream,
    upstreams.retrieve_upstream,
    upstreams.update_upstream,
    upstreams.delete_upstream,
    upstreams.try_upstream,
    served_models.list_models,
    served_models.create_model,
    served_models.retrieve_model,
    served_models.update_model,
    served_models.delete_model,
    spend_alerts.list_organization_spend_alerts,
    spend_alerts.create_organization_spend_alert,
    spend_alerts.retrieve_organization_spend_alert,
    spend_alerts.update_organization_spend_alert,
    spend_alerts.delete_organization_spend_alert,
    spend_alerts.list_project_spend_alerts,
    spend_alerts.create_project_spend_alert,
    spend_alerts.retrieve_project_spend_alert,
    spend_alerts.update_project_spend_alert,
    spend_alerts.delete_project_spend_alert,
    model_permissions.retrieve_model_permissions,
    model_permissions.update_model_permissions,
    model_permissions.delete_model_permissions,
    audit.list_audit_logs,
    audit.verify_audit_logs,
    calls.list_calls,
    calls.retrieve_call,
    *invites.ROUTES,
    *users.ROUTES,
    *roles.ROUTES,
    *groups.ROUTES,
    *assignments.ROUTES,
    *usage.ROUTES,
)

_WRONG: Final = {
    HTTPStatus.NOT_FOUND: (Code.ENDPOINT_UNKNOWN, "There is nothing at this address", "Check the method and the path."),
    HTTPStatus.METHOD_NOT_ALLOWED: (
        Code.METHOD_NOT_ALLOWED,
        "This address does not take this method",
        "See the API's reference.",
    ),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: (
        Code.BODY_TOO_LARGE,
        "The body is too large",
        f"It may have at most {BODY_BYTES_MAX} bytes.",
    ),
}


def build(office: Office, routes: tuple[Any, ...] = ROUTES) -> ASGIApp:
    """The Admin API as an ASGI app without lifespan work of its own.

    Raises ValueError where a route has no policy, or a policy no route.
    """
    inner = Litestar(
        route_handlers=list(routes),
        dependencies={"office": Provide(lambda: office, sync_to_thread=False)},
        guards=[_guard(office)],
        exception_handlers={Refusal: _refused, HTTPException: _wrong_request, Exception: _failed},
        request_max_body_size=BODY_BYTES_MAX,
        openapi_config=None,
        logging_config=None,
        signature_namespace={"Visit": Visit, "TheOffice": TheOffice, "Json": Json},
    )
    refuse_other_routes(
        {
            (str(method), route.path_format)
            for route in inner.routes
            if isinstance(route, HTTPRoute)
            for method in route.methods
            if method != "OPTIONS"  # answered by no route: the guard finds it in no table
        }
    )
    return Door(office, inner)


def _guard(office: Office) -> Guard:
    """The guard of every route; it can only raise."""

    async def admit(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
        request = cast("Visit", connection)
        project_id = request.path_params.get("project_id")
        try:
            authorize(actor_of(request), request.method, request.scope["path_template"], project_id)
        except Lacking as lacking:
            raise await office.naming_owners(lacking) from None

    return admit


def _refused(request: Visit, refusal: Refusal) -> Response[bytes]:
    status, headers, body = answer(refusal, request_id_of(request))
    if refusal.internal:
        structlog.get_logger("keyhouse.admin").warning(
            "admin_refusal", code=str(refusal.code), internal=refusal.internal, request_id=request_id_of(request)
        )
    response = Response(body, status_code=status, media_type="application/json")
    for name, value in headers:
        if name.lower() not in (b"content-type", b"content-length"):
            response.set_header(name.decode("latin-1"), value.decode("latin-1"))
    return response


def _wrong_request(request: Visit, fault: HTTPException) -> Response[bytes]:
    wrong = _WRONG.get(HTTPStatus(fault.status_code))
    if wrong is None:
        return _failed(request, fault)
    code, message, hint = wrong
    feature = feature_at(request.scope["path"])
    if feature is not None:
        code, message = Code.ENDPOINT_UNKNOWN, f"Keyhouse has no {feature}"
    path = request.scope["path"]
    facts = {"allow": methods_at(path)} if code is Code.METHOD_NOT_ALLOWED else {}
    return _refused(request, Refusal(code, f"{message} ({request.method} {path[:200]}).", hint=hint, facts=facts))


def _failed(request: Visit, fault: Exception) -> Response[bytes]:
    """A mistake of ours: the log has the traceback, the answer only the request's id."""
    request_id = request_id_of(request)
    structlog.get_logger("keyhouse.admin").error("admin_fault", request_id=request_id, exc_info=fault)
    return _refused(request, broken(request_id))
