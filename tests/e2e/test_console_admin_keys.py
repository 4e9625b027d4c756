"""From the one-time link to a call of the Admin API: the first admin key is made in the console, and so is the next.

By a browser with its scripts at a desk, and by one without any on a phone.
"""

import re

import pytest
from openai import AuthenticationError, OpenAI
from playwright.sync_api import Browser, Page, expect

from e2e.browsing import PASSWORD, Visitor, leaks
from e2e.processes import House
from e2e.recorder import Recorder

pytestmark = pytest.mark.timeout(180)
NAME = "terraform"


@pytest.mark.parametrize(("width", "has_script"), [(1440, True), (390, False)])
def test_from_the_set_up_link_to_the_admin_api(browser: Browser, fresh: House, width: int, has_script: bool) -> None:
    with Recorder(fresh.port) as recorder:
        with Visitor(browser, recorder.url, width=width, java_script_enabled=has_script) as visitor:
            page = visitor.page
            set_up(page, fresh)
            first = create(visitor)
            assert projects(fresh, first) == ["Default project"]
            with_command(fresh, first)
            revoke(visitor)
            with pytest.raises(AuthenticationError, match="Create a new key in the console"):
                projects(fresh, first)
            expect(page.get_by_role("heading", name="No admin key")).to_be_visible()
            second = create(visitor)
            assert projects(fresh, second) == ["Default project"]
            assert visitor.complaints == []
        found = leaks(recorder.answers, {"first": first, "second": second, "password": PASSWORD})
        assert found == [(name, "POST", "/settings/admin-keys") for name in ("first", "second")]
    assert fresh.child is not None
    assert first not in fresh.child.said


def set_up(page: Page, house: House) -> None:
    assert house.child is not None
    page.goto(re.findall(r"http://[^/\s]+(/set-up/\S+)", house.child.said)[-1])
    page.get_by_label("Organization").fill("Meridian Freight")
    page.get_by_label("Your e-mail").fill("mira@meridian.example")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Create organization").click()
    expect(page.get_by_role("heading", name="No keys yet")).to_be_visible()


def create(visitor: Visitor) -> str:
    """Find the page from the settings, and make a key there; its secret."""
    page = visitor.see("/settings/account")
    page.get_by_role("navigation", name="Settings").get_by_role("link", name="Admin keys").click()
    expect(page.get_by_role("heading", name="Admin keys", exact=True)).to_be_visible()
    page.get_by_role("link", name="Create admin key").click()
    dialog = page.get_by_role("dialog", name="Create admin key")
    dialog.get_by_role("button", name="Create admin key").click()
    expect(dialog.get_by_text("Name the key after what will use it.")).to_be_visible()
    expect(dialog.get_by_label("Expires on")).to_be_hidden()
    dialog.get_by_text("Pick a date").click()
    expect(dialog.get_by_label("Expires on")).to_be_visible()
    dialog.get_by_text("30 days").click()
    dialog.get_by_label("Name", exact=True).fill(NAME)
    dialog.get_by_role("button", name="Create admin key").click()
    shown = page.get_by_role("dialog", name="Store this secret now")
    secret = (shown.locator("#secret").text_content() or "").strip()
    assert re.fullmatch(r"sk-admin-kh_[0-9A-Za-z]{10}_[0-9A-Za-z]{38}", secret)
    for form in ("curl", "Python", "Terraform", ".env"):
        shown.get_by_text(form, exact=True).click()
        expect(shown.locator(".snippet:visible")).to_have_count(1)
    shown.get_by_role("link", name="I have stored it").click()
    expect(page.locator("#secret")).to_have_count(0)
    expect(page.get_by_role("row", name=re.compile(f"{NAME}.*Active.*mira@meridian.example"))).to_be_visible()
    visitor.look("the list")
    return secret


def revoke(visitor: Visitor) -> None:
    page = visitor.see("/settings/admin-keys")
    page.get_by_label(f"More for {NAME}").click()
    page.get_by_role("link", name="Revoke…").click()
    dialog = page.get_by_role("dialog", name=f"Revoke {NAME}")
    dialog.get_by_label("confirm").fill("another name")
    dialog.get_by_role("button", name="Revoke admin key").click()
    expect(page.get_by_text(f"Type {NAME}, exactly.")).to_be_visible()
    page.get_by_label("confirm").fill(NAME)
    page.get_by_role("button", name="Revoke admin key").click()


def projects(house: House, admin_key: str) -> list[str | None]:
    """The projects, as OpenAI's own client lists them with this key."""
    with OpenAI(base_url=f"{house.url}/v1", admin_api_key=admin_key, max_retries=0) as client:
        return [project.name for project in client.admin.organization.projects.list()]


def with_command(house: House, admin_key: str) -> None:
    """The command works with it, too, and says where one comes from without it."""
    denied = house.command("projects", "list")
    assert (denied.status, "Settings, Admin keys" in denied.talk) == (4, True)
    house.established["admin_key"] = admin_key
    assert [one["name"] for one in house.command("projects", "list", "--json").json["data"]] == ["Default project"]
    del house.established["admin_key"]
