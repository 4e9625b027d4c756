"""No page needs a script: every form is sent by a button of its own to a route that there is, every other control is a
link, and whatever only a script can do is shown to those who have one.
"""

import re
from html.parser import HTMLParser

import pytest

from console.given_matrix_walk import LINES, Walk
from given_matrix import Role
from keyhouse.console.policy import POLICY

pytestmark = pytest.mark.asyncio

ROUTES = {
    method: [re.sub(r"\{\w+\}", "[^/]+", path) for known, path in POLICY if known == method]
    for method in ("GET", "POST")
}


class Page(HTMLParser):
    """What is wrong with the forms and controls of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self.forms = 0
        self._form: dict[str, str] | None = None
        self._can_be_sent = self._has_token = False
        self._sent_from_afar = set(re.findall(r'<button[^>]* form="([^"]+)"', text))
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._form, self._can_be_sent, self._has_token = given, False, False
            self.forms += 1
        if tag == "button" or (tag == "input" and given.get("type") == "submit"):
            self._button(given)
        if given.get("name") == "csrf" and given.get("value"):
            self._has_token = True
        if any(name.startswith("hx-") for name in given) and tag not in ("a", "form", "body") and self._form is None:
            self.wrong.append(f"only a script makes <{tag} {given}> do something")
        if tag == "a" and not given.get("href"):
            self.wrong.append(f"a link that leads nowhere: {given}")

    def handle_endtag(self, tag: str) -> None:
        if tag != "form" or self._form is None:
            return
        if self._form.get("method") == "dialog":
            self._form = None  # it closes what only a script opens
            return
        method, action = self._form.get("method", "get").upper(), self._form.get("action", "").partition("?")[0]
        if not any(re.fullmatch(route, action) for route in ROUTES[method]):
            self.wrong.append(f"a form that is sent to no route: {self._form}")
        if not self._can_be_sent and self._form.get("id", "") not in self._sent_from_afar:
            self.wrong.append(f"a form without a button: {self._form}")
        if method == "POST" and not self._has_token:
            self.wrong.append(f"a form without its token: {self._form}")
        self._form = None

    def _button(self, given: dict[str, str]) -> None:
        if given.get("type", "submit") == "submit":
            self._can_be_sent = True
            if self._form is None and not given.get("form"):
                self.wrong.append(f"a button of no form: {given}")
        elif "popovertarget" not in given and "with-script" not in given.get("class", "") and "hidden" not in given:
            self.wrong.append(f"a button that needs a script and is shown without one: {given}")


async def test_no_page_needs_a_script(walk: Walk) -> None:
    who = await walk.someone(Role("owner", organization="owner"))
    forms, wrong = 0, list[str]()
    for line in LINES.values():
        if line.method == "GET":
            answer = await walk.ask(line, who, walk.ids["1"])
            if answer.headers.get("content-type", "").startswith("text/html"):
                page = Page(answer.text)
                wrong += [f"{line.path}: {one}" for one in page.wrong]
                forms += page.forms
    assert wrong == []
    assert forms > 100
