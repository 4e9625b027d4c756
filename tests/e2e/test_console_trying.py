"""Trying a model in the console: the playground's call is metered like any other, and Quickstart notices the first."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from e2e.browsing import Visitor
from e2e.processes import PASSWORD, House

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A Keyhouse whose built-in model answers, because it has no other."""
    made = House(tmp_path_factory.mktemp("trying"))
    made.init()
    made.start()
    yield made
    made.stop()


@pytest.fixture
def owner(browser: Browser, house: House) -> Iterator[Visitor]:
    """The owner at a desk."""
    with Visitor(browser, house.url) as made:
        made.sign_in("ada@example.com", PASSWORD)
        yield made
    assert made.complaints == []


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
    page.goto("/quickstart")
    expect(page.get_by_text("A call arrived")).to_be_visible()
    # A session alone opens nothing at the gateway.
    asked = {"model": "keyhouse-demo", "messages": []}
    refusal = page.request.post(f"{house.url}/v1/chat/completions", data=asked)
    assert refusal.status == 401
    secret = re.compile(r"sk-kh_[0-9A-Za-z]{10}_[0-9A-Za-z]{38}")
    assert house.child is not None
    assert not secret.search(house.child.said)


def test_quickstart_shows_the_newest_call_by_itself(owner: Visitor) -> None:
    page = owner.page
    page.goto("/quickstart")
    look = page.locator("#waiting a[href^='/calls/']")
    before = look.get_attribute("href") if look.count() else ""
    other = owner.context.new_page()
    other.goto("/playground")
    other.get_by_label("Message").fill("Again?")
    other.get_by_role("button", name="Send").click()
    expect(other.locator("[data-state]")).to_have_text("Answered")
    other.close()
    expect(page.get_by_text("A call arrived")).to_be_visible()
    expect(look).not_to_have_attribute("href", before or "")
