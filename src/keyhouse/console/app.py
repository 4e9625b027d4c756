"""Builds the console: every route, guarded by the one table, with the same headers on every answer."""

from http import HTTPStatus
from typing import Any, Final

from litestar import Litestar, Response, get
from litestar.datastructures import State
from litestar.exceptions import HTTPException, NotFoundException
from litestar.params import FromPath
from litestar.routes import HTTPRoute
from litestar.types import ASGIApp

from keyhouse.console import (
    account,
    admin_keys,
    audit_log,
    calls,
    costs,
    groups,
    help_page,
    hygiene,
    invite,
    invite_changes,
    key_changes,
    key_edit,
    key_page,
    key_policies,
    keys,
    ledger_page,
    limit_changes,
    limits,
    member_changes,
    member_page,
    members,
    new_password,
    organization,
    own_account,
    performance,
    playground,
    project_groups,
    project_page,
    project_roles,
    projects,
    proof,
    quickstart,
    reference,
    roles,
    served_models,
    upstreams,
    usage,
)
from keyhouse.console.assets import Assets, load_assets
from keyhouse.console.desk import Desk
from keyhouse.console.doorway import FORM_BYTES_MAX, Visit, guard
from keyhouse.console.errors import Errors
from keyhouse.console.headers import protect
from keyhouse.console.pages import Pages
from keyhouse.console.policy import POLICY
from keyhouse.core.errors import Refusal

_FOREVER: Final = "public, max-age=31536000, immutable"
_FAVICON: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><path fill="#2b50dc" d="M10.6 2.5a2.3 2.3 0 0 1 2.8 0'
    "l7 5.35A2.3 2.3 0 0 1 21.3 9.7V19.2a2.3 2.3 0 0 1-2.3 2.3H14.75l-1.15-6.2a3.1 3.1 0 1 0-3.2 0L9.25 21.5H5a2.3 2.3"
    ' 0 0 1-2.3-2.3V9.7c0-.73.34-1.4.9-1.85z"/></svg>'
)
_ROUTES: Final = (
    account.front_door,
    account.show_waiting,
    account.print_new_link,
    account.show_set_up,
    account.set_up,
    account.show_sign_in,
    account.sign_in,
    account.sign_out,
    account.switch_organization,
    proof.show_confirm,
    proof.confirm,
    invite.show_invite,
    invite.accept_invite,
    keys.show_keys,
    key_page.show_key,
    key_edit.show_edit,
    key_edit.edit_key,
    calls.show_calls,
    calls.show_call,
    key_changes.show_create,
    key_changes.create_key,
    key_changes.show_rotate,
    key_changes.rotate_key,
    key_changes.show_end_old_secret,
    key_changes.end_old_secret,
    key_changes.extend_old_secret,
    key_changes.disable_key,
    key_changes.enable_key,
    key_changes.show_revoke,
    key_changes.revoke_key,
    usage.show_usage,
    usage.download_usage,
    hygiene.show_hygiene,
    admin_keys.show_admin_keys,
    admin_keys.show_new_admin_key,
    admin_keys.create_admin_key,
    admin_keys.show_revoke_admin_key,
    admin_keys.revoke_admin_key,
    audit_log.show_audit_log,
    audit_log.check_audit_log,
    help_page.show_help,
    help_page.inspect_key,
    playground.show_playground,
    playground.ask_without_script,
    playground.ask,
    playground.show_figures,
    quickstart.show_quickstart,
    performance.show_performance,
    performance.download_performance,
    costs.show_costs,
    costs.download_costs,
    costs.show_statement,
    costs.download_statement,
    limits.show_limits,
    limits.show_replay,
    limit_changes.show_set,
    limit_changes.set_limit,
    limit_changes.show_change,
    limit_changes.change_limit,
    limit_changes.show_delete,
    limit_changes.delete_limit,
    members.show_members,
    invite_changes.show_invite_form,
    invite_changes.invite_someone,
    invite_changes.renew_invite,
    invite_changes.show_take_back,
    invite_changes.take_back_invite,
    member_page.show_person,
    member_changes.change_role,
    member_changes.join_project,
    member_changes.change_project_role,
    member_changes.leave_project,
    member_changes.give_role,
    member_changes.take_role,
    member_changes.show_remove,
    member_changes.remove_person,
    new_password.show_forgotten,
    new_password.show_new_password,
    new_password.choose_password,
    new_password.make_reset_link,
    own_account.show_account,
    own_account.change_name,
    own_account.change_password,
    own_account.end_other_sessions,
    own_account.end_all_sessions,
    own_account.end_session,
    organization.show_organization,
    organization.change_organization,
    projects.show_projects,
    projects.show_new_project,
    projects.create_project,
    project_page.show_project,
    projects.rename_project,
    projects.allow_models,
    projects.add_to_project,
    projects.show_archive,
    projects.archive_project,
    project_roles.show_new_project_role,
    project_roles.create_project_role,
    project_roles.show_edit_project_role,
    project_roles.edit_project_role,
    project_roles.show_delete_project_role,
    project_roles.delete_project_role,
    project_roles.give_project_role,
    project_roles.take_project_role,
    project_groups.give_project_role_to_group,
    project_groups.take_project_role_from_group,
    key_policies.show_policies,
    key_policies.change_policies,
    upstreams.show_upstreams,
    upstreams.show_new_upstream,
    upstreams.create_upstream,
    upstreams.show_edit_upstream,
    upstreams.edit_upstream,
    upstreams.test_upstream,
    upstreams.show_delete_upstream,
    upstreams.delete_upstream,
    served_models.show_models,
    served_models.show_new_model,
    served_models.create_model,
    served_models.show_edit_model,
    served_models.edit_model,
    served_models.show_delete_model,
    served_models.delete_model,
    ledger_page.show_ledger,
    ledger_page.verify_ledger,
    groups.show_groups,
    groups.show_new_group,
    groups.create_group,
    groups.show_group,
    groups.rename_group,
    groups.add_person,
    groups.remove_from_group,
    groups.give_group_role,
    groups.take_group_role,
    groups.show_delete_group,
    groups.delete_group,
    roles.show_roles,
    roles.show_new_role,
    roles.create_role,
    roles.show_edit_role,
    roles.edit_role,
    roles.show_delete_role,
    roles.delete_role,
    reference.show_reference,
    reference.show_description,
)


def build(desk: Desk) -> ASGIApp:
    """The console as an ASGI app without lifespan work of its own.

    Raises FileNotFoundError where the pages' files are not built, and ValueError where a route has no policy.
    """
    assets = load_assets()
    pages = Pages(desk, assets)
    errors = Errors(pages)
    app = Litestar(
        route_handlers=[*_ROUTES, show_file, show_favicon],
        state=State({"pages": pages, "assets": assets}),
        guards=[guard(desk)],
        before_send=[protect],
        exception_handlers={
            Refusal: errors.refused,
            HTTPException: errors.wrong_request,
            Exception: errors.failed,
        },
        request_max_body_size=FORM_BYTES_MAX,
        openapi_config=None,
        logging_config=None,
        signature_namespace={"Visit": Visit, "Response": Response},
    )
    refuse_routes_without_policy(app)
    return app


def refuse_routes_without_policy(app: Litestar) -> None:
    """Raise ValueError unless routes and policies are the same set."""
    routes = {
        (str(method), route.path_format)
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for method in route.methods
        if method not in {"OPTIONS", "HEAD"}
    }
    if unequal := routes ^ set(POLICY):
        raise ValueError(f"routes and policies differ: {sorted(unequal)}")


@get("/static/{path:path}")
async def show_file(request: Visit, path: FromPath[str]) -> Response[Any]:
    """One of the pages' files."""
    assets: Assets = request.app.state.assets
    asset = assets.by_path.get(path.lstrip("/"))
    if asset is None:
        raise NotFoundException
    headers = {"cache-control": _FOREVER, "etag": asset.etag, "vary": "accept-encoding"}
    if request.headers.get("if-none-match") == asset.etag:
        return Response(b"", status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    content = asset.content
    if asset.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        content = asset.packed
        headers["content-encoding"] = "gzip"
    return Response(content, media_type=asset.media_type, headers=headers)


@get("/favicon.svg")
async def show_favicon() -> Response[Any]:
    """The house."""
    return Response(_FAVICON, media_type="image/svg+xml", headers={"cache-control": "public, max-age=86400"})
