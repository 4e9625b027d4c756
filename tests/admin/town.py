"""Two organizations and the real Admin API over them: a real database, a real socket, a clock that tests turn."""

import asyncio
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

import httpx
import uvicorn
from litestar.types import ASGIApp
from openai import OpenAI
from sqlalchemy import Connection, insert

from given import AUDIT_KEY, NOON, FakeClock, a_database, quick_passwords, seeded_entropy, some_people
from keyhouse.admin.app import build
from keyhouse.admin.office import Office
from keyhouse.admin.policy import ROOT
from keyhouse.catalog import Catalog, Given, upstream_of
from keyhouse.control.admin_keys import AdminKeys
from keyhouse.control.assignments import Assignments
from keyhouse.control.grantors import naming_owners
from keyhouse.control.groups import Groups
from keyhouse.control.invites import Invites
from keyhouse.control.keys import KeyDraft, Keys
from keyhouse.control.limits import Limits
from keyhouse.control.model_permissions import ModelPermissions
from keyhouse.control.people import People
from keyhouse.control.policies import Policies
from keyhouse.control.projects import Projects
from keyhouse.control.rate_limits import RateLimits
from keyhouse.control.roles import Roles
from keyhouse.control.served_models import Models
from keyhouse.control.service_accounts import ServiceAccounts
from keyhouse.control.spend_alerts import SpendAlerts
from keyhouse.control.upstreams import Upstreams
from keyhouse.core.errors import Refusal
from keyhouse.core.sealing import SealingKey
from keyhouse.core.written import Configured, WrittenModel, WrittenUpstream
from keyhouse.gateway.probing import Probe
from keyhouse.gateway.upstream import UpstreamClient
from keyhouse.identity.throttle import Throttle
from keyhouse.reporting.audit import AuditQuestions
from keyhouse.reporting.callers import CallerQuestions
from keyhouse.reporting.calls import CallQuestions
from keyhouse.reporting.catalog import CatalogQuestions
from keyhouse.reporting.groups import GroupQuestions
from keyhouse.reporting.limits import LimitQuestions
from keyhouse.reporting.listings import Listings
from keyhouse.reporting.people import PeopleQuestions
from keyhouse.reporting.projects import ProjectQuestions
from keyhouse.reporting.roles import RoleQuestions
from keyhouse.reporting.service_accounts import ServiceAccountQuestions
from keyhouse.reporting.spend_alerts import SpendAlertQuestions
from keyhouse.reporting.usage import UsageQuestions
from keyhouse.store import schema
from keyhouse.store.engine import Actor
from keyhouse.store.sqlite import SqliteDatabase

T = TypeVar("T")

PEPPER = b"p" * 32
PASSWORDS = quick_passwords()
NOW = NOON // 1000
"""What the town's clock shows, in Unix seconds, until it is turned."""


SEALING = SealingKey("1", b"s" * 32)
CONFIGURED = Configured(
    (WrittenUpstream("fixed", "https://fixed.example/v1"),),
    (WrittenModel(name="vendor/fixed-1", upstreams=("fixed",)),),
)
"""What the town's configuration has."""


class Town:
    """Organization `org-1` of `user-1` with default project `proj_1`, and `org-2` of `user-2` with `proj_2`.

    `owner` and `stranger` are admin keys of the two owners; `reader` and `member` belong to others in `org-1`.
    """

    def __init__(self, database: SqliteDatabase, clock: FakeClock) -> None:
        self.database = database
        self.clock = clock
        self.entropy = seeded_entropy(7)
        self.changed: list[str] = []
        self.keys = Keys(database, clock, self.entropy, PEPPER, self.changed.append)
        fixed = {one.name: upstream_of(one, None) for one in CONFIGURED.upstreams}
        self.catalog = Catalog(Given(CONFIGURED, fixed), database, clock, SEALING)
        self.office = Office(
            admin_keys=AdminKeys(database, clock, PEPPER),
            keys=self.keys,
            limits=Limits(database, clock, self.entropy),
            policies=Policies(database),
            invites=Invites(database, clock, self.entropy, PASSWORDS, Throttle(database, clock), self.changed.append),
            people=People(database, self.changed.append),
            people_questions=PeopleQuestions(database),
            roles=Roles(database, self.entropy, self.changed.append),
            role_questions=RoleQuestions(database),
            assignments=Assignments(database, self.changed.append),
            groups=Groups(database, self.entropy, self.changed.append),
            naming_owners=partial(naming_owners, database),
            group_questions=GroupQuestions(database),
            projects=Projects(database, clock, self.entropy, self.changed.append),
            service_accounts=ServiceAccounts(database, clock, self.entropy, PEPPER, self.changed.append),
            rate_limits=RateLimits(database, self.entropy),
            spend_alerts=SpendAlerts(database, self.entropy),
            model_permissions=ModelPermissions(database, self.changed.append),
            spend_alert_questions=SpendAlertQuestions(database),
            audit_questions=AuditQuestions(database, AUDIT_KEY),
            listings=Listings(database, clock),
            limit_questions=LimitQuestions(database, clock),
            project_questions=ProjectQuestions(database),
            service_account_questions=ServiceAccountQuestions(database),
            usage_questions=UsageQuestions(database),
            call_questions=CallQuestions(database, clock),
            caller_questions=CallerQuestions(database, clock),
            upstreams=Upstreams(database, self.entropy, SEALING, CONFIGURED, self.catalog.reload),
            served_models=Models(database, self.entropy, CONFIGURED, self.catalog.reload),
            catalog_questions=CatalogQuestions(database, CONFIGURED),
            test_upstream=Probe(UpstreamClient(clock), clock, self.catalog.routing).test,
            models=lambda: ["tiny-1", "vendor/tiny-2"],
            public_url=None,
            clock=clock,
            entropy=self.entropy,
        )
        self.execute(_more_people)
        self.owner = self.admin_key("1")
        self.reader, self.member = (self._admin_key_of(role) for role in ("reader", "member"))
        self.stranger = self.admin_key("2")
        self.url = ""
        # Loading roots of trust would take longer than all else here, and nobody asks for TLS.
        self.client = httpx.Client(timeout=60, verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))

    def execute(self, step: Callable[[Connection], T]) -> T:
        """Write to the database as another process of the product would."""
        return run(self.database.write(step))

    def rows(self, name: str) -> list[dict[str, Any]]:
        """All rows of a table."""
        table = schema.METADATA.tables[name]
        return run(self.database.read(lambda c: [dict(row) for row in c.execute(table.select()).mappings()]))

    def everything(self) -> dict[str, list[dict[str, Any]]]:
        """All rows of all tables but the audit log's."""
        return {name: self.rows(name) for name in schema.METADATA.tables if name != "audit_events"}

    def actor(self, suffix: str = "1") -> Actor:
        """The owner of an organization, signed in."""
        return Actor("session", f"org-{suffix}", f"user-{suffix}", f"user-{suffix}@example.com", "owner")

    def admin_key(self, suffix: str = "1") -> str:
        """A new admin key of the owner of this organization; its value."""
        return run(self.keys.create_admin(self.actor(suffix), "operator", None)).value

    def project_key(self, suffix: str = "1") -> tuple[str, str]:
        """A new key that calls models; its id and its value."""
        issued = run(self.keys.create(self.actor(suffix), KeyDraft(name="app", project_id=f"proj_{suffix}")))
        return issued.key.id, issued.value

    def ask(
        self, method: str, path: str, *, key: str | None = None, body: object = None, **options: Any
    ) -> httpx.Response:
        """Ask the Admin API, as `org-1`'s owner unless another key is given; an empty one means none at all.

        A path that is not whole is below `/v1/organization`.
        """
        headers = dict(options.pop("headers", {}))
        if key != "":
            headers["authorization"] = f"Bearer {key or self.owner}"
        if body is not None:
            options["json"] = body
        whole = path if path.startswith("/v1/") else f"{ROOT}{path}"
        return self.client.request(method, f"{self.url}{whole}", headers=headers, **options)

    def sdk(self, key: str | None = None) -> OpenAI:
        """OpenAI's own client, strict about every field of every answer; close it, or use it with `with`."""
        return OpenAI(
            admin_api_key=key or self.owner,
            api_key="unused",
            base_url=f"{self.url}/v1",
            max_retries=0,
            _strict_response_validation=True,
        )

    def _admin_key_of(self, role: str) -> str:
        """An admin key of someone who was an owner when it was made, and is a `role` now."""
        actor = Actor("session", "org-1", f"user-{role}", f"{role}@example.com", "owner")
        value = run(self.keys.create_admin(actor, role, None)).value
        memberships = schema.memberships
        statement = memberships.update().where(memberships.c.user_id == f"user-{role}").values(role=role)
        self.execute(lambda c: c.execute(statement))
        return value


def run(awaitable: Awaitable[T]) -> T:
    """The result of an awaitable, in a loop of its own."""

    async def wait() -> T:
        return await awaitable

    return asyncio.run(wait())


def refusal(answer: httpx.Response) -> tuple[int, str | None, str]:
    """Status, parameter and reason of an error, whose shape must be OpenAI's."""
    error = answer.json()["error"]
    assert set(error) >= {"message", "type", "param", "code"}
    assert error["message"]
    assert answer.headers["x-request-id"].startswith("req_")
    assert answer.headers["content-type"] == "application/json"
    return answer.status_code, error["param"], error["reason"]


def refusal_of(read: Callable[[], object]) -> Refusal | None:
    """How reading ended: the refusal, or None if there was a value. Anything else fails the test."""
    try:
        read()
    except Refusal as refused:
        return refused
    return None


@contextmanager
def a_town(folder: Path) -> Iterator[Town]:
    """The town, served over a real socket."""
    clock = FakeClock()
    database = a_database(folder, clock)
    try:
        town = Town(database, clock)
        office, app = _premises()
        vars(office).update(vars(town.office))
        with _served(app) as url, town.client:
            town.url = url
            yield town
    finally:
        database.close_now()


@cache
def _premises() -> tuple[Office, ASGIApp]:
    """An office that each town moves into in its turn, and the API over it: building one takes longer than most tests.

    The API keeps nothing between requests but its office.
    """
    office = object.__new__(Office)
    return office, build(office)


@contextmanager
def _served(app: ASGIApp) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="off", log_config=None, access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.005)
        (socket,) = server.servers[0].sockets
        yield f"http://127.0.0.1:{socket.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def _more_people(connection: Connection) -> None:
    for suffix in ("1", "2"):
        some_people(connection, suffix=suffix)
    connection.execute(schema.projects.update().values(is_default=1))
    for role in ("reader", "member"):
        user = {"id": f"user-{role}", "email": f"{role}@example.com", "name": role.title(), "created_at_ms": NOON}
        connection.execute(insert(schema.users).values(user))
        connection.execute(
            insert(schema.memberships).values(
                organization_id="org-1", user_id=f"user-{role}", role="owner", added_at_ms=NOON
            )
        )
