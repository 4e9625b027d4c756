"""What the console works with: handed in by the composition root, never made here."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keyhouse.console.inside import Gateway
from keyhouse.control.account import Accounts
from keyhouse.control.assignments import Assignments
from keyhouse.control.grantors import Lacking
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
from keyhouse.core.clock import Clock, Entropy
from keyhouse.core.errors import Refusal
from keyhouse.identity.sessions import Sessions
from keyhouse.reporting.audit import AuditQuestions
from keyhouse.reporting.callers import CallerQuestions
from keyhouse.reporting.calls import CallQuestions
from keyhouse.reporting.catalog import CatalogQuestions, ServedAt
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
from keyhouse.reporting.networks import NetworkQuestions
from keyhouse.reporting.people import PeopleQuestions
from keyhouse.reporting.performance import PerformanceQuestions
from keyhouse.reporting.project_pages import ProjectPages
from keyhouse.reporting.projects import ProjectQuestions
from keyhouse.reporting.replay import Replays
from keyhouse.reporting.service_accounts import ServiceAccountQuestions
from keyhouse.reporting.usage import UsageQuestions


@dataclass(frozen=True)
class CatalogDesk:
    """Upstreams and models: verbs and questions. `test` asks an upstream something real.

    `served` are the models as they are served now, `cooling` the upstreams that cool down, `failures` how many calls
    each has failed: all as this gateway sees it. `note` is one sentence about where answers come from.
    """

    upstreams: Upstreams
    models: Models
    questions: CatalogQuestions
    test: Callable[[str, str | None], Awaitable[list[dict[str, Any]]]]
    served: Callable[[], Mapping[str, tuple[ServedAt, ...]]]
    cooling: Callable[[], Collection[str]]
    failures: Callable[[], Mapping[str, int]]
    note: str


@dataclass(frozen=True)
class Desk:
    """The verbs and questions that pages need.

    `names` gives names of ids (keys, people, projects) of one organization. `models` are the public names of
    the models that answer here.
    `public_url` is the address people use, if it is known; without it the request's own is taken.
    `naming_owners` adds to a refusal who can grant what is lacking.
    `reference` is the description of the whole API in OpenAPI.
    `gateway` is the data plane's own door, for what the playground asks.
    `engine` is what the database is called.
    `print_setup_link` makes a new one-time link and prints it where the server runs.
    """

    reference: Mapping[str, Any]
    setup: Setup
    sign_in: SignIn
    invites: Invites
    people: People
    roles: Roles
    assignments: Assignments
    groups: Groups
    group_questions: GroupQuestions
    member_pages: MemberPages
    people_questions: PeopleQuestions
    accounts: Accounts
    organizations: Organizations
    projects: Projects
    project_pages: ProjectPages
    service_accounts: ServiceAccounts
    service_account_questions: ServiceAccountQuestions
    model_permissions: ModelPermissions
    health: HealthQuestions
    policies: Policies
    catalog: CatalogDesk
    engine: str
    sessions: Sessions
    keys: Keys
    key_questions: KeyQuestions
    listings: Listings
    inspections: Inspections
    hygiene: Hygiene
    network_questions: NetworkQuestions
    usage_questions: UsageQuestions
    playground: Playground
    gateway: Gateway
    call_questions: CallQuestions
    caller_questions: CallerQuestions
    audit_questions: AuditQuestions
    performance_questions: PerformanceQuestions
    cost_questions: CostQuestions
    limits: Limits
    limit_questions: LimitQuestions
    limit_pages: LimitPages
    replays: Replays
    project_questions: ProjectQuestions
    naming_owners: Callable[[Lacking], Awaitable[Refusal]]
    names: Callable[[str, Iterable[str]], Awaitable[dict[str, str]]]
    models: Callable[[], Sequence[str]]
    clock: Clock
    entropy: Entropy
    public_url: str | None
    print_setup_link: Callable[[], None]
