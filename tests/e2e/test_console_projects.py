"""The menus in a real browser: the project switch by keyboard at a desk, on a phone and without a script; the line of
the settings on a phone.
"""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from e2e.admin import Admin
from e2e.browsing import Visitor
from e2e.processes import PASSWORD, House

pytestmark = pytest.mark.timeout(180)
EMAIL = "ada@example.com"
PROJECT = "Zeppelin"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A Keyhouse with a key in each of two projects."""
    made = House(tmp_path_factory.mktemp("projects"))
    made.init()
    made.start()
    with Admin(made) as admin:
        admin.create_key("everywhere")
        project = admin.ask("POST", "/projects", body={"name": PROJECT})["id"]
        admin.ask("POST", f"/projects/{project}/api_keys", body={"name": "only-here"})
    yield made
    made.stop()


def keys_on(page: Page) -> list[str]:
    return page.locator(".keys a.name").all_inner_texts()


def test_a_project_is_chosen_by_keyboard_and_kept_and_left_again(browser: Browser, house: House) -> None:
    with Visitor(browser, house.url) as visitor:
        visitor.sign_in(EMAIL, PASSWORD)
        page = visitor.page
        page.wait_for_load_state()
        assert {"everywhere", "only-here"} <= set(keys_on(page))
        visitor.press(page.locator("#place summary"))
        expect(page.get_by_role("link", name="All projects")).to_be_visible()
        for _ in ("All projects", "Default project", PROJECT):
            page.keyboard.press("ArrowDown")
        expect(page.get_by_role("link", name=PROJECT)).to_be_focused()
        visitor.examine("the open switch")
        page.keyboard.press("Enter")
        expect(page.locator("#place summary")).to_contain_text(PROJECT)
        assert keys_on(page) == ["only-here"]
        visitor.press(page.get_by_role("link", name="Costs", exact=True))
        expect(page).to_have_url(re.compile(r"/costs\?project=proj_\w+$"))
        expect(page.get_by_role("heading", name="Costs", exact=True)).to_be_visible()
        visitor.press(page.get_by_role("link", name="Members", exact=True))
        expect(page.get_by_role("heading", name="Members")).to_be_visible()
        visitor.press(page.get_by_role("link", name="API keys", exact=True))
        expect(page.locator(".keys a.name")).to_have_text(["only-here"])
        page.go_back()
        page.go_back()
        expect(page.get_by_role("heading", name="Costs", exact=True)).to_be_visible()
        expect(page.locator("#place summary")).to_contain_text(PROJECT)
        visitor.press(page.locator("#place summary"))
        page.keyboard.press("Escape")
        expect(page.locator("#place")).not_to_have_attribute("open", "")
        visitor.press(page.locator("#place summary"))
        visitor.press(page.get_by_role("link", name="All projects"))
        expect(page).to_have_url(re.compile(r"/costs$"))
        assert visitor.complaints == []


def test_the_filter_of_the_list_moves_the_switch_along(browser: Browser, house: House) -> None:
    with Visitor(browser, house.url) as visitor:
        visitor.sign_in(EMAIL, PASSWORD)
        page = visitor.page
        page.get_by_label("Project", exact=True).select_option(PROJECT)
        expect(page.locator(".keys a.name")).to_have_text(["only-here"])
        expect(page.locator("#place summary")).to_contain_text(PROJECT)
        page.get_by_role("link", name="Limits", exact=True).click()
        expect(page.get_by_text(f"No limits on {PROJECT} yet")).to_be_visible()
        assert visitor.complaints == []


@pytest.mark.parametrize("is_scripted", [True, False])
def test_on_a_phone_the_menu_has_it_too(browser: Browser, house: House, *, is_scripted: bool) -> None:
    with Visitor(browser, house.url, width=390, java_script_enabled=is_scripted) as visitor:
        visitor.sign_in(EMAIL, PASSWORD)
        page = visitor.page
        expect(page.locator(".topbar").get_by_text(EMAIL)).to_be_visible()
        visitor.open_menu()
        expect(page.locator(".side").get_by_text(EMAIL)).to_be_in_viewport()
        page.locator("#place summary").click()
        page.get_by_role("link", name=PROJECT).click()
        expect(page.locator(".topbar")).to_contain_text(PROJECT)
        expect(page.locator(".topbar").get_by_text(EMAIL)).to_be_visible()
        assert keys_on(page) == ["only-here"]
        assert visitor.complaints == []


def test_on_a_phone_the_line_of_the_settings_begins_with_the_present_entry(browser: Browser, house: House) -> None:
    with Visitor(browser, house.url, width=390) as visitor:
        visitor.sign_in(EMAIL, PASSWORD)
        page = visitor.page
        for path, name in (("account", "Account"), ("models", "Models and prices"), ("ledger", "Ledger")):
            page.goto(f"/settings/{path}")
            entry = page.get_by_role("navigation", name="Settings").get_by_role("link", name=name)
            expect(entry).to_have_attribute("aria-current", "page")
            expect(entry).to_be_in_viewport(ratio=1)
        assert page.evaluate("scrollY") == 0
        assert visitor.complaints == []


@pytest.mark.parametrize("is_scripted", [True, False])
def test_a_key_is_made_for_a_new_service_account(browser: Browser, house: House, *, is_scripted: bool) -> None:
    name = f"robot-{is_scripted}"
    with Visitor(browser, house.url, java_script_enabled=is_scripted) as visitor:
        visitor.sign_in(EMAIL, PASSWORD)
        page = visitor.see("/api-keys/new")
        page.wait_for_load_state()
        sheet = page.get_by_role("dialog", name="Create API key")
        sheet.get_by_label("Name", exact=True).fill(name)
        sheet.get_by_label("Project", exact=True).select_option("Default project")
        named = sheet.get_by_label("New service account")
        expect(named).to_be_visible(visible=not is_scripted)
        sheet.get_by_text("Service account", exact=True).first.click()
        sheet.get_by_role("combobox", name="Service account").select_option("New service account")
        named.fill(f"{name}-account")
        if is_scripted:
            expect(sheet.locator("[data-sentence]")).to_contain_text(f"{name} of {name}-account may do anything")
            visitor.examine("a key of a service account")
        sheet.get_by_role("button", name="Create key").click()
        expect(page.locator("#secret")).to_have_text(re.compile("^sk-svcacct-kh_"))
        page.goto("/api-keys?owner=machines&may=all")
        expect(page.get_by_role("row", name=name)).to_contain_text(f"{name}-account")
        expect(page.get_by_role("row", name=name)).to_contain_text("Default project")
        assert visitor.complaints == []


def test_a_download_says_how_many_rows_it_has(browser: Browser, house: House) -> None:
    with Visitor(browser, house.url) as visitor:
        visitor.sign_in(EMAIL, PASSWORD)
        page = visitor.see("/costs/statement")
        page.wait_for_load_state()
        link = page.get_by_role("link", name="CSV")
        with page.expect_download() as downloaded:
            link.click()
            expect(page.get_by_role("status").filter(has_text="0 rows")).to_be_visible()
        assert re.fullmatch(r"keyhouse-statement-\d{4}-\d\d\.csv", downloaded.value.suggested_filename)
        assert downloaded.value.path().read_text().startswith("project,model,requests")
        expect(link).to_be_visible()
        assert visitor.complaints == []
