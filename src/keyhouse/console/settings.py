"""The shell of the settings, with a menu of its own."""

from http import HTTPStatus
from typing import Any, Final

import msgspec
from litestar import Response

from keyhouse.console.doorway import Visit, session_of
from keyhouse.console.pages import pages_of
from keyhouse.control.authority import Task
from keyhouse.identity.sessions import Session

HERE: Final = "/settings/account"
"""Where the menu of all pages leads."""


class Section(msgspec.Struct, frozen=True):
    """One line of the settings' menu. `task` is what it takes to see it, None if everybody may."""

    name: str
    path: str
    task: Task | None = None


SECTIONS: Final = (
    (
        "You",
        (Section("Account", HERE),),
    ),
    (
        "Organization",
        (
            Section("General", "/settings/organization"),
            Section("Projects", "/settings/projects"),
            Section("Admin keys", "/settings/admin-keys", Task.ADMIN_KEYS_READ),
            Section("Key policies", "/settings/policies", Task.POLICIES_READ),
        ),
    ),
    (
        "Models",
        (
            Section("Upstreams", "/settings/upstreams", Task.UPSTREAMS_READ),
            Section("Models and prices", "/settings/models", Task.UPSTREAMS_READ),
        ),
    ),
    (
        "Keyhouse",
        (Section("Ledger", "/settings/ledger", Task.SETTINGS_READ),),
    ),
)
"""What there is to be set, in groups."""


async def settings_page(
    request: Visit,
    template: str,
    section: str,
    *,
    overlay: str | None = None,
    status: int = HTTPStatus.OK,
    **words: Any,
) -> Response[Any]:
    """A page of the settings. `section` is the path of its line in their menu."""
    return await pages_of(request).signed_in(
        request,
        template,
        here=HERE,
        status=status,
        overlay=overlay,
        toast=None,
        section=section,
        sections=_sections_of(request, session_of(request)),
        **words,
    )


def _sections_of(request: Visit, session: Session) -> list[tuple[str, list[Section]]]:
    """The lines that answer this person."""
    pages = pages_of(request)
    shown = [
        (title, [one for one in group if one.task is None or pages.may(session, one.task)]) for title, group in SECTIONS
    ]
    return [(title, group) for title, group in shown if group]
