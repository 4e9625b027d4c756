"""What the Admin API works with: handed in by the composition root, never made here."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from litestar.di import NamedDependency

from keyhouse.control.admin_keys import AdminKeys
from keyhouse.control.assignments import Assignments
from keyhouse.control.grantors import Lacking
from keyhouse.control.groups import Groups
from keyhouse.control.invites import Invites
from keyhouse.control.keys import Keys
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
from keyhouse.core.clock import Clock, Entropy
from keyhouse.core.errors import Refusal
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


@dataclass(frozen=True)
class Office:
    """The verbs and questions that the Admin API offers.

    `naming_owners` adds to a refusal who can grant what is lacking.
    """

    admin_keys: AdminKeys
    keys: Keys
    limits: Limits
    policies: Policies
    invites: Invites
    people: People
    people_questions: PeopleQuestions
    roles: Roles
    role_questions: RoleQuestions
    assignments: Assignments
    groups: Groups
    group_questions: GroupQuestions
    projects: Projects
    service_accounts: ServiceAccounts
    rate_limits: RateLimits
    spend_alerts: SpendAlerts
    model_permissions: ModelPermissions
    spend_alert_questions: SpendAlertQuestions
    audit_questions: AuditQuestions
    listings: Listings
    limit_questions: LimitQuestions
    project_questions: ProjectQuestions
    service_account_questions: ServiceAccountQuestions
    usage_questions: UsageQuestions
    call_questions: CallQuestions
    caller_questions: CallerQuestions
    upstreams: Upstreams
    served_models: Models
    catalog_questions: CatalogQuestions
    naming_owners: Callable[[Lacking], Awaitable[Refusal]]
    test_upstream: Callable[[str, str | None], Awaitable[list[dict[str, Any]]]]
    models: Callable[[], Sequence[str]]
    public_url: str | None
    clock: Clock
    entropy: Entropy


TheOffice = NamedDependency[Office]
"""How a route asks for it."""
