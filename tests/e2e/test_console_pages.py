"""Every page of the console in a real browser, as each role sees it, against a real Keyhouse that has served calls.

One browser and one house for all of it. Whatever a browser complains about, and whatever axe-core finds, fails; so
does a secret in any answer but the one that makes it.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, expect

from e2e.admin import Admin
from e2e.browsing import PASSWORD, Scheme, Visitor, leaks
from e2e.console_pages import NO_PAGES, OPEN_TO_ALL, PAGES, ROLES, Listed
from e2e.processes import PASSWORD as OWNERS_PASSWORD
from e2e.processes import House
from e2e.recorder import Recorder
from e2e.test_console_trying import ask
from keyhouse.console.policy import POLICY

pytestmark = pytest.mark.timeout(300)

SEATS: Final[tuple[tuple[str, int, Scheme], ...]] = (
    ("owner", 1440, "light"),
    ("owner", 390, "dark"),
    ("reader", 1440, "dark"),
    ("manager", 390, "light"),
    ("member", 390, "dark"),
    ("viewer", 1440, "light"),
)
"""So that every page is seen at both widths and in both schemes."""

DESK: Final = 1440
ALL_SEATS: Final = tuple(product(ROLES, (DESK, 390), ("light", "dark")))
MAY_CREATE = ("owner", "manager", "member")
SHOWN_TO_ALL: Final = ("/api-keys", "/api-keys/{key_id}", "/usage", "/limits/new", "/audit-log", "/help", "/hygiene")
"""Pages that look different to those who are not owners, or are refused to them; on the long walk they see all."""


class World(NamedTuple):
    """A Keyhouse with a key, a call and a limit, and how to come in as each role."""

    house: House
    recorder: Recorder
    ids: dict[str, str]
    secrets: dict[str, str]
    states: dict[str, str]


@pytest.fixture(scope="module")
def world(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("pages")
    house = House(folder)
    house.init()
    house.start()
    with Recorder(house.port) as recorder, Admin(house) as admin:
        key = admin.create_key("walked")
        rotated = admin.rotate(key["id"], 86_400)
        limit = admin.limit(("organization", admin.organization_id), "usd", "month", "100")
        states = {}
        for role in ROLES:
            with Visitor(browser, recorder.url) as visitor:
                if role == "owner":
                    visitor.sign_in("ada@example.com", OWNERS_PASSWORD)
                    ask(visitor.page)
                else:
                    visitor.join(invited(admin, role).replace(house.url, recorder.url))
                states[role] = str(folder / f"{role}.json")
                visitor.context.storage_state(path=states[role])
        late = admin.ask("POST", "/invites", body={"email": "late@example.com", "role": "reader"})
        clerk = {"role_name": "clerk", "permissions": ["api.organization.users.read"]}
        spare = {"name": "spare", "base_url": "https://spare.example.com/v1"}
        keeper = {"role_name": "keeper", "permissions": ["api.organization.projects.limits.write"]}
        projects_roles = f"{house.url}/v1/projects/{admin.project_id}/roles"
        (call,) = house.rows("SELECT id FROM calls")
        (viewer,) = house.rows("SELECT id FROM users WHERE email = 'viewer@example.com'")
        ids = {
            "key_id": key["id"],
            "call_id": call["id"],
            "limit_id": limit["id"],
            "invite_id": late["id"],
            "user_id": viewer["id"],
            "project_id": admin.project_id,
            "group_id": admin.ask("POST", "/groups", body={"name": "Clerks"})["id"],
            "upstream_id": admin.ask("POST", "/upstreams", body=spare)["id"],
            "model_id": admin.ask("POST", "/models", body={"name": "large", "upstreams": ["spare"]})["id"],
            "admin_key_id": admin.ask("GET", "/admin_api_keys")["data"][0]["id"],
            "role_id": admin.ask("POST", "/roles", body=clerk)["id"],
            "project_role_id": admin.ask("POST", projects_roles, body=keeper)["id"],
        }
        clerks = ids["group_id"]
        admin.ask("POST", f"/groups/{clerks}/users", body={"user_id": viewer["id"]})
        in_project = {"role_id": "role-api-project-viewer"}
        admin.ask("POST", f"{house.url}/v1/projects/{admin.project_id}/groups/{clerks}/roles", body=in_project)
        secrets = {
            "admin key": admin.admin_key,
            "old secret": key["value"],
            "new secret": rotated["value"],
            "owner's password": OWNERS_PASSWORD,
            "others' password": PASSWORD,
            "invite": late["url"].rpartition("/")[2],
        }
        yield World(house, recorder, ids, secrets, states)
    house.stop()


def invited(admin: Admin, role: str) -> str:
    """The link that lets someone in as this."""
    inside = {"manager": "owner", "member": "member", "viewer": "viewer"}.get(role)
    projects = [{"id": admin.project_id, "role": inside}] if inside else []
    body = {"email": f"{role}@example.com", "role": "member" if inside else role, "projects": projects}
    return str(admin.ask("POST", "/invites", body=body)["url"])


@pytest.fixture
def owner(browser: Browser, world: World) -> Iterator[Visitor]:
    """The owner at a desk."""
    with Visitor(browser, world.house.url, storage_state=world.states["owner"]) as made:
        yield made
    assert made.complaints == []


def test_the_table_of_pages_has_every_page() -> None:
    routes = {path for method, path in POLICY if method == "GET"}
    listed = [page.route for page in PAGES]
    assert len(set(listed)) == len(listed)
    assert routes == {*listed, *OPEN_TO_ALL, *NO_PAGES}, "a page is walked once it stands in e2e/console_pages.py"
    for wanted in (1440, 390, "light", "dark"):
        assert any(wanted in seat for seat in SEATS if seat[0] == "owner"), "owners see every page"
    assert {role for role, _, _ in SEATS} == set(ROLES)


@pytest.mark.parametrize(("role", "width", "scheme"), SEATS)
def test_each_role_sees_its_pages_and_is_told_of_the_others(
    browser: Browser, world: World, role: str, width: int, scheme: Scheme
) -> None:
    pages = PAGES if role == "owner" else tuple(listed for listed in PAGES if listed.route in SHOWN_TO_ALL)
    # axe-core takes most of the time: of the owner's two seats one has every other page, and the other seat the rest.
    examined = pages[width == DESK :: 2] if role == "owner" else pages
    walk_as(browser, world, role, width, scheme, pages, examined)


@pytest.mark.soak
@pytest.mark.parametrize(("role", "width", "scheme"), ALL_SEATS)
def test_each_role_sees_its_pages_at_every_width_and_in_every_scheme(
    browser: Browser, world: World, role: str, width: int, scheme: Scheme
) -> None:
    walk_as(browser, world, role, width, scheme, PAGES, PAGES)


def walk_as(
    browser: Browser,
    world: World,
    role: str,
    width: int,
    scheme: Scheme,
    pages: Sequence[Listed],
    examined: Sequence[Listed],
) -> None:
    """See these pages as this role, some of them with axe-core, then do what it may."""
    began = len(world.recorder.answers)
    state = world.states[role]
    with Visitor(browser, world.recorder.url, width=width, scheme=scheme, storage_state=state) as visitor:
        if role == "owner":
            confirm(visitor)
            visitor.context.storage_state(path=state)  # The session has a new cookie.
        for listed in pages:
            see_one(visitor, listed, role, world.ids)
            if listed in examined:
                visitor.examine(listed.route)
        if role in MAY_CREATE:
            made = create_and_disable(visitor, f"by {role} at {width}, {scheme}")
        else:
            made = ""
            may_only_look(visitor, world.ids["key_id"])
        cookies = {f"cookie {cookie['name']}": cookie["value"] for cookie in visitor.context.cookies()}
    assert visitor.complaints == []
    answers = world.recorder.answers[began:]
    assert len(answers) > len(pages)
    found = leaks(answers, world.secrets | {name: value for name, value in cookies.items() if len(value) > 8})
    assert found == []
    if made:
        assert leaks(answers, {"made": made}) == [("made", "POST", "/api-keys")]


def confirm(visitor: Visitor) -> None:
    """Give the owner's password again: all walks together take longer than it holds good."""
    page = visitor.see("/confirm")
    page.get_by_label("Password", exact=True).fill(OWNERS_PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="API keys")).to_be_visible()


def see_one(visitor: Visitor, listed: Listed, role: str, ids: dict[str, str]) -> None:
    """See a page, or be told why not and what to do."""
    path = listed.route.format(**ids)
    if role in listed.missing:
        page = visitor.see(path, 404)
        expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("There is no .* in this organization"))
        return
    if role in listed.refused:
        page = visitor.see(path, 403)
        expect(page.get_by_text(re.compile(r"can give you a role that has it: .*ada@example\.com"))).to_be_visible()
        return
    page = visitor.see(path)
    dialog = page.locator("dialog[open] h2")
    title = dialog.first if dialog.count() else page.get_by_role("heading", level=1)
    expect(title).to_have_text(re.compile(f"^{listed.title}$"))
    email = "ada@example.com" if role == "owner" else f"{role}@example.com"
    if page.locator("nav.pages").count():  # Who is asked for their password again has no menu.
        expect(page.get_by_text(email).locator("visible=true").first).to_be_visible()


def create_and_disable(visitor: Visitor, name: str) -> str:
    """Make a key, find it in the list, and disable it; its secret."""
    page = visitor.see("/api-keys")
    page.get_by_role("link", name="Create key").click()
    sheet = page.get_by_role("dialog", name="Create API key")
    sheet.get_by_label("Name", exact=True).fill(name)
    sheet.get_by_role("button", name="Create key").click()
    dialog = page.get_by_role("dialog", name="Store this secret now")
    secret = (dialog.locator("#secret").text_content() or "").strip()
    visitor.examine("the secret's dialog")
    with page.expect_response("**/api-keys"):  # The list behind is asked for again.
        dialog.get_by_role("link", name="I have stored it").click()
    expect(page.get_by_role("link", name=name)).to_be_visible()
    page.get_by_label(f"More for {name}").click()
    page.get_by_role("button", name="Disable").click()
    expect(page.get_by_text(f"{name} is disabled")).to_be_visible()
    return secret


def may_only_look(visitor: Visitor, key_id: str) -> None:
    """Nothing is offered that this person may not do."""
    page = visitor.see("/api-keys")
    expect(page.get_by_role("link", name="walked")).to_be_visible()
    expect(page.get_by_role("link", name="Create key")).to_have_count(0)
    page = visitor.see(f"/api-keys/{key_id}")
    for name in ("Rotate", "Edit", "End old secret now", "Set a limit"):
        expect(page.get_by_role("link", name=name)).to_have_count(0)
    expect(page.get_by_role("button", name="Disable")).to_have_count(0)


@pytest.mark.parametrize(("width", "scheme"), [(1440, "dark"), (390, "light")])
def test_pages_before_signing_in(browser: Browser, world: World, width: int, scheme: Scheme) -> None:
    link = f"/invite/{world.secrets['invite']}"
    folder = ("--data", str(world.house.data))
    reset = world.house.command("reset-password", *folder, "--email", "ada@example.com", "--json").json["url"]
    statuses = {
        "/sign-in": 200,
        "/set-up": 200,
        link: 200,
        "/invite/guess": 410,
        "/forgotten-password": 200,
        urlsplit(reset).path: 200,
        "/new-password/guess": 410,
        "/docs": 200,
        "/nothing": 404,
    }
    with Visitor(browser, world.recorder.url, width=width, scheme=scheme) as visitor:
        for path, status in statuses.items():
            visitor.see(path, status)
            if width == 1440 or path != "/docs":  # It is as long as all other pages together.
                visitor.examine(path)
        visitor.page.goto("/api-keys")
        expect(visitor.page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert visitor.complaints == []


def test_a_limit_is_set_changed_replayed_and_deleted(owner: Visitor) -> None:
    page = owner.page
    page.goto("/limits")
    page.get_by_role("link", name="Set a limit").first.click()
    sheet = page.get_by_role("dialog", name="Set a limit")
    sheet.get_by_label("At most").fill("1,000")
    sheet.get_by_label("In", exact=True).select_option("day")
    sheet.get_by_role("button", name="Set limit").click()
    expect(page.get_by_role("row", name=re.compile(r"Acme.*\$1,000"))).to_be_visible()
    row = page.get_by_role("row", name=re.compile(r"\$1,000"))
    row.get_by_label(re.compile("More for the limit on Acme")).click()
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
    row = page.get_by_role("row", name=re.compile(r"\$2,000"))
    row.get_by_label(re.compile("More for the limit on Acme")).click()
    page.get_by_role("link", name="Delete…").click()
    page.get_by_role("button", name="Delete limit").click()
    expect(page.get_by_text("$2,000", exact=True)).to_have_count(0)


def test_whose_key_it_is_is_told_without_the_secret_coming_back(browser: Browser, world: World) -> None:
    began = len(world.recorder.answers)
    with Visitor(browser, world.recorder.url, storage_state=world.states["owner"]) as visitor:
        page = visitor.see("/help")
        page.locator("form[action='/help'] input[name]:not([type=hidden])").fill(world.secrets["new secret"])
        page.locator("form[action='/help'] button[type=submit]").click()
        expect(page.get_by_role("link", name="walked")).to_be_visible()
        visitor.examine("/help with an answer")
    assert visitor.complaints == []
    assert leaks(world.recorder.answers[began:], world.secrets) == []
