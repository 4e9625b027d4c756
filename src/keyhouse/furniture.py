"""What the console works with: the verbs of the Admin API's office, and the questions that pages ask."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from keyhouse import __version__
from keyhouse.admin import described as admin_described
from keyhouse.admin.office import Office
from keyhouse.catalog import Catalog
from keyhouse.console.desk import CatalogDesk, Desk
from keyhouse.control.account import Accounts
from keyhouse.control.organizations import Organizations
from keyhouse.control.playground import Playground
from keyhouse.control.sign_in import SignIn
from keyhouse.core.clock import Clock
from keyhouse.doors import DESCRIBED, ASGIApp
from keyhouse.gateway import described as gateway_described
from keyhouse.gateway.routing import Routing
from keyhouse.ground import Ground
from keyhouse.identity.sessions import Sessions
from keyhouse.identity.throttle import Throttle
from keyhouse.reporting.catalog import ServedAt
from keyhouse.reporting.costs import CostQuestions
from keyhouse.reporting.health import HealthQuestions
from keyhouse.reporting.hygiene import Hygiene
from keyhouse.reporting.inspections import Inspections
from keyhouse.reporting.keys import KeyQuestions
from keyhouse.reporting.limit_pages import LimitPages
from keyhouse.reporting.member_pages import MemberPages
from keyhouse.reporting.names import Names
from keyhouse.reporting.networks import NetworkQuestions
from keyhouse.reporting.performance import PerformanceQuestions
from keyhouse.reporting.project_pages import ProjectPages
from keyhouse.reporting.replay import Replays
from keyhouse.store.engine import Database
from keyhouse.store.sqlite import SqliteDatabase
from keyhouse.wire.openapi import document


def reference() -> Mapping[str, Any]:
    """The whole API, described from the tables of its doors."""
    routes = [*gateway_described.described(), *admin_described.described(), *DESCRIBED]
    return document(__version__, routes, admin_described.shapes())


def served_now(routing: Routing) -> dict[str, tuple[ServedAt, ...]]:
    """Every model by its name, with the upstreams that serve it at this moment."""
    return {
        name: tuple(
            ServedAt(one.upstream.name, one.upstream_model, one.rank, one.weight, one.price)
            for one in routing.get(name).deployments
        )
        for name in routing.names
    }


def failures_of(routing: Routing) -> dict[str, int]:
    """How many calls each upstream has failed since the start."""
    counted: dict[str, int] = {}
    for (upstream, _), count in routing.cool_downs.failures.items():
        counted[upstream] = counted.get(upstream, 0) + count
    return counted


def catalog_desk(office: Office, catalog: Catalog) -> CatalogDesk:
    """The part of the desk that is about upstreams and models."""
    routing = catalog.routing
    return CatalogDesk(
        upstreams=office.upstreams,
        models=office.served_models,
        questions=office.catalog_questions,
        test=office.test_upstream,
        served=partial(served_now, routing),
        cooling=routing.cool_downs.cooling,
        failures=partial(failures_of, routing),
        note=catalog.note,
    )


def _questions(database: Database, clock: Clock) -> dict[str, Any]:
    """What pages alone ask."""
    return {
        "key_questions": KeyQuestions(database, clock),
        "performance_questions": PerformanceQuestions(database),
        "limit_pages": LimitPages(database, clock),
        "member_pages": MemberPages(database),
        "project_pages": ProjectPages(database),
        "replays": Replays(database, clock),
        "hygiene": Hygiene(database, clock),
        "network_questions": NetworkQuestions(database, clock),
        "names": Names(database).names,
    }


def furnish(
    ground: Ground,
    office: Office,
    throttle: Throttle,
    catalog: Catalog,
    gateway_door: ASGIApp,
    health: HealthQuestions,
    on_change: Callable[[str], None],
    print_setup_link: Callable[[], None],
) -> Desk:
    """The desk."""
    database, clock = ground.database, ground.clock
    sessions = Sessions(database, clock, ground.entropy)
    return Desk(
        reference=reference(),
        setup=ground.setup,
        sign_in=SignIn(database, clock, ground.passwords, sessions, throttle),
        sessions=sessions,
        keys=office.keys,
        listings=office.listings,
        invites=office.invites,
        people=office.people,
        roles=office.roles,
        assignments=office.assignments,
        groups=office.groups,
        group_questions=office.group_questions,
        limits=office.limits,
        inspections=Inspections(database, clock, ground.keyring.pepper),
        usage_questions=office.usage_questions,
        playground=Playground(database, clock, office.keys),
        gateway=gateway_door,
        call_questions=office.call_questions,
        caller_questions=office.caller_questions,
        audit_questions=office.audit_questions,
        cost_questions=CostQuestions(office.usage_questions, office.limit_questions, clock),
        limit_questions=office.limit_questions,
        people_questions=office.people_questions,
        accounts=Accounts(database, clock, ground.passwords, throttle, ground.keyring.reset),
        organizations=Organizations(database, on_change),
        projects=office.projects,
        service_accounts=office.service_accounts,
        service_account_questions=office.service_account_questions,
        model_permissions=office.model_permissions,
        health=health,
        policies=office.policies,
        catalog=catalog_desk(office, catalog),
        **_questions(database, clock),
        engine="SQLite" if isinstance(database, SqliteDatabase) else "PostgreSQL",
        project_questions=office.project_questions,
        naming_owners=office.naming_owners,
        models=office.models,
        clock=clock,
        entropy=ground.entropy,
        public_url=office.public_url,
        print_setup_link=print_setup_link,
    )
