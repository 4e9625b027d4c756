"""The main job by keyboard alone, at a desk: from the one-time link to the end of the key.

Nothing is clicked. What is to be pressed is reached by Tab and has the focus; after a dialog the focus is where it was.
"""

import re

import pytest
from playwright.sync_api import Browser, expect

from e2e.browsing import PASSWORD, Visitor, leaks
from e2e.processes import House
from e2e.recorder import Recorder

pytestmark = pytest.mark.timeout(240)
EMAIL = "mira@meridian.example"
NAME = "invoice-assistant"


def test_from_the_set_up_link_to_the_revoked_key_by_keyboard_alone(browser: Browser, fresh: House) -> None:
    with Recorder(fresh.port) as recorder, Visitor(browser, recorder.url) as visitor:
        set_up(visitor, fresh)
        first = create(visitor)
        second = rotate(visitor)
        disable_and_enable(visitor)
        use_shortcuts(visitor)
        revoke(visitor)
        visitor.press(visitor.page.get_by_label("Your account"))
        visitor.press(visitor.page.get_by_role("button", name="Sign out"))
        expect(visitor.page.get_by_role("heading", name="Sign in")).to_be_visible()
        assert visitor.complaints == []
        path = f"/api-keys/key_{first.split('_')[1]}/rotate"
        secrets = {"first": first, "second": second, "password": PASSWORD}
        assert leaks(recorder.answers, secrets) == [("first", "POST", "/api-keys"), ("second", "POST", path)]


def set_up(visitor: Visitor, house: House) -> None:
    page = visitor.see("/")
    visitor.examine("/set-up")
    assert house.child is not None
    link = re.findall(r"http://\S+(/set-up/\S+)", house.child.said)[-1]
    visitor.see("/set-up/guess", 410)
    visitor.examine("/set-up/guess")
    visitor.see(link)
    visitor.examine("/set-up/{token}")
    # The first field has the focus already.
    page.keyboard.type("Meridian Freight")
    visitor.enter(page.get_by_label("Your e-mail"), EMAIL)
    visitor.enter(page.get_by_label("Password", exact=True), PASSWORD)
    visitor.press(page.get_by_role("button", name="Create organization"))
    expect(page.get_by_role("heading", name="No keys yet")).to_be_visible()
    visitor.examine("no keys yet")


def create(visitor: Visitor) -> str:
    page = visitor.page
    page.keyboard.press("c")
    sheet = page.get_by_role("dialog", name="Create API key")
    expect(sheet.get_by_label("Name", exact=True)).to_be_focused()
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    opener = page.get_by_role("link", name="Create key")
    expect(opener).to_be_focused()
    page.keyboard.press("Enter")
    expect(sheet.get_by_label("Name", exact=True)).to_be_focused()
    visitor.examine("/api-keys/new, in place")
    page.keyboard.press("Enter")
    expect(sheet.get_by_text("Name the key after what will use it.")).to_be_visible()
    expect(sheet.get_by_label("Name", exact=True)).to_be_focused()
    page.keyboard.type(NAME)
    visitor.tab_to(sheet.get_by_role("radio", name="All", exact=True))
    page.keyboard.press("ArrowRight")
    expect(sheet.get_by_role("radio", name="Chat only")).to_be_checked()
    visitor.enter(sheet.get_by_label("Budget", exact=True), "50.00")
    expect(sheet.get_by_text(f"{NAME} may chat with every model for Default project")).to_be_visible()
    visitor.press(sheet.get_by_role("button", name="Create key"))
    secret = store(visitor, "Store this secret now")
    expect(opener).to_be_focused()
    expect(page.get_by_role("link", name=NAME)).to_be_visible()
    return secret


def store(visitor: Visitor, title: str) -> str:
    """Try to leave, ask a test call, copy, and leave; the secret as the clipboard has it."""
    page = visitor.page
    dialog = page.get_by_role("dialog", name=title)
    copy = dialog.get_by_role("button", name="Copy", exact=True)
    expect(copy).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_be_visible()
    visitor.press(dialog.get_by_role("button", name="Test call"))
    expect(dialog.get_by_text(re.compile(r"The key works\. keyhouse-demo answered in \d+ ms\."))).to_be_visible()
    visitor.tab_to(dialog.get_by_role("radio", name="curl"))
    page.keyboard.press("ArrowRight")
    expect(dialog.locator(".snippet:visible")).to_contain_text("from openai import OpenAI")
    visitor.examine(title)
    visitor.press(copy)
    expect(dialog.get_by_text("Copied")).to_be_visible()
    secret = str(page.evaluate("navigator.clipboard.readText()"))
    assert re.fullmatch(r"sk-kh_[0-9A-Za-z]{10}_[0-9A-Za-z]{38}", secret)
    with page.expect_response(re.compile("/api-keys")):  # What is behind is asked for again.
        visitor.press(dialog.get_by_role("link", name="I have stored it"))
    expect(dialog).to_have_count(0)
    return secret


def rotate(visitor: Visitor) -> str:
    page = visitor.page
    visitor.press(page.get_by_role("link", name=NAME))
    expect(page.get_by_role("heading", name=NAME)).to_be_visible()
    opener = page.get_by_role("link", name="Rotate")
    visitor.press(opener)
    dialog = page.get_by_role("dialog", name=f"Rotate {NAME}")
    expect(dialog.get_by_label("in 24 hours")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(dialog.get_by_label("in 7 days")).to_be_checked()
    visitor.press(dialog.get_by_role("button", name="Rotate key"))
    secret = store(visitor, "Store the new secret now")
    page.reload()
    expect(page.get_by_role("heading", name="1 request used the old secret in the last hour")).to_be_visible()
    visitor.examine("a key that is rotating")
    visitor.press(page.get_by_role("link", name="End old secret now"))
    visitor.press(page.get_by_role("dialog").get_by_role("button", name="End old secret"))
    expect(page.get_by_text(f"{NAME} has one secret again")).to_be_visible()
    return secret


def disable_and_enable(visitor: Visitor) -> None:
    page = visitor.page
    page.goto("/api-keys")
    menu = page.get_by_label(f"More for {NAME}")
    visitor.press(menu)
    visitor.press(page.get_by_role("button", name="Disable"))
    expect(page.get_by_text(f"{NAME} is disabled")).to_be_visible()
    visitor.press(page.get_by_role("button", name="Undo"))
    expect(page.get_by_text(f"{NAME} is enabled")).to_be_visible()


def use_shortcuts(visitor: Visitor) -> None:
    page = visitor.see("/api-keys")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type("nothing like it")
    expect(page.get_by_text("No key matches.")).to_be_visible()
    page.keyboard.press("Control+A")
    page.keyboard.type(NAME[:4])
    expect(page.get_by_role("link", name=NAME)).to_be_visible()


def revoke(visitor: Visitor) -> None:
    page = visitor.page
    visitor.press(page.get_by_label(f"More for {NAME}"))
    visitor.press(page.get_by_role("link", name="Revoke…"))
    dialog = page.get_by_role("dialog", name=f"Revoke {NAME}")
    expect(dialog.get_by_text("2 requests")).to_be_visible()
    # The field has the focus already.
    page.keyboard.type(NAME)
    visitor.press(dialog.get_by_role("button", name="Revoke key"))
    expect(page.get_by_text(f"{NAME} is revoked")).to_be_visible()
    page = visitor.see("/api-keys?status=revoked")
    expect(page.get_by_role("link", name=NAME)).to_be_visible()
