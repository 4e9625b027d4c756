"""The one place that builds real things and wires them: clock, randomness, database, books, verbs and doors."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, cast

import structlog

from keyhouse import config
from keyhouse.admin import app as admin
from keyhouse.admin.office import Office
from keyhouse.catalog import Catalog, load_catalog
from keyhouse.console import app as console
from keyhouse.control.admin_keys import AdminKeys
from keyhouse.control.assignments import Assignments
from keyhouse.control.children import Children
from keyhouse.control.grantors import naming_owners
from keyhouse.control.groups import Groups
from keyhouse.control.invites import Invites
from keyhouse.control.keys import Keys
from keyhouse.control.leaks import Leaks
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
from keyhouse.core.clock import Clock
from keyhouse.core.money import Price
from keyhouse.doors import ASGIApp, Doors
from keyhouse.furniture import furnish
from keyhouse.gateway import asgi as gateway
from keyhouse.gateway.authenticate import Authenticator
from keyhouse.gateway.house import House as GatewayHouse
from keyhouse.gateway.objects import Objects
from keyhouse.gateway.probing import Probe
from keyhouse.gateway.report_throttle import ReportThrottle
from keyhouse.gateway.routing import Routing
from keyhouse.gateway.upstream import UpstreamClient
from keyhouse.ground import Ground, cores, open_ground
from keyhouse.identity.throttle import Throttle
from keyhouse.ledger.auditor import audit
from keyhouse.ledger.book import Ledger
from keyhouse.ledger.commit import ONE_CORE_TURNS, GroupCommit
from keyhouse.ledger.housekeeping import Kept
from keyhouse.ledger.instances import Instances
from keyhouse.ledger.orphans import close_orphans
from keyhouse.ledger.refused import RefusedCount
from keyhouse.ledger.tally import Tally
from keyhouse.metrics import Metrics, Sources
from keyhouse.reporting.audit import AuditQuestions
from keyhouse.reporting.callers import CallerQuestions
from keyhouse.reporting.calls import CallQuestions
from keyhouse.reporting.catalog import CatalogQuestions
from keyhouse.reporting.groups import GroupQuestions
from keyhouse.reporting.health import HealthQuestions
from keyhouse.reporting.limits import LimitQuestions
from keyhouse.reporting.listings import Listings
from keyhouse.reporting.people import PeopleQuestions
from keyhouse.reporting.projects import ProjectQuestions
from keyhouse.reporting.roles import RoleQuestions
from keyhouse.reporting.service_accounts import ServiceAccountQuestions
from keyhouse.reporting.spend_alerts import SpendAlertQuestions
from keyhouse.reporting.usage import UsageQuestions
from keyhouse.rounds import begin_rounds, report_failure
from keyhouse.store.books import Books
from keyhouse.store.books_sqlite import SqliteBooks
from keyhouse.store.engine import Database, Unavailable
from keyhouse.store.opening import address_of, look
from keyhouse.store.sqlite import SqliteDatabase

FINISH_SECONDS: Final = 10.0
"""How long the last closings may take to be written. Without a database they never are: the calls stay held, and
are closed by another gateway or at the next start."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class House:
    """A running Keyhouse: its doors, and what has to be ended when they close."""

    doors: Doors
    ground: Ground
    ledger: Ledger
    print_setup_link: Callable[[], None]
    closing: tuple[Callable[[], Awaitable[None]], ...]

    async def announce(self) -> None:
        """While nobody has an account yet, say how to make the first one."""
        if not await self.ground.setup.is_done():
            self.print_setup_link()

    async def close(self) -> None:
        """Write what is still to be written, and let go of the database."""
        for close in self.closing:
            await close()


async def open_house(
    settings: config.Settings,
    data: Path,
    environment: Mapping[str, str],
    *,
    url: str,
    say: Say,
    write_line: Callable[[bytes], None],
) -> House:
    """Build it all. What an earlier process left unfinished is closed before the first call is served.

    `write_line` takes the access log's lines. Raises CannotOpen or BadConfiguration, with everything untouched.
    """
    ground = await open_ground(settings, data)
    database, clock, entropy = ground.database, ground.clock, ground.entropy
    client = UpstreamClient(clock)
    catalog = await load_catalog(settings, environment, database, clock, client, ground.keyring.sealing)
    refused = RefusedCount(database, clock)
    books = await _open_ledger(ground, say, catalog.prices, refused)
    ledger = books.ledger
    admin_keys = AdminKeys(database, clock, ground.keyring.pepper)
    kept = Kept(settings.retention.minutes_days, settings.retention.calls_days)
    watch, housekeeping, finish_rounds = begin_rounds(database, clock, kept, admin_keys, refused, catalog.round)
    statuses: dict[tuple[str, int], int] = {}

    def print_setup_link() -> None:
        token = ground.setup.new_link_token()
        say(f"set up the first account within 15 minutes: {url}/set-up/{token}")

    authenticator = Authenticator(database, ground.keyring.pepper, clock)
    database.listen(catalog.hearing(authenticator.forget), catalog.hearing_all(authenticator.forget_all))
    lobby = _lobby(ground, authenticator, catalog.routing, ledger, client, settings.leaks, write_line)
    keys = Keys(database, clock, entropy, ground.keyring.pepper, authenticator.forget)
    throttle = Throttle(database, clock)
    invites = Invites(database, clock, entropy, ground.passwords, throttle, authenticator.forget)
    public_url = settings.server.public_url
    office = _office(ground, admin_keys, keys, invites, catalog, client, authenticator.forget, public_url)
    health = HealthQuestions(
        database,
        clock,
        ledger,
        books.tally,
        watch,
        books.orphans,
        partial(look, settings.database.url or address_of(data), audit),
    )
    desk = furnish(ground, office, throttle, catalog, lobby, health, authenticator.forget, print_setup_link)
    sources = Sources(ledger, books.tally, watch, housekeeping, books.orphans, statuses, catalog.routing)
    doors = Doors(
        gateway=lobby,
        admin=cast("ASGIApp", admin.build(office)),
        console=cast("ASGIApp", console.build(desk)),
        is_ready=lambda: ledger.is_well,
        metrics=Metrics(sources).page,
        statuses=statuses,
        entropy=entropy,
        trusted_proxies=settings.server.trusted_proxies,
    )
    ending = (client.close, finish_rounds, books.finish, ground.close)
    return House(doors, ground, ledger, print_setup_link, ending)


def _lobby(
    ground: Ground,
    authenticator: Authenticator,
    routing: Routing,
    ledger: Ledger,
    client: UpstreamClient,
    leak_settings: config.Leaks,
    write_line: Callable[[bytes], None],
) -> ASGIApp:
    """The gateway."""
    database, clock, entropy, pepper = ground.database, ground.clock, ground.entropy, ground.keyring.pepper
    house = GatewayHouse(
        authenticator=authenticator,
        routing=routing,
        ledger=ledger,
        client=client,
        clock=clock,
        entropy=entropy,
        objects=Objects(database, clock),
        database=database,
        leaks=Leaks(database, pepper, leak_settings.action, authenticator.forget),
        signatures=leak_settings.signatures(),
        reports=ReportThrottle(clock),
        children=Children(database, entropy, pepper, authenticator.forget),
    )
    return gateway.build(house, structlog.get_logger("keyhouse.gateway"), write_line)


@dataclass(frozen=True)
class _OpenLedger:
    """A ledger, what it counts, and how to end it."""

    ledger: Ledger
    tally: Tally
    orphans: Callable[[], int]
    finish: Callable[[], Awaitable[None]]


async def _open_ledger(ground: Ground, say: Say, prices: Mapping[int, Price], refused: RefusedCount) -> _OpenLedger:
    """The ledger, with what dead gateways left closed."""
    books = open_books(ground.database, ground.clock)
    await books.begin()
    if orphans := await close_orphans(books):
        say(f"{orphans} calls were cut off when Keyhouse last stopped; they are charged what they had reserved.")
    commit = GroupCommit(books, report_failure, turns=ONE_CORE_TURNS if cores() == 1 else 1)
    instances = Instances(books, commit, report_failure)
    committing = asyncio.create_task(commit.run())
    beating = asyncio.create_task(instances.run())

    async def finish() -> None:
        beating.cancel()
        commit.stop()
        _, unfinished = await asyncio.wait({beating, committing}, timeout=FINISH_SECONDS)
        for task in unfinished:
            task.cancel()
        try:
            await books.end()
        except Unavailable as error:
            report_failure("the database could not be told that this gateway has stopped", error)

    ledger = Ledger(commit, ground.clock, prices, refused.add)
    return _OpenLedger(ledger, commit.tally, lambda: orphans + instances.orphans, finish)


def open_books(database: Database, clock: Clock) -> Books:
    """The ledger's rows in whichever database there is."""
    if isinstance(database, SqliteDatabase):
        return SqliteBooks(database, clock)
    # Late: PostgreSQL's driver takes 11 MB and a quarter of a second.
    from keyhouse.store.books_postgres import PostgresBooks
    from keyhouse.store.postgres import PostgresDatabase

    if isinstance(database, PostgresDatabase):
        return PostgresBooks(database, clock)
    raise TypeError(f"no books for {type(database).__name__}")


def _office(
    ground: Ground,
    admin_keys: AdminKeys,
    keys: Keys,
    invites: Invites,
    catalog: Catalog,
    client: UpstreamClient,
    on_change: Callable[[str], None],
    public_url: str | None,
) -> Office:
    """What the Admin API works with."""
    database, clock = ground.database, ground.clock
    return Office(
        admin_keys=admin_keys,
        keys=keys,
        limits=Limits(database, clock, ground.entropy),
        policies=Policies(database),
        invites=invites,
        people=People(database, on_change),
        people_questions=PeopleQuestions(database),
        roles=Roles(database, ground.entropy, on_change),
        role_questions=RoleQuestions(database),
        assignments=Assignments(database, on_change),
        groups=Groups(database, ground.entropy, on_change),
        naming_owners=partial(naming_owners, database),
        group_questions=GroupQuestions(database),
        upstreams=Upstreams(database, ground.entropy, ground.keyring.sealing, catalog.configured, catalog.reload),
        served_models=Models(database, ground.entropy, catalog.configured, catalog.reload),
        catalog_questions=CatalogQuestions(database, catalog.configured),
        test_upstream=Probe(client, clock, catalog.routing).test,
        projects=Projects(database, clock, ground.entropy, on_change),
        service_accounts=ServiceAccounts(database, clock, ground.entropy, ground.keyring.pepper, on_change),
        rate_limits=RateLimits(database, ground.entropy),
        spend_alerts=SpendAlerts(database, ground.entropy),
        model_permissions=ModelPermissions(database, on_change),
        spend_alert_questions=SpendAlertQuestions(database),
        audit_questions=AuditQuestions(database, ground.keyring.audit),
        listings=Listings(database, clock),
        limit_questions=LimitQuestions(database, clock),
        project_questions=ProjectQuestions(database),
        service_account_questions=ServiceAccountQuestions(database),
        usage_questions=UsageQuestions(database),
        call_questions=CallQuestions(database, clock),
        caller_questions=CallerQuestions(database, clock),
        models=lambda: catalog.models,
        public_url=public_url,
        clock=clock,
        entropy=ground.entropy,
    )
