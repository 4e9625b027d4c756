"""`/calls`: list, retrieve. A call is explained where it is retrieved alone."""

import re
from typing import Final

import msgspec
from litestar import get
from litestar.params import FromPath

from keyhouse.admin import call_shapes, shapes
from keyhouse.admin.door import Visit, actor_of
from keyhouse.admin.office import TheOffice
from keyhouse.admin.policy import ROOT
from keyhouse.admin.queries import PAGE_DEFAULT, PAGE_MAX, Query, query_of
from keyhouse.admin.shapes import Json
from keyhouse.control.authority import Place, Task, may_at, sight_of
from keyhouse.core.call import State
from keyhouse.core.errors import Code, Refusal
from keyhouse.reporting.calls import CallQuestions, missing
from keyhouse.reporting.usage import INSTANT_MAX_MS
from keyhouse.store.calls import CallSelection

_CALL_ID: Final = re.compile(r"call_[0-9A-Za-z]{22}", re.ASCII)


@get(f"{ROOT}/calls")
async def list_calls(request: Visit, office: TheOffice) -> Json:
    """Calls, newest first; without a time, those of the last day.

    A page that holds fewer than were asked for, or none, may be followed by others: `has_more` says so, and they
    are behind `last_id`.
    """
    query = query_of(request)
    limit = query.integer("limit", 1, PAGE_MAX) or PAGE_DEFAULT
    after = query.text("after")
    if after is not None and _CALL_ID.fullmatch(after) is None:
        raise Refusal(
            Code.PARAMETER_INVALID,
            "The parameter after is not a call's id.",
            hint="Send the last_id of the answer before, unchanged.",
            param="after",
        )
    actor = actor_of(request)
    selection = read_selection(query, office.call_questions)
    if sight := sight_of(actor, Task.USAGE_READ):
        selection = msgspec.structs.replace(selection, project_ids=sight.narrow(selection.project_ids))
    found = await office.call_questions.list(actor.organization_id, selection, after=after, limit=limit)
    page = shapes.page([call_shapes.call(each) for each in found.calls], has_more=found.go_on_after is not None)
    return page | {"last_id": found.go_on_after or page["last_id"]}


@get(f"{ROOT}/calls/{{call_id:str}}")
async def retrieve_call(request: Visit, office: TheOffice, call_id: FromPath[str]) -> Json:
    """One call, explained."""
    if _CALL_ID.fullmatch(call_id) is None:
        raise missing(call_id)
    actor = actor_of(request)
    found = await office.call_questions.one(actor.organization_id, call_id)
    if not may_at(actor, Task.USAGE_READ, Place(found.call.project_id)):
        raise missing(call_id)
    return call_shapes.explained_call(found)


def read_selection(query: Query, questions: CallQuestions) -> CallSelection:
    """Which calls a query is about; raises Refusal(PARAMETER_INVALID)."""
    most_s = INSTANT_MAX_MS // 1000
    start_s, end_s = query.integer("start_time", 0, most_s), query.integer("end_time", 0, most_s)
    if start_s is not None and end_s is not None and end_s <= start_s:
        raise Refusal(Code.PARAMETER_INVALID, "The end_time is not after the start_time.", param="end_time")
    end_ms = None if end_s is None else end_s * 1000
    return CallSelection(
        start_ms=questions.since(end_ms) if start_s is None else start_s * 1000,
        end_ms=end_ms,
        project_ids=query.many("project_ids"),
        owner_ids=query.many("user_ids"),
        key_ids=query.many("api_key_ids"),
        models=query.many("models"),
        upstreams=query.many("upstreams"),
        endpoints=query.many("endpoints"),
        states=tuple(State(name) for name in query.choices("states", list(State))),
        errors_only=query.boolean("errors_only") or False,
    )
