"""People with real browsers: what each of them sees, and what their browser complains about."""

import html
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, Literal, Self
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect, sync_playwright

from e2e.processes import ROOT
from e2e.recorder import Answer
from e2e.test_canaries import found_in

AXE: Final = ROOT / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
PASSWORD: Final = "tracks lemon fjord"
Scheme = Literal["light", "dark"]
HEIGHT: Final = 900
PATIENCE_MS: Final = 20_000
"""A busy machine is no fault of the page."""

TABS_MAX: Final = 120
"""More often than this nobody presses Tab to reach something."""


def chromium() -> str:
    """Where Chromium is."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next((path for path in map(shutil.which, names) if path), None)
    assert found is not None, "these tests need Chromium; tests/setup installs it"
    return found


@contextmanager
def a_browser() -> Iterator[Browser]:
    """A Chromium."""
    with sync_playwright() as playwright:
        expect.set_options(timeout=PATIENCE_MS)
        opened = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


def leaks(answers: Sequence[Answer], secrets: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Which secrets stand in which answers, in any form: name, method and path. Built files are left out.

    A cookie is set in an answer's head; in a body it would be a leak.
    """
    found: list[tuple[str, str, str]] = []
    for answer in answers:
        if not answer.path.startswith("/static/"):
            said = answer.body + b"".join(line for line in answer.head if not line.lower().startswith(b"set-cookie"))
            found += [(name, answer.method, answer.path) for name in found_in(said, secrets)]
    return found


class Visitor:
    """One person's browser, and what it complained about: scripts' errors, and whatever the pages' policy refused."""

    def __init__(
        self, browser: Browser, url: str, *, width: int = 1440, scheme: Scheme = "light", **options: Any
    ) -> None:
        self.width, self.scheme = width, scheme
        self.complaints: list[str] = []
        self._refused: set[tuple[str, int]] = set()
        self.context = browser.new_context(
            base_url=url,
            viewport={"width": width, "height": HEIGHT},
            color_scheme=scheme,
            reduced_motion="reduce",
            permissions=["clipboard-read", "clipboard-write"],
            timezone_id="Europe/Berlin",
            locale="en-GB",
            **options,
        )
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(f"script: {error} ({self.page.url})"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()

    def _note(self, message: ConsoleMessage) -> None:
        status = re.search(r"the server responded with a status of (\d+)", message.text)
        if status is not None:
            # Chromium names every such answer an error: also a form that comes back, and a page that is refused.
            what = (urlsplit(message.location["url"]).path, int(status[1]))
            if what[1] == HTTPStatus.UNPROCESSABLE_ENTITY or what in self._refused:
                return
        if message.type in {"error", "warning"}:
            self.complaints.append(f"{message.type}: {message.text} ({self.page.url})")

    def see(self, path: str, status: int = 200) -> Page:
        """Open a page, which must answer with this status and fit its window; its charts are drawn."""
        if status != HTTPStatus.OK:
            self._refused.add((urlsplit(path).path, status))
        answer = self.page.goto(path)
        assert answer is not None
        assert answer.status == status, f"{path}: {answer.status} instead of {status}"
        self.look(path)
        return self.page

    def look(self, name: str) -> None:
        """See that charts are drawn, and that nothing is wider than the window."""
        plots = self.page.locator(".plot")
        if plots.count() and plots.first.is_visible():
            expect(self.page.locator(".plot svg").first).to_be_visible()
        wider = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if wider > 0:
            self.complaints.append(f"{name} is {wider} pixels too wide at {self.width}")

    def examine(self, name: str) -> None:
        """Complain of what axe-core finds. It is put in by the browser's own means: pages refuse other scripts."""
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        for one in found["violations"]:
            self.complaints.append(
                f"{name} at {self.width}, {self.scheme}: {one['id']}: {one['nodes'][0]['html'][:160]}"
            )

    def sign_in(self, email: str, password: str = PASSWORD) -> None:
        """Come in by e-mail and password."""
        self.see("/sign-in")
        self.page.get_by_label("E-mail").fill(email)
        self.page.get_by_label("Password", exact=True).fill(password)
        self.page.get_by_role("button", name="Sign in").click()
        expect(self.page.get_by_role("heading", name="API keys")).to_be_visible()

    def join(self, link: str) -> None:
        """Come in by an invite's link, without looking at its page."""
        page = self.context.request.get(link).text()
        token = re.search(r'name="csrf" value="([^"]+)"', page)
        assert token is not None, page
        form: dict[str, str | float | bool] = {
            "csrf": html.unescape(token[1]),
            "name": "",
            "password": PASSWORD,
        }
        origin = "/".join(link.split("/")[:3])
        joined = self.context.request.post(link, form=form, headers={"origin": origin})
        assert joined.ok, joined.text()

    def open_menu(self) -> None:
        """Open the left menu where it is hidden."""
        button = self.page.get_by_role("button", name="Menu", exact=True)
        if button.is_visible():
            button.click()

    def tab_to(self, target: Locator) -> None:
        """Press Tab until this has the focus."""
        for _ in range(TABS_MAX):
            self.page.keyboard.press("Tab")
            if target.evaluate("element => element === document.activeElement"):
                return
        raise AssertionError(f"{TABS_MAX} times Tab does not lead to {target}")

    def press(self, target: Locator, key: str = "Enter") -> None:
        """Go to it and press it, by keyboard alone."""
        self.tab_to(target)
        self.page.keyboard.press(key)

    def enter(self, target: Locator, text: str) -> None:
        """Go to a field and type over what is in it, by keyboard alone."""
        self.tab_to(target)
        self.page.keyboard.press("Control+A")
        self.page.keyboard.type(text)

    def picture(self, path: Path, *, whole: bool = False) -> None:
        """Take a picture of the window, or of all of the page."""
        self.page.screenshot(path=path, full_page=whole, animations="disabled", caret="initial")
