"""`/upstreams`: list, create, retrieve, update, delete, test."""

from typing import Final

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath
from msgspec import UNSET, UnsetType

from keyhouse.admin import shapes
from keyhouse.admin.bodies import decode, read
from keyhouse.admin.door import Visit, actor_of
from keyhouse.admin.office import Office, TheOffice
from keyhouse.admin.policy import ROOT
from keyhouse.admin.queries import query_of
from keyhouse.admin.shapes import Json
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.written import WrittenUpstream
from keyhouse.reporting.catalog import KnownUpstream

_KIND: Final = "organization.upstream"
_UPSTREAM: Final = f"{ROOT}/upstreams/{{upstream_id:str}}"


class UpstreamFields(WrittenUpstream, frozen=True, forbid_unknown_fields=True):
    """An upstream and its credential, which is never shown again."""

    api_key: str | None = None


class Credential(msgspec.Struct):
    """The part of an update that is not shown."""

    api_key: str | UnsetType | None = UNSET


class Test(msgspec.Struct, forbid_unknown_fields=True):
    """With a `model`, as the upstream knows it, it is asked for one token, too."""

    model: str | None = None


@get(f"{ROOT}/upstreams")
async def list_upstreams(request: Visit, office: TheOffice) -> Json:
    """The upstreams: those of the configuration, then those that were added."""
    query = query_of(request)
    limit, after = query.page_limit(), query.text("after")
    found = await office.catalog_questions.upstreams(actor_of(request).organization_id)
    rows, has_more = shapes.page_behind(found, lambda one: one.id, after, limit)
    return shapes.page([shown(row) for row in rows], has_more=has_more)


@post(f"{ROOT}/upstreams", status_code=200)
async def create_upstream(request: Visit, office: TheOffice) -> Json:
    """A new upstream, used by every gateway at once."""
    fields = await read(request, UpstreamFields)
    actor = actor_of(request)
    made = await office.upstreams.create(actor, _written(fields), fields.api_key)
    return shown(await office.catalog_questions.upstream(actor.organization_id, made.id))


@get(_UPSTREAM)
async def retrieve_upstream(request: Visit, office: TheOffice, upstream_id: FromPath[str]) -> Json:
    """One upstream."""
    return shown(await office.catalog_questions.upstream(actor_of(request).organization_id, upstream_id))


@post(_UPSTREAM, status_code=200)
async def update_upstream(request: Visit, office: TheOffice, upstream_id: FromPath[str]) -> Json:
    """Change the fields that are sent."""
    body = await request.body()
    changes = {name: value for name, value in decode(body, dict[str, msgspec.Raw]).items() if name != "api_key"}
    credential = decode(body, Credential).api_key
    actor = actor_of(request)
    await _require_added(office, actor.organization_id, upstream_id)

    def rewrite(before: WrittenUpstream) -> WrittenUpstream:
        whole = msgspec.structs.asdict(before) | changes
        return decode(msgspec.json.encode(whole), WrittenUpstream)

    await office.upstreams.update(actor, upstream_id, rewrite, credential)
    return shown(await office.catalog_questions.upstream(actor.organization_id, upstream_id))


@delete(_UPSTREAM, status_code=200)
async def delete_upstream(request: Visit, office: TheOffice, upstream_id: FromPath[str]) -> Json:
    """Remove an upstream that serves no model."""
    actor = actor_of(request)
    await _require_added(office, actor.organization_id, upstream_id)
    await office.upstreams.delete(actor, upstream_id)
    return shapes.deleted(_KIND, upstream_id)


@post(f"{_UPSTREAM}/test", status_code=200)
async def try_upstream(request: Visit, office: TheOffice, upstream_id: FromPath[str]) -> Json:
    """Ask it something real, and say in plain words what came of it."""
    test = await read(request, Test)
    found = await office.catalog_questions.upstream(actor_of(request).organization_id, upstream_id)
    steps = await office.test_upstream(found.written.name, test.model)
    return {
        "object": f"{_KIND}.test",
        "upstream_id": found.id,
        "upstream": found.written.name,
        "is_good": all(step["is_good"] for step in steps),
        "steps": steps,
    }


def shown(found: KnownUpstream) -> Json:
    """An upstream as the API shows it: whether it has a credential, and nothing of it."""
    return {
        "object": _KIND,
        "id": found.id,
        **msgspec.structs.asdict(found.written),
        "has_credential": found.has_credential,
        "source": source_of(found.is_configured),
        "is_shadowed": found.is_shadowed,
        "created_at": shapes.seconds(found.created_at_ms),
    }


def source_of(is_configured: bool) -> str:
    """Where an upstream or a model is from; what is from the configuration is read-only here."""
    return "configuration" if is_configured else "organization"


def read_only(what: str, name: str) -> Refusal:
    """The refusal of a change to what is configured."""
    return Refusal(
        Code.CONFLICT,
        f"The {what} {name} is in the configuration, and is changed there.",
        hint="Change keyhouse.toml or the environment, and restart.",
    )


def _written(fields: UpstreamFields) -> WrittenUpstream:
    return WrittenUpstream(*(getattr(fields, name) for name in WrittenUpstream.__struct_fields__))


async def _require_added(office: Office, organization_id: str, upstream_id: str) -> None:
    found = await office.catalog_questions.upstream(organization_id, upstream_id)
    if found.is_configured:
        raise read_only("upstream", found.written.name)
