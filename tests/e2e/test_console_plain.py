"""The console without JavaScript: every form works, and charts are tables.

A desk whose browser refuses scripts sets Keyhouse up and does the main job; whoever is invited comes in the same way.
"""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from e2e.browsing import PASSWORD, Visitor, leaks
from e2e.processes import House
from e2e.recorder import Recorder

pytestmark = pytest.mark.timeout(180)
NAME = "invoice-assistant"


def test_every_form_works_without_javascript(browser: Browser, fresh: House) -> None:
    with Recorder(fresh.port) as recorder:
        with Visitor(browser, recorder.url, java_script_enabled=False) as visitor:
            page = visitor.page
            set_up(page, fresh)
            first = create(page)
            ask(page)
            second = change_and_rotate(page)
            disable_enable_and_revoke(page)
            limit(page)
            numbers_are_tables(page)
            link = invite(page)
            page.goto("/api-keys")
            page.get_by_label("Your account").click()
            page.get_by_role("button", name="Sign out").click()
            expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
            come_in(page, link)
            assert visitor.complaints == []
        asked = [(answer.method, answer.path.split("/")[-1]) for answer in recorder.answers]
        assert not any(path.endswith(".js") for _, path in asked)
        found = leaks(recorder.answers, {"first": first, "second": second, "password": PASSWORD})
        assert [name for name, _, _ in found] == ["first", "second"]


def seen(page: Page) -> str:
    """What stands on the page."""
    return page.locator("main").inner_text()


def send(page: Page, name: str) -> None:
    """Press the button that sends a form."""
    page.get_by_role("button", name=name, exact=True).click()


def set_up(page: Page, house: House) -> None:
    assert house.child is not None
    page.goto(re.findall(r"http://[^/\s]+(/set-up/\S+)", house.child.said)[-1])
    page.get_by_label("Organization").fill("Meridian Freight")
    page.get_by_label("Your e-mail").fill("mira@meridian.example")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    send(page, "Create organization")
    expect(page.get_by_role("heading", name="No keys yet")).to_be_visible()


def create(page: Page) -> str:
    page.get_by_role("link", name="Create key").click()
    send(page, "Create key")
    expect(page.get_by_text("Name the key after what will use it.")).to_be_visible()
    page.get_by_label("Name", exact=True).fill(NAME)
    page.get_by_label("Budget", exact=True).fill("50")
    send(page, "Create key")
    secret = (page.locator("#secret").text_content() or "").strip()
    assert secret.startswith("sk-kh_")
    page.get_by_role("link", name="I have stored it").click()
    assert NAME in seen(page)
    return secret


def ask(page: Page) -> None:
    page.goto("/playground")
    page.get_by_label("Message").fill("Without a script?")
    send(page, "Send")
    assert "This is Keyhouse's built-in demo" in seen(page)


def change_and_rotate(page: Page) -> str:
    page.goto("/api-keys")
    page.get_by_role("link", name=NAME).click()
    page.get_by_role("link", name="Edit", exact=True).click()
    page.get_by_text("Chat only", exact=True).click()
    send(page, "Change key")
    assert "Chat only" in seen(page)
    page.get_by_role("link", name="Rotate", exact=True).click()
    send(page, "Rotate key")
    secret = (page.locator("#secret").text_content() or "").strip()
    page.get_by_role("link", name="I have stored it").click()
    send(page, "Extend by 24 h")
    assert "in 1 d." in seen(page)
    page.get_by_role("link", name="End old secret now").click()
    send(page, "End old secret")
    assert "Ended" in seen(page)
    return secret


def disable_enable_and_revoke(page: Page) -> None:
    send(page, "Disable")
    assert "Disabled" in seen(page)
    send(page, "Enable")
    assert "Active" in seen(page)
    page.get_by_label(f"More for {NAME}").click()
    page.get_by_role("link", name="Revoke…").click()
    page.get_by_label("confirm").fill("another name")
    send(page, "Revoke key")
    expect(page.get_by_text(f"Type {NAME}, exactly.")).to_be_visible()
    page.get_by_label("confirm").fill(NAME)
    send(page, "Revoke key")
    page.goto("/api-keys")
    page.get_by_label("Status").select_option("revoked")
    send(page, "Search")
    assert NAME in seen(page)


def limit(page: Page) -> None:
    page.goto("/limits/new")
    page.get_by_label("At most").fill("5")
    send(page, "Set limit")
    assert "$5" in seen(page)
    page.get_by_label(re.compile("More for the limit on Meridian Freight")).click()
    page.get_by_role("link", name="Change…").click()
    page.get_by_label("At most").fill("7")
    send(page, "Change limit")
    assert "$7" in seen(page)
    page.get_by_label(re.compile("More for the limit on Meridian Freight")).click()
    page.get_by_role("link", name="Delete…").click()
    send(page, "Delete limit")
    assert "$7" not in seen(page)


def numbers_are_tables(page: Page) -> None:
    for path in ("/usage", "/performance", "/costs"):
        page.goto(path)
        expect(page.locator("table").first).to_be_visible()
        assert page.locator(".plot:visible").count() == 0
        assert "keyhouse-demo" in seen(page)


def invite(page: Page) -> str:
    page.goto("/members")
    page.locator("a[href='/members/invite']").first.click()
    page.get_by_label("E-mail", exact=True).fill("carol@example.com")
    send(page, "Make the link")
    found = re.search(r"http://[^/\s]+(/invite/[\w-]+)", page.content())
    assert found is not None
    page.goto("/members")
    assert "carol@example.com" in seen(page)
    return found[1]


def come_in(page: Page, link: str) -> None:
    page.goto(link)
    page.get_by_label("name").fill("Carol")
    page.get_by_label("Password", exact=True).fill("short")
    send(page, "Join")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    send(page, "Join")
    expect(page.get_by_role("heading", name="API keys")).to_be_visible()
    expect(page.get_by_text("carol@example.com").locator("visible=true").first).to_be_visible()
