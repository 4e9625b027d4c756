"""Templates into answers: one environment, one set of words, one frame around every signed-in page."""

from collections.abc import Sequence
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Response
from litestar.datastructures import Cookie
from markupsafe import Markup

import keyhouse
from keyhouse.console import wording
from keyhouse.console.assets import Assets
from keyhouse.console.desk import Desk
from keyhouse.console.doorway import Visit, door_token, is_signed_in, own_origin, session_of
from keyhouse.console.policy import POLICY
from keyhouse.console.project_switch import switch_of, within
from keyhouse.control.authority import Task, may_at, projects_of
from keyhouse.identity.sessions import Session

HTML: Final = "text/html"


class Place(msgspec.Struct, frozen=True):
    """One line of the left menu."""

    name: str
    path: str
    icon: str


MENU: Final = (
    (
        Place("API keys", "/api-keys", "key-round"),
        Place("Calls", "/calls", "list"),
        Place("Usage", "/usage", "chart-column"),
        Place("Performance", "/performance", "gauge"),
        Place("Costs", "/costs", "circle-dollar"),
        Place("Limits", "/limits", "sliders"),
    ),
    (Place("Playground", "/playground", "message-square-text"), Place("Quickstart", "/quickstart", "terminal")),
    (
        Place("Members", "/members", "users"),
        Place("Hygiene", "/hygiene", "shield-check"),
        Place("Audit log", "/audit-log", "scroll-text"),
        Place("Settings", "/settings/account", "settings"),
    ),
    (Place("Help", "/help", "circle-question-mark"),),
)
"""The pages that exist, in groups by use. Nothing stands here that does not answer."""


@cache
def _environment(script: str, style: str) -> Environment:
    """The templates, each compiled once in a process, with the words and files that every page uses."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals.update(script=script, style=style, version=keyhouse.__version__)
    environment.filters.update(
        count=wording.count,
        initials=wording.initials,
        money=wording.money,
        plural=wording.plural,
        short=wording.short,
        as_data=_as_data,
        within=within,
    )
    return environment


class Pages:
    """Renders every page of the console."""

    def __init__(self, desk: Desk, assets: Assets) -> None:
        self.desk = desk
        self._environment = _environment(assets.script, assets.style)

    def times(self, session: Session) -> wording.Times:
        """Times in the organization's zone, seen from now."""
        return wording.Times(ZoneInfo(session.time_zone), self.desk.clock.now_ms())

    def may(self, session: Session, task: Task) -> bool:
        """Whether this person may do it, as the verb itself will say; pages offer nothing else."""
        return may_at(session.actor(""), task)

    async def signed_in(
        self,
        request: Visit,
        template: str,
        *,
        here: str,
        status: int = HTTPStatus.OK,
        narrowed_to: str | None = None,
        **words: Any,
    ) -> Response[str]:
        """A page for someone with a session. `here` is the path of its line in the menu.

        `narrowed_to` is its project, if that is not what the address says.
        """
        session = session_of(request)
        text = self._environment.get_template(template).render(
            session=session,
            csrf=session.csrf_token,
            here=here,
            switch=await switch_of(request, self.desk, here, narrowed_to),
            menu=_menu_of(session),
            times=self.times(session),
            may_change=projects_of(session.actor(""), Task.API_KEYS, is_own=True) != frozenset(),
            **words,
        )
        return Response(text, status_code=status, media_type=HTML)

    def door(
        self,
        request: Visit,
        template: str,
        *,
        status: int = HTTPStatus.OK,
        cookies: Sequence[Cookie] = (),
        **words: Any,
    ) -> Response[str]:
        """A page without a menu, for someone who need not have a session."""
        cookie = None
        if is_signed_in(request):
            token = session_of(request).csrf_token
        else:
            token, cookie = door_token(request, self.desk)
        host = own_origin(request, self.desk.public_url).partition("://")[2]
        text = self._environment.get_template(template).render(csrf=token, host=host, **words)
        kept = [*cookies, cookie] if cookie else list(cookies)
        return Response(text, status_code=status, media_type=HTML, cookies=kept)

    def bare(self, template: str, *, status: int, **words: Any) -> Response[str]:
        """A page that needs nothing but words."""
        return Response(self._environment.get_template(template).render(**words), status_code=status, media_type=HTML)


def _menu_of(session: Session) -> list[list[Place]]:
    """The menu's lines that answer this person."""
    actor = session.actor("")
    needed = {path: who for (method, path), who in POLICY.items() if method == "GET" and isinstance(who, Task)}
    shown = [[one for one in group if one.path not in needed or may_at(actor, needed[one.path])] for group in MENU]
    return [group for group in shown if group]


def pages_of(request: Visit) -> Pages:
    """The pages of the app that this request came to."""
    pages: Pages = request.app.state.pages
    return pages


def _as_data(value: Any) -> Markup:
    """JSON for a data block: nothing in it can end the element that holds it."""
    text = msgspec.json.encode(value).decode()
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))  # noqa: S704
