"""The console on the real control plane and a real database, asked over ASGI as a browser would."""

import html
import re
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import Connection, delete, update

from given import AUDIT_KEY, FakeClock, a_database, quick_passwords, seeded_entropy
from keyhouse.catalog import Catalog, Given, model_of, upstream_of
from keyhouse.console import Desk, build
from keyhouse.console.desk import CatalogDesk
from keyhouse.control.account import Accounts
from keyhouse.control.assignments import Assignments
from keyhouse.control.grantors import naming_owners
from keyhouse.control.groups import Groups
from keyhouse.control.invites import Invites
from keyhouse.control.keys import Keys
from keyhouse.control.limits import Limits
from keyhouse.control.model_permissions import ModelPermissions
from keyhouse.control.organizations import Organizations
from keyhouse.control.people import People
from keyhouse.control.playground import Playground
from keyhouse.control.policies import Policies
from keyhouse.control.projects import Projects
from keyhouse.control.roles import Roles
from keyhouse.control.served_models import Models
from keyhouse.control.service_accounts import ServiceAccounts
from keyhouse.control.setup import Setup
from keyhouse.control.sign_in import SignIn
from keyhouse.control.upstreams import Upstreams
from keyhouse.core.sealing import SealingKey
from keyhouse.core.written import Configured, WrittenModel, WrittenUpstream
from keyhouse.furniture import failures_of, reference, served_now
from keyhouse.gateway.probing import Probe
from keyhouse.gateway.upstream import UpstreamClient
from keyhouse.identity.passwords import Passwords
from keyhouse.identity.sessions import Sessions
from keyhouse.identity.throttle import Throttle
from keyhouse.ledger.auditor import audit
from keyhouse.ledger.book import Ledger
from keyhouse.ledger.commit import GroupCommit
from keyhouse.ledger.watch import Watch
from keyhouse.reporting.audit import AuditQuestions
from keyhouse.reporting.callers import CallerQuestions
from keyhouse.reporting.calls import CallQuestions
from keyhouse.reporting.catalog import CatalogQuestions
from keyhouse.reporting.costs import CostQuestions
from keyhouse.reporting.groups import GroupQuestions
from keyhouse.reporting.health import HealthQuestions
from keyhouse.reporting.hygiene import Hygiene
from keyhouse.reporting.inspections import Inspections
from keyhouse.reporting.keys import KeyQuestions
from keyhouse.reporting.limit_pages import LimitPages
from keyhouse.reporting.limits import LimitQuestions
from keyhouse.reporting.listings import Listings
from keyhouse.reporting.member_pages import MemberPages
from keyhouse.reporting.names import Names
from keyhouse.reporting.networks import NetworkQuestions
from keyhouse.reporting.people import PeopleQuestions
from keyhouse.reporting.performance import PerformanceQuestions
from keyhouse.reporting.project_pages import ProjectPages
from keyhouse.reporting.projects import ProjectQuestions
from keyhouse.reporting.replay import Replays
from keyhouse.reporting.service_accounts import ServiceAccountQuestions
from keyhouse.reporting.usage import UsageQuestions
from keyhouse.store import schema
from keyhouse.store.books_sqlite import SqliteBooks
from keyhouse.store.sqlite import SqliteDatabase

ORIGIN = "http://127.0.0.1:8080"
PEPPER = b"p" * 32
RESET_KEY = b"r" * 32
SEALING = SealingKey("1", b"s" * 32)
PASSWORD = "tracks lemon fjord"
EMAIL = "mira@meridian.example"


@dataclass(repr=False)  # asyncio writes a task's result out whenever a loop is run, and this holds all there is
class Console:
    """What a test works with. `browser` keeps cookies and says where its forms come from."""

    desk: Desk
    database: SqliteDatabase
    clock: FakeClock
    browser: httpx.AsyncClient
    forgotten: list[str] = field(default_factory=list)
    printed: list[str] = field(default_factory=list)

    async def page(self, path: str) -> str:
        """The page at this path, which must be there."""
        answer = await self.browser.get(path)
        assert answer.status_code == 200, (path, answer.status_code, answer.headers.get("location"))
        return answer.text

    async def send(self, path: str, *, form_at: str, **fields: Any) -> httpx.Response:
        """Send a form with the token that stands on the page `form_at`."""
        token = token_on((await self.browser.get(form_at)).text)
        return await self.browser.post(path, data={"csrf": token, **fields})

    async def set_up(self) -> None:
        """Make the first organization through its pages; the browser is signed in afterwards."""
        path = f"/set-up/{self.desk.setup.new_link_token()}"
        answer = await self.send(
            path,
            form_at=path,
            organization="Meridian Freight",
            email=EMAIL,
            password=PASSWORD,
            time_zone="Europe/Berlin",
        )
        assert answer.status_code == 303, answer.text

    async def create(self, name: str = "support-triage", **fields: Any) -> tuple[str, str]:
        """A key made through its sheet: its id and its secret."""
        answer = await self.create_answer(name=name, **fields)
        assert answer.status_code == 201, answer.text
        secret = secret_in(answer.text)
        return "key_" + secret.split("_")[1], secret

    async def create_answer(self, **fields: Any) -> httpx.Response:
        """What the create sheet answers to this."""
        page = await self.page("/api-keys/new")
        usual = {"csrf": token_on(page), "project": project_on(page), "may": "all", "expires": "90"}
        return await self.browser.post("/api-keys", data=usual | fields)

    async def become(self, role: str) -> None:
        """Give the person this role in the organization, and none in any project."""

        def write(connection: Connection) -> None:
            connection.execute(update(schema.memberships).values(role=role))
            connection.execute(delete(schema.project_members))

        await self.database.write(write)


def token_on(page: str) -> str:
    """The form token that a page holds."""
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found is not None, page
    return found[1]


def project_on(page: str) -> str:
    """The first project of the create sheet."""
    found = re.search(r'<option value="(proj_[^"]+)"', page)
    assert found is not None
    return found[1]


def secret_in(page: str) -> str:
    """The secret that a page shows."""
    found = re.search(r'<code id="secret"[^>]*>([^<]+)</code>', page)
    assert found is not None, page
    return html.unescape(found[1])


def a_health(database: SqliteDatabase, clock: FakeClock) -> HealthQuestions:
    """The questions about a ledger that serves no calls."""
    commit = GroupCommit(SqliteBooks(database, clock), lambda _what, _error: None)
    ledger, watch = Ledger(commit, clock, {}), Watch(database, clock, lambda _: None)
    return HealthQuestions(database, clock, ledger, commit.tally, watch, lambda: 0, lambda: database.read(audit))


async def nowhere(*_: object) -> None:
    """No gateway stands beside this console: what asks one is tried in tests/e2e."""


async def served_by(database: SqliteDatabase, clock: FakeClock) -> CatalogDesk:
    """Upstreams and models: a configured one of each, and what is added."""
    fixed = WrittenUpstream("fixed", "https://fixed.example.com/v1")
    model = WrittenModel(name="steady", upstreams=("fixed",), input_usd_per_million="1", output_usd_per_million="2.5")
    upstream = upstream_of(fixed, None)
    given = Given(
        Configured((fixed,), (model,)), {"fixed": upstream}, (model_of(model, model.served(), {"fixed": upstream}, 0),)
    )
    catalog, entropy = Catalog(given, database, clock, SEALING), seeded_entropy(12)
    await catalog.reload()
    return CatalogDesk(
        upstreams=Upstreams(database, entropy, SEALING, catalog.configured, catalog.reload),
        models=Models(database, entropy, catalog.configured, catalog.reload),
        questions=CatalogQuestions(database, catalog.configured),
        test=Probe(UpstreamClient(clock), clock, catalog.routing).test,
        served=partial(served_now, catalog.routing),
        cooling=catalog.routing.cool_downs.cooling,
        failures=partial(failures_of, catalog.routing),
        note="The built-in demo model answers.",
    )


@cache
def _premises() -> tuple[Desk, Any]:
    """A desk that each console puts its own things on, and the pages over it: building them takes long.

    The pages keep nothing between requests but their desk.
    """
    desk = object.__new__(Desk)
    return desk, build(desk)


@cache
def _reference() -> Mapping[str, Any]:
    """The description of the API, which is always the same."""
    return reference()


def verbs(database: SqliteDatabase, clock: FakeClock, passwords: Passwords, forgotten: list[str]) -> dict[str, Any]:
    """What pages do. `forgotten` is told of every key that a change concerns."""
    entropy, forget, throttle = seeded_entropy(11), forgotten.append, Throttle(database, clock)
    sessions = Sessions(database, clock, entropy)
    keys = Keys(database, clock, entropy, PEPPER, forget)
    return {
        "setup": Setup(database, clock, entropy, passwords, PEPPER),
        "sign_in": SignIn(database, clock, passwords, sessions, throttle),
        "sessions": sessions,
        "accounts": Accounts(database, clock, passwords, throttle, RESET_KEY),
        "invites": Invites(database, clock, entropy, passwords, throttle, forget),
        "people": People(database, forget),
        "roles": Roles(database, entropy, forget),
        "assignments": Assignments(database, forget),
        "groups": Groups(database, entropy, forget),
        "organizations": Organizations(database, forget),
        "projects": Projects(database, clock, entropy, forget),
        "policies": Policies(database),
        "service_accounts": ServiceAccounts(database, clock, entropy, PEPPER, forget),
        "model_permissions": ModelPermissions(database, forget),
        "keys": keys,
        "playground": Playground(database, clock, keys),
        "limits": Limits(database, clock, entropy),
        "clock": clock,
        "entropy": entropy,
    }


def questions(database: SqliteDatabase, clock: FakeClock) -> dict[str, Any]:
    """What pages show."""
    usage, limit_questions = UsageQuestions(database), LimitQuestions(database, clock)
    return {
        "group_questions": GroupQuestions(database),
        "member_pages": MemberPages(database),
        "people_questions": PeopleQuestions(database),
        "project_pages": ProjectPages(database),
        "service_account_questions": ServiceAccountQuestions(database),
        "project_questions": ProjectQuestions(database),
        "health": a_health(database, clock),
        "key_questions": KeyQuestions(database, clock),
        "listings": Listings(database, clock),
        "inspections": Inspections(database, clock, PEPPER),
        "usage_questions": usage,
        "call_questions": CallQuestions(database, clock),
        "caller_questions": CallerQuestions(database, clock),
        "audit_questions": AuditQuestions(database, AUDIT_KEY),
        "performance_questions": PerformanceQuestions(database),
        "cost_questions": CostQuestions(usage, limit_questions, clock),
        "limit_questions": limit_questions,
        "limit_pages": LimitPages(database, clock),
        "replays": Replays(database, clock),
        "hygiene": Hygiene(database, clock),
        "network_questions": NetworkQuestions(database, clock),
        "naming_owners": partial(naming_owners, database),
        "names": Names(database).names,
    }


@asynccontextmanager
async def a_console(folder: Path, clock: FakeClock) -> AsyncIterator[Console]:
    """A console that nobody has set up."""
    database = a_database(folder, clock)
    forgotten: list[str] = []
    printed: list[str] = []
    with ThreadPoolExecutor(1) as executor:
        desk = Desk(
            **verbs(database, clock, quick_passwords(executor), forgotten),
            **questions(database, clock),
            catalog=await served_by(database, clock),
            reference=_reference(),
            gateway=nowhere,
            engine="SQLite",
            models=lambda: ["keyhouse-demo", "tiny-1"],
            public_url=None,
            print_setup_link=lambda: printed.append("link"),
        )
        shared, app = _premises()
        vars(shared).update(vars(desk))
        transport = httpx.ASGITransport(app, client=("127.0.0.1", 4711))
        async with httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers={"origin": ORIGIN}) as browser:
            yield Console(shared, database, clock, browser, forgotten, printed)
    await database.close()
