"""`/audit_logs`: list; and whether the log is whole."""

from litestar import get

from keyhouse.admin import audit_shapes, shapes
from keyhouse.admin.door import Visit, actor_of
from keyhouse.admin.office import TheOffice
from keyhouse.admin.policy import ROOT
from keyhouse.admin.queries import Query, query_of
from keyhouse.admin.shapes import Json
from keyhouse.reporting.usage import INSTANT_MAX_MS
from keyhouse.store.audit import EntrySelection, Event


@get(f"{ROOT}/audit_logs")
async def list_audit_logs(request: Visit, office: TheOffice) -> Json:
    """The organization's audit log, newest first."""
    query = query_of(request)
    found = await office.audit_questions.list(
        actor_of(request).organization_id,
        _selection(query),
        after=query.text("after"),
        before=query.text("before"),
        limit=query.page_limit(),
    )
    return shapes.page(audit_shapes.entries(found), has_more=found.has_more)


@get(f"{ROOT}/audit_logs/verify")
async def verify_audit_logs(request: Visit, office: TheOffice) -> Json:
    """Whether every entry stands as it was written, and the head to keep elsewhere."""
    organization_id = actor_of(request).organization_id
    found = await office.audit_questions.verify(organization_id)
    return {
        "object": "organization.audit_log.verification",
        "passes": found.passes,
        "entries": found.entries,
        "head": found.heads.get(organization_id),
        "findings": list(found.findings),
    }


def _selection(query: Query) -> EntrySelection:
    most_s = INSTANT_MAX_MS // 1000
    after_s, from_s, before_s, until_s = (
        query.integer(f"effective_at[{bound}]", 0, most_s) for bound in ("gt", "gte", "lt", "lte")
    )
    events = query.many("event_types")
    wanted = audit_shapes.events_of(events) if events else None
    if query.boolean("tenant_only"):
        wanted = tuple(each for each in wanted or Event if audit_shapes.type_of(each).startswith("tenant."))
    starts_s = [from_s or 0, 0 if after_s is None else after_s + 1]
    ends_s = [each for each in (before_s, None if until_s is None else until_s + 1) if each is not None]
    return EntrySelection(
        from_ms=max(starts_s) * 1000,
        until_ms=min(ends_s) * 1000 if ends_s else None,
        project_ids=query.many("project_ids"),
        events=wanted,
        actor_ids=query.many("actor_ids"),
        actor_emails=tuple(email.lower() for email in query.many("actor_emails")),
        resource_ids=query.many("resource_ids"),
    )
