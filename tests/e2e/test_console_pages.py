"""Every page of the console in a real browser, against a real Keyhouse that has served calls.

One browser and one house for all of it. Whatever the browser complains about, and whatever axe-core finds, fails.
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from e2e.processes import PASSWORD, ROOT, House
from e2e.test_console_walk import browser as browser  # noqa: PLC0414  a fixture

pytestmark = pytest.mark.timeout(240)
AXE = ROOT / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
PAGES = (
    "/api-keys",
    "/api-keys/new",
    "/api-keys/{key}",
    "/api-keys/{key}/edit",
    "/api-keys/{key}/rotate",
    "/api-keys/{key}/revoke",
    "/calls",
    "/calls/{call}",
    "/usage",
    "/performance",
    "/costs",
    "/costs/statement",
    "/limits",
    "/limits/new",
    "/limits/replay",
    "/playground",
    "/quickstart",
    "/help",
    "/members",
    "/members/invite",
    "/members/{person}",
    "/members/{person}/remove",
    "/members/roles",
    "/members/roles/new",
)


class Visitor:
    """Someone who is signed in, and what their browser complained about."""

    def __init__(self, browser: Browser, house: House, state: Any = None, **options: Any) -> None:
        self.context: BrowserContext = browser.new_context(base_url=house.url, storage_state=state, **options)
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(15_000)
        self.complaints: list[str] = []
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))

    def _note(self, message: Any) -> None:
        if message.type in {"error", "warning"} and "status of 422" not in message.text:
            self.complaints.append(f"{message.type}: {message.text} ({self.page.url})")

    def sign_in(self) -> None:
        self.page.goto("/sign-in")
        self.page.get_by_label("E-mail").fill("ada@example.com")
        self.page.get_by_label("Password", exact=True).fill(PASSWORD)
        self.page.get_by_role("button", name="Sign in").click()
        expect(self.page.get_by_role("heading", name="API keys")).to_be_visible()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = House(tmp_path_factory.mktemp("pages"))
    made.init()
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def owner(browser: Browser, house: House) -> Iterator[Visitor]:
    """An owner at a desk who has asked the playground something, so that every page has numbers."""
    made = Visitor(browser, house, viewport={"width": 1440, "height": 900}, locale="en-GB")
    made.sign_in()
    ask(made.page)
    yield made
    made.context.close()


def ask(page: Page) -> None:
    """Ask the playground something, and wait until the answer is settled."""
    page.goto("/playground")
    page.get_by_label("System").fill("Answer shortly.")
    page.get_by_label("Message").fill("What is this?")
    page.keyboard.press("Enter")
    expect(page.get_by_text("This is Keyhouse's built-in demo")).to_be_visible()
    expect(page.locator("[data-figure='cost']")).to_have_text(re.compile(r"^\$0\.000\d+$"))
    expect(page.locator("[data-figure='output']")).to_have_text(re.compile(r"^[1-9]\d*$"))


def test_the_playground_asks_with_a_key_that_is_metered_and_seen_everywhere(owner: Visitor, house: House) -> None:
    page = owner.page
    ask(page)
    page.get_by_role("button", name="View code").click()
    code = page.get_by_role("dialog", name="The same call as code")
    for words in (f"{house.url}/v1", "keyhouse-demo", "Answer shortly.", "What is this?"):
        expect(code).to_contain_text(words)
    page.keyboard.press("Escape")
    page.locator("[data-figure='call'] a").click()
    expect(
        page.get_by_text("The upstream reported what was used; times its price, that is the charge.")
    ).to_be_visible()
    assert {call["agent"] for call in house.rows("SELECT agent FROM calls")} == {"Keyhouse playground"}
    for path, words in (("/usage?by=api_key_id", "Playground"), ("/calls", "Playground"), ("/api-keys", "Playground")):
        page.goto(path)
        expect(page.get_by_text(words, exact=True).first).to_be_visible()
    page.goto("/quickstart?since=0")
    expect(page.get_by_text("The call arrived")).to_be_visible()
    # A session alone opens nothing at the gateway.
    refusal = page.request.post(f"{house.url}/v1/chat/completions", data={"model": "keyhouse-demo", "messages": []})
    assert refusal.status == 401
    secret = re.compile(r"sk-kh_[0-9A-Za-z]{10}_[0-9A-Za-z]{38}")
    assert house.child is not None
    assert not secret.search(house.child.said)
    assert owner.complaints == []


def test_quickstart_turns_green_by_itself(owner: Visitor, house: House) -> None:
    page = owner.page
    page.goto("/quickstart")
    expect(page.get_by_text("Waiting for your first call")).to_be_visible()
    other = owner.context.new_page()
    other.goto("/playground")
    other.get_by_label("Message").fill("Again?")
    other.get_by_role("button", name="Send").click()
    expect(other.locator("[data-state]")).to_have_text("Answered")
    other.close()
    expect(page.get_by_text("The call arrived")).to_be_visible()
    assert owner.complaints == []


def test_a_limit_is_set_changed_replayed_and_deleted(owner: Visitor) -> None:
    page = owner.page
    page.goto("/limits")
    page.get_by_role("link", name="Set a limit").first.click()
    sheet = page.get_by_role("dialog", name="Set a limit")
    sheet.get_by_label("At most").fill("1,000")
    sheet.get_by_role("button", name="Set limit").click()
    expect(page.get_by_role("row", name=re.compile(r"Acme.*\$1,000"))).to_be_visible()
    page.get_by_label(re.compile("More for the limit on Acme")).click()
    page.get_by_role("link", name="Change…").click()
    page.get_by_role("dialog").get_by_label("At most").fill("2000")
    page.get_by_role("button", name="Change limit").click()
    expect(page.get_by_text("$2,000", exact=True)).to_be_visible()
    page.get_by_role("link", name="What would a limit have refused").click()
    page.get_by_label("At most").fill("0")
    page.get_by_label("Unit").select_option("requests")
    page.get_by_label("In", exact=True).select_option("day")
    page.get_by_role("button", name="Replay 7 days").click()
    expect(page.get_by_role("heading", name=re.compile(r"About \d+ of \d+ requests? refused"))).to_be_visible()
    page.goto("/limits")
    page.get_by_label(re.compile("More for the limit on Acme")).click()
    page.get_by_role("link", name="Delete…").click()
    page.get_by_role("button", name="Delete limit").click()
    expect(page.get_by_text("No limits yet")).to_be_visible()
    assert owner.complaints == []


def test_axe_finds_nothing_and_nothing_is_too_wide_on_any_page(browser: Browser, owner: Visitor, house: House) -> None:
    (call,) = house.rows("SELECT id, key_id FROM calls ORDER BY id LIMIT 1")
    state = owner.context.storage_state()
    found: list[str] = []
    for width, scheme in ((1440, "light"), (390, "dark")):
        viewport = {"width": width, "height": 900}
        visitor = Visitor(browser, house, state, viewport=viewport, color_scheme=scheme, reduced_motion="reduce")
        page = visitor.page
        for path in PAGES:
            page.goto(path.format(key=call["key_id"], call=call["id"], person=house.established["user_id"]))
            if page.locator(".plot").count():
                expect(page.locator(".plot svg").first).to_be_visible()
            wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            found += [f"{path} at {width} is {wider} pixels too wide"] if wider > 0 else []
            found += [f"{path} at {width}, {scheme}: {one}" for one in _violations(page)]
        found += visitor.complaints
        visitor.context.close()
    assert found == []


def _violations(page: Page) -> list[str]:
    """What axe-core finds. It is put in by the browser's own means: the page's policy would refuse a script."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    result = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [f"{one['id']}: {one['nodes'][0]['html'][:160]}" for one in result["violations"]]


def test_the_playground_and_limits_work_without_javascript(browser: Browser, owner: Visitor, house: House) -> None:
    visitor = Visitor(browser, house, owner.context.storage_state(), java_script_enabled=False)
    page = visitor.page
    page.goto("/playground")
    page.get_by_label("Message").fill("Without a script?")
    page.get_by_role("button", name="Send").click()
    assert "This is Keyhouse's built-in demo" in page.locator("main").inner_text()
    page.goto("/limits/new")
    page.get_by_label("At most").fill("5")
    page.get_by_role("button", name="Set limit").click()
    assert "$5" in page.locator("main").inner_text()
    page.get_by_label(re.compile("More for the limit on Acme")).click()
    page.get_by_role("link", name="Delete…").click()
    page.get_by_role("button", name="Delete limit").click()
    assert "No limits yet" in page.locator("main").inner_text()
    for path in ("/usage", "/performance", "/costs"):
        page.goto(path)
        assert page.locator("table").count()
        assert page.locator(".plot:visible").count() == 0
    visitor.context.close()
