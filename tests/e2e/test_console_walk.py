"""The main job in a real browser, on a phone at night: from the one-time link to the first answer, and to the end.

Chromium drives the real server with its built-in demo model. Whatever the browser complains about on the way, a
script's error or a refused style, fails the walk. At a desk the same is done by keyboard (`test_console_keyboard.py`).
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from e2e.browsing import PASSWORD, Visitor
from e2e.processes import House

EMAIL = "mira@meridian.example"
NAME = "invoice-assistant"
pytestmark = pytest.mark.timeout(180)


class Walk(Visitor):
    """One person's browser, and the house they set up."""

    def __init__(self, browser: Browser, house: House) -> None:
        super().__init__(browser, house.url, width=390, scheme="dark", has_touch=True)
        self.house = house


@pytest.fixture
def walk(browser: Browser, tmp_path: Path) -> Iterator[Walk]:
    house = House(tmp_path).start()
    with Walk(browser, house) as made:
        yield made
    house.stop()


def test_from_the_set_up_link_to_the_revoked_key(walk: Walk) -> None:
    set_up(walk)
    sign_out_and_in(walk)
    first = create(walk)
    see_usage(walk)
    second = rotate(walk)
    disable_and_enable(walk)
    revoke(walk)
    sign_out(walk)
    assert walk.complaints == []
    assert walk.house.child is not None
    for secret in (first, second):
        assert secret not in walk.house.child.said


def set_up(walk: Walk) -> None:
    page = walk.page
    page.goto("/")
    expect(page.get_by_role("heading", name="Keyhouse is not set up yet")).to_be_visible()
    assert walk.house.child is not None
    links = re.findall(r"http://\S+/set-up/\S+", walk.house.child.said)
    page.goto(links[-1])
    expect(page.get_by_label("Time zone")).to_have_value("Europe/Berlin")
    page.get_by_label("Organization").fill("Meridian Freight")
    page.get_by_label("Your e-mail").fill(EMAIL)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    expect(page.get_by_text("18 characters: long enough.")).to_be_visible()
    page.get_by_role("button", name="Show the password").click()
    expect(page.get_by_label("Password", exact=True)).to_have_attribute("type", "text")
    walk.look("set-up")
    page.get_by_role("button", name="Create organization").click()
    expect(page.get_by_role("heading", name="No keys yet")).to_be_visible()
    walk.look("no-keys")


def sign_out_and_in(walk: Walk) -> None:
    page = walk.page
    sign_out(walk)
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password", exact=True).fill("not the password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("E-mail or password is wrong.")).to_be_visible()
    expect(page.get_by_label("E-mail")).to_have_value(EMAIL)
    walk.look("sign-in")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="API keys")).to_be_visible()


def sign_out(walk: Walk) -> None:
    walk.open_menu()
    walk.page.get_by_label("Your account").click()
    walk.page.get_by_role("button", name="Sign out").click()
    expect(walk.page.get_by_role("heading", name="Sign in")).to_be_visible()


def create(walk: Walk) -> str:
    page = walk.page
    page.keyboard.press("c")
    sheet = page.get_by_role("dialog", name="Create API key")
    expect(sheet).to_be_visible()
    expect(sheet.get_by_label("Name", exact=True)).to_be_focused()
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    create_button = page.get_by_role("link", name="Create key")
    expect(create_button).to_be_focused()
    create_button.click()
    sheet.get_by_role("button", name="Create key").click()
    expect(sheet.get_by_text("Name the key after what will use it.")).to_be_visible()
    sheet.get_by_label("Name", exact=True).fill(NAME)
    sheet.get_by_text("Chat only").click()
    sheet.get_by_label("Budget", exact=True).fill("50.00")
    expect(
        sheet.get_by_text(f"{NAME} may chat with every model for Default project, spend at most $50.00")
    ).to_be_visible()
    walk.look("create")
    sheet.get_by_role("button", name="Create key").click()
    secret = store(walk, "Store this secret now")
    expect(create_button).to_be_focused()
    expect(page.get_by_role("link", name=NAME)).to_be_visible()
    expect(page.get_by_text("1 key in 1 project.")).to_be_visible()
    expect(page.get_by_role("search")).to_be_visible()
    walk.look("keys")
    return secret


def store(walk: Walk, title: str) -> str:
    """What a person does with a secret that is shown once; returns it as the clipboard has it."""
    page = walk.page
    dialog = page.get_by_role("dialog", name=title)
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.mouse.click(5, 5)
    expect(dialog).to_be_visible()
    secret = (dialog.locator("#secret").text_content() or "").strip()
    assert re.fullmatch(r"sk-kh_[0-9A-Za-z]{10}_[0-9A-Za-z]{38}", secret)
    assert secret not in page.url
    for form in (".env", "Python", "JavaScript", "curl"):
        dialog.get_by_text(form, exact=True).click()
        expect(dialog.locator(".snippet:visible")).to_have_count(1)
        expect(dialog.locator(".snippet:visible")).to_contain_text(f"{walk.house.url}/v1")
    told = dialog.locator("[data-answer]").bounding_box()
    assert told is not None
    assert told["width"] > 300, "a line, not a column of letters"
    dialog.get_by_role("button", name="Test call").click()
    expect(dialog.get_by_text(re.compile(r"The key works\. keyhouse-demo answered in \d+ ms\."))).to_be_visible()
    expect(dialog.get_by_text(re.compile(r"[1-9]\d* input \+ [1-9]\d* output tokens, \$0\.0"))).to_be_visible()
    walk.look(title)
    answer = dialog.locator("[data-answer]").evaluate("one => getComputedStyle(one).display")
    assert answer == "block"  # Its words stand in lines.
    dialog.get_by_role("button", name="Copy", exact=True).click()
    expect(dialog.get_by_text("Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == secret
    dialog.get_by_role("link", name="I have stored it").click()
    expect(page.locator("#secret")).to_have_count(0)
    assert secret not in page.content()
    return secret


def see_usage(walk: Walk) -> None:
    page = walk.page
    walk.open_menu()
    page.get_by_role("navigation", name="Pages", exact=True).get_by_role("link", name="Usage").click()
    expect(page.get_by_role("heading", name="Usage", exact=True)).to_be_visible()
    expect(page.locator(".plot svg").first).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("^keyhouse-demo 1 "))).to_be_visible()
    walk.look("usage")
    page.get_by_role("link", name="Key", exact=True).click()
    expect(page.get_by_role("row", name=re.compile(f"^{NAME} 1 "))).to_be_visible()


def rotate(walk: Walk) -> str:
    page = walk.page
    page.goto("/api-keys")
    expect(page.get_by_text("just now").first).to_be_visible()
    page.get_by_role("link", name=NAME).click()
    expect(page.get_by_role("heading", name=NAME)).to_be_visible()
    page.get_by_role("link", name="Rotate").click()
    dialog = page.get_by_role("dialog", name=f"Rotate {NAME}")
    expect(dialog.get_by_label("in 24 hours")).to_be_checked()
    walk.look("rotate")
    dialog.get_by_role("button", name="Rotate key").click()
    secret = store(walk, "Store the new secret now")
    page.reload()
    expect(page.get_by_role("heading", name="1 request used the old secret in the last hour")).to_be_visible()
    walk.look("rotating")
    page.get_by_role("link", name="End old secret now").click()
    page.get_by_role("dialog").get_by_role("button", name="End old secret").click()
    expect(page.get_by_text(f"{NAME} has one secret again")).to_be_visible()
    expect(page.get_by_role("cell", name="Ended", exact=True)).to_be_visible()
    return secret


def disable_and_enable(walk: Walk) -> None:
    page = walk.page
    page.goto("/api-keys")
    page.get_by_label(f"More for {NAME}").click()
    walk.look("menu")
    page.get_by_role("button", name="Disable").click()
    expect(page.get_by_text(f"{NAME} is disabled")).to_be_visible()
    walk.look("disabled")
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text(f"{NAME} is enabled")).to_be_visible()
    assert "done=" not in page.url


def revoke(walk: Walk) -> None:
    page = walk.page
    page.get_by_label(f"More for {NAME}").click()
    page.get_by_role("link", name="Revoke…").click()
    dialog = page.get_by_role("dialog", name=f"Revoke {NAME}")
    expect(dialog.get_by_text("2 requests")).to_be_visible()
    dialog.get_by_label("Type the key’s name to confirm").fill(NAME)  # noqa: RUF001  as the page writes it
    walk.look("revoke")
    dialog.get_by_role("button", name="Revoke key").click()
    expect(page.get_by_text(f"{NAME} is revoked")).to_be_visible()
    page.goto("/api-keys")
    expect(page.get_by_role("link", name=NAME)).to_have_count(0)
    page.goto("/api-keys?status=revoked")
    expect(page.get_by_role("link", name=NAME)).to_be_visible()
    walk.look("revoked")
