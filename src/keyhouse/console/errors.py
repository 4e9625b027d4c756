"""Refusals and faults as pages: what happened, to which object, what to do next."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import structlog
from litestar import Response
from litestar.exceptions import HTTPException
from litestar.response import Redirect
from litestar.status_codes import HTTP_303_SEE_OTHER

from keyhouse.console.doorway import Visit
from keyhouse.console.pages import Pages
from keyhouse.console.policy import HOME, POLICY
from keyhouse.core.errors import Code, Refusal

_STATUS: Final[Mapping[Code, int]] = {
    Code.BODY_TIMEOUT: HTTPStatus.REQUEST_TIMEOUT,
    Code.CONFLICT: HTTPStatus.CONFLICT,
    Code.CROSS_SITE: HTTPStatus.FORBIDDEN,
    Code.LEDGER_UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    Code.NOT_FOUND: HTTPStatus.NOT_FOUND,
    Code.NOT_PERMITTED: HTTPStatus.FORBIDDEN,
    Code.PARAMETER_INVALID: HTTPStatus.BAD_REQUEST,
    Code.SETUP_DONE: HTTPStatus.GONE,
    Code.SETUP_LINK_INVALID: HTTPStatus.GONE,
    Code.INVITE_INVALID: HTTPStatus.GONE,
    Code.RESET_LINK_INVALID: HTTPStatus.GONE,
    Code.SIGN_IN_THROTTLED: HTTPStatus.TOO_MANY_REQUESTS,
}
_WORDS: Final = {
    HTTPStatus.NOT_FOUND: ("This page is not here", "The address is wrong, or what it named is gone."),
    HTTPStatus.METHOD_NOT_ALLOWED: ("This page is not here", "The address is wrong, or what it named is gone."),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ("The form is too large", "Nothing was changed. Shorten what you typed."),
}
_FAULT: Final = ("Keyhouse made a mistake", "Nothing more is known here; the server's log has the rest. Try it again.")


class Errors:
    """The exception handlers of the console."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._log = structlog.get_logger("keyhouse.console")

    def refused(self, request: Visit, refusal: Refusal) -> Response[Any]:
        """The answer to a refusal that no page took for its own."""
        if refusal.code is Code.SESSION_REQUIRED:
            return to_sign_in(request)
        if refusal.code is Code.PROOF_REQUIRED:
            return _to_confirm(request)
        status = _STATUS.get(refusal.code, HTTPStatus.INTERNAL_SERVER_ERROR)
        if status == HTTPStatus.INTERNAL_SERVER_ERROR or refusal.internal:
            self._log.warning("console_refusal", code=str(refusal.code), internal=refusal.internal)
        page = self._page(request, status, refusal.message, refusal.hint)
        if refusal.retry_after_ms is not None:
            page.headers["retry-after"] = str(-(-refusal.retry_after_ms // 1_000))
        return page

    def wrong_request(self, request: Visit, fault: HTTPException) -> Response[Any]:
        """The answer to what is no page, or no request to one."""
        if fault.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return self.failed(request, fault)
        title, text = _WORDS.get(
            HTTPStatus(fault.status_code), ("This does not work", "The request was not understood.")
        )
        return self._page(request, fault.status_code, title, text)

    def failed(self, request: Visit, fault: Exception) -> Response[Any]:
        """The answer to a mistake of ours; the log has the traceback, the page has not."""
        self._log.error("console_fault", path=request.scope.get("path_template", ""), exc_info=fault)
        return self._page(request, HTTPStatus.INTERNAL_SERVER_ERROR, *_FAULT)

    def _page(self, request: Visit, status: int, title: str, text: str) -> Response[str]:
        template = "error_in_place.html" if is_partial(request) else "error.html"
        return self._pages.bare(template, status=status, title=title, text=text)


def is_partial(request: Visit) -> bool:
    """Whether htmx asks, which puts a part of the answer into the page that is open."""
    return "hx-request" in request.headers


def _to_confirm(request: Visit) -> Response[Any]:
    """Lead to where the password is asked for, and from there back to the page, or to the one of what was sent."""
    target = f"/confirm?next={quote(_page_of(request), safe='/')}"
    if is_partial(request):
        return Response("", status_code=HTTPStatus.OK, headers={"hx-redirect": target})
    return Redirect(target, status_code=HTTP_303_SEE_OTHER)


def _page_of(request: Visit) -> str:
    """The path of the page that was asked for, or of the nearest one above what was sent."""
    path, template = request.scope["path"], request.scope["path_template"]
    while template and ("GET", template) not in POLICY:
        path, template = path.rpartition("/")[0], template.rpartition("/")[0]
    return path or HOME


def to_sign_in(request: Visit) -> Response[Any]:
    """Lead to sign-in, and from there back to the page that was asked for."""
    path = request.scope["path"] if request.method == "GET" else HOME
    target = "/sign-in" if path == "/" else f"/sign-in?next={quote(path, safe='/')}"
    if is_partial(request):
        return Response("", status_code=HTTPStatus.OK, headers={"hx-redirect": "/sign-in"})
    return Redirect(target, status_code=HTTP_303_SEE_OTHER)
