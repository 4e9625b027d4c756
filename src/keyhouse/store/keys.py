"""API keys and their secrets: one row per key, one per version of its secret.

Secrets are stored as digests. All but `find_credential` is asked within one organization: another's id is missing.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

import msgspec
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    and_,
    case,
    insert,
    literal,
    or_,
    select,
    tuple_,
    update,
)

from keyhouse.core.authority import Sight
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.key import ApiKey, Credential, SecretVersion, Standing
from keyhouse.core.permissions import Permissions, parse_permissions
from keyhouse.core.secret import Kind, redacted
from keyhouse.store.among import among
from keyhouse.store.grants import is_seen
from keyhouse.store.model_permissions import read_model_policy
from keyhouse.store.ordering import unindexed
from keyhouse.store.people import gone_at_ms
from keyhouse.store.schema import (
    key_secrets,
    keys,
    memberships,
    model_permissions,
    organizations,
    projects,
    service_accounts,
    users,
)

PROJECT_KINDS: Final = (Kind.USER, Kind.SERVICE_ACCOUNT)
"""Keys that call models."""

ADMIN_KINDS: Final = (Kind.ADMIN,)
"""Keys that call the Admin API and never a model."""


def insert_key(connection: Connection, key: ApiKey) -> None:
    """Add a key; its secrets are added by `insert_secret`."""
    connection.execute(
        insert(keys).values(
            id=key.id,
            kind=key.kind,
            organization_id=key.organization_id,
            project_id=key.project_id,
            owner_id=key.owner_id,
            created_at_ms=key.created_at_ms,
            created_by=key.created_by,
            last_used_at_ms=key.last_used_at_ms,
            parent_id=key.parent_id,
            **_writable(key),
        )
    )


def insert_secret(
    connection: Connection, key_id: str, secret: SecretVersion, digest: bytes, pepper_version: int
) -> None:
    """Add one version of a key's secret: `digest` is its HMAC under the pepper of this version."""
    row = msgspec.structs.asdict(secret) | {"key_id": key_id, "digest": digest, "pepper_version": pepper_version}
    connection.execute(insert(key_secrets).values(row))


def find_credential(connection: Connection, digest: bytes) -> Credential | None:
    """What the secret with this digest stands for, dead or alive; None if no key ever had it."""
    row = connection.execute(_CREDENTIAL.where(key_secrets.c.digest == digest)).mappings().one_or_none()
    if row is None:
        return None
    credential = _credential(row)
    if credential.parent_id is None:
        return credential
    above = _CREDENTIAL.where(keys.c.id == credential.parent_id).order_by(key_secrets.c.version.desc()).limit(1)
    return credential.under(_credential(connection.execute(above).mappings().one()))


def find_key(
    connection: Connection,
    organization_id: str,
    key_id: str,
    *,
    project_id: str | None = None,
    kinds: Collection[Kind] = PROJECT_KINDS,
    sight: Sight | None = None,
    for_update: bool = False,
    for_share: bool = False,
) -> ApiKey | None:
    """The key with this id in this organization, in this project if one is named, and in sight, also a revoked one.

    With `for_share` nobody changes it until the transaction ends, with `for_update` nobody but this transaction.
    """
    statement = select(keys).where(
        keys.c.id == key_id, keys.c.organization_id == organization_id, keys.c.kind.in_(kinds)
    )
    if project_id is not None:
        statement = statement.where(keys.c.project_id == project_id)
    if sight is not None:
        statement = statement.where(is_seen(sight))
    if for_update or for_share:
        statement = statement.with_for_update(read=not for_update, key_share=for_update)
    found = with_secrets(connection, connection.execute(statement).mappings().all())
    return found[0] if found else None


def get_key(
    connection: Connection,
    organization_id: str,
    key_id: str,
    *,
    project_id: str | None = None,
    kinds: Collection[Kind] = PROJECT_KINDS,
    sight: Sight | None = None,
    for_update: bool = False,
    for_share: bool = False,
) -> ApiKey:
    """The same; raises Refusal(NOT_FOUND)."""
    key = find_key(
        connection,
        organization_id,
        key_id,
        project_id=project_id,
        kinds=kinds,
        sight=sight,
        for_update=for_update,
        for_share=for_share,
    )
    if key is None:
        what = "admin key" if kinds == ADMIN_KINDS else "API key"
        where = "organization" if project_id is None else "project"
        raise Refusal(
            Code.NOT_FOUND,
            f"There is no {what} {key_id} in this {where}.",
            hint="List the keys to see their ids; a key is named by its id (key_...), not by its secret.",
        )
    return key


def list_keys(
    connection: Connection,
    organization_id: str,
    *,
    project_id: str | None = None,
    owner_id: str | None = None,
    kinds: Collection[Kind] = PROJECT_KINDS,
    include_revoked: bool = False,
    after: str | None = None,
    limit: int = 100,
    newest_first: bool = True,
) -> tuple[ApiKey, ...]:
    """At most `limit` keys by creation, those behind the key `after`.

    Raises Refusal(PARAMETER_INVALID) if there is no such key.
    """
    belonging = [keys.c.organization_id == organization_id, keys.c.kind.in_(kinds)]
    if project_id is not None:
        belonging.append(keys.c.project_id == project_id)
    if owner_id is not None:
        belonging.append(keys.c.owner_id == owner_id)
    statement = select(keys).where(*belonging)
    if not include_revoked:
        statement = statement.where(keys.c.revoked_at_ms.is_(None))
    # Of all projects only admin keys are asked for: few, to be looked up by their kind and not on the way through all.
    created, key_id = keys.c.created_at_ms if project_id else unindexed(keys.c.created_at_ms), keys.c.id
    if after is not None:
        mark = connection.execute(select(created).where(key_id == after, *belonging)).scalar_one_or_none()
        if mark is None:
            raise Refusal(Code.PARAMETER_INVALID, f"There is no key {after} to continue after.", param="after")
        here, there = tuple_(created, key_id), tuple_(literal(mark, BigInteger), literal(after))
        statement = statement.where(here < there if newest_first else here > there)
    order = (created.desc(), key_id.desc()) if newest_first else (created, key_id)
    return with_secrets(connection, connection.execute(statement.order_by(*order).limit(limit)).mappings().all())


def list_ids(connection: Connection, organization_id: str, project_id: str | None = None) -> tuple[str, ...]:
    """The ids of a project's keys that are not revoked; of all projects if none is named."""
    statement = select(keys.c.id).where(keys.c.organization_id == organization_id, keys.c.revoked_at_ms.is_(None))
    return tuple(
        connection.execute(
            statement if project_id is None else statement.where(keys.c.project_id == project_id)
        ).scalars()
    )


def list_owned_ids(connection: Connection, organization_id: str, owner_id: str) -> tuple[str, ...]:
    """The ids of an owner's keys, admin keys too, that are not revoked."""
    return tuple(connection.execute(select(keys.c.id).where(*_owned(organization_id, owner_id))).scalars())


def list_children(connection: Connection, organization_id: str, parent_id: str, now_ms: int) -> tuple[ApiKey, ...]:
    """The child keys of a key that are neither revoked nor expired, newest first."""
    statement = select(keys).where(
        keys.c.parent_id == parent_id,
        keys.c.organization_id == organization_id,
        keys.c.revoked_at_ms.is_(None),
        or_(keys.c.expires_at_ms.is_(None), keys.c.expires_at_ms > now_ms),
    )
    rows = connection.execute(statement.order_by(keys.c.created_at_ms.desc(), keys.c.id.desc())).mappings().all()
    return with_secrets(connection, rows)


def list_names(connection: Connection, organization_id: str, key_ids: Collection[str]) -> dict[str, str]:
    """The names of these keys by id; ids of other organizations are left out."""
    theirs = unindexed(keys.c.organization_id) == organization_id, among(keys.c.id, key_ids)
    return {row.id: row.name for row in connection.execute(select(keys.c.id, keys.c.name).where(*theirs))}


def update_key(connection: Connection, key: ApiKey) -> None:
    """Write what may change of a key. Its owner, project and last use are not among it."""
    connection.execute(update(keys).where(keys.c.id == key.id).values(**_writable(key)))


def update_owned_as_revoked(
    connection: Connection, organization_id: str, owner_id: str, now_ms: int, revoked_by: str
) -> None:
    """Revoke an owner's keys, admin keys too, those that are not revoked yet."""
    connection.execute(
        update(keys).where(*_owned(organization_id, owner_id)).values(revoked_at_ms=now_ms, revoked_by=revoked_by)
    )


def update_last_uses(connection: Connection, used_at_ms: Mapping[str, int]) -> None:
    """Write when these keys were used, in the order of their ids; never an earlier moment than is known."""
    for key_id, at_ms in sorted(used_at_ms.items()):
        earlier = or_(keys.c.last_used_at_ms.is_(None), keys.c.last_used_at_ms < at_ms)
        connection.execute(update(keys).where(keys.c.id == key_id, earlier).values(last_used_at_ms=at_ms))


def update_secret_end(connection: Connection, key_id: str, version: int, ends_at_ms: int) -> None:
    """From this millisecond on this version of the key's secret is refused."""
    connection.execute(
        update(key_secrets)
        .where(key_secrets.c.key_id == key_id, key_secrets.c.version == version)
        .values(ends_at_ms=ends_at_ms)
    )


def _owned(organization_id: str, owner_id: str) -> list[ColumnElement[bool]]:
    return [
        keys.c.organization_id == organization_id,
        keys.c.owner_id == owner_id,
        keys.c.revoked_at_ms.is_(None),
    ]


def _writable(key: ApiKey) -> dict[str, Any]:
    return {
        "name": key.name,
        "permissions": key.permissions.written(),
        "models": None if key.models is None else msgspec.json.encode(key.models).decode(),
        "endpoints": None if key.endpoints is None else msgspec.json.encode(key.endpoints).decode(),
        "ip_allowlist": msgspec.json.encode(key.ip_allowlist).decode(),
        "expires_at_ms": key.expires_at_ms,
        "disabled_at_ms": key.disabled_at_ms,
        "disabled_by": key.disabled_by,
        "revoked_at_ms": key.revoked_at_ms,
        "revoked_by": key.revoked_by,
    }


def with_secrets(connection: Connection, rows: Iterable[RowMapping]) -> tuple[ApiKey, ...]:
    """The keys of these rows of `api_keys`, each with its secrets, in the rows' order."""
    found = list(rows)
    secrets: dict[str, list[SecretVersion]] = {row["id"]: [] for row in found}
    statement = (
        select(
            key_secrets.c.key_id,
            key_secrets.c.version,
            key_secrets.c.last_four,
            key_secrets.c.created_at_ms,
            key_secrets.c.created_by,
            key_secrets.c.ends_at_ms,
        )
        .where(among(key_secrets.c.key_id, secrets))
        .order_by(key_secrets.c.key_id, key_secrets.c.version.desc())
    )
    for key_id, *fields in connection.execute(statement):
        secrets[key_id].append(SecretVersion(*fields))
    return tuple(_key(row, tuple(secrets[row["id"]])) for row in found)


def _key(row: RowMapping, secrets: tuple[SecretVersion, ...]) -> ApiKey:
    return ApiKey(
        **{
            **{name: row[name] for name in row if name != "searched_name"},
            "kind": Kind(row["kind"]),
            "permissions": _permissions(row),
            "models": _names(row["models"]),
            "endpoints": _names(row["endpoints"]),
            "ip_allowlist": _addresses(row),
            "secrets": secrets,
        }
    )


def _permissions(row: RowMapping) -> Permissions:
    return parse_permissions(msgspec.json.decode(row["permissions"]))


def _names(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else msgspec.json.decode(text, type=tuple[str, ...])


def _addresses(row: RowMapping) -> tuple[str, ...]:
    return msgspec.json.decode(row["ip_allowlist"], type=tuple[str, ...])


def _credential_rows() -> Select[Any]:
    is_account = keys.c.kind == Kind.SERVICE_ACCOUNT
    owner_gone = case(
        # Neither a service account that never was nor someone who was never a member owns a working key.
        (and_(is_account, service_accounts.c.id.is_(None)), literal(0, BigInteger)),
        (is_account, service_accounts.c.deleted_at_ms),
        (memberships.c.user_id.is_(None), literal(0, BigInteger)),
        else_=gone_at_ms(),
    )
    return (
        select(
            keys.c.id,
            keys.c.kind,
            keys.c.organization_id,
            keys.c.project_id,
            keys.c.owner_id,
            keys.c.permissions,
            keys.c.models,
            keys.c.endpoints,
            keys.c.ip_allowlist,
            keys.c.expires_at_ms,
            keys.c.disabled_at_ms,
            keys.c.revoked_at_ms,
            keys.c.parent_id,
            key_secrets.c.version,
            key_secrets.c.last_four,
            key_secrets.c.ends_at_ms,
            organizations.c.time_zone,
            projects.c.archived_at_ms,
            keys.c.access_lost_at_ms,
            model_permissions.c.mode.label("project_mode"),
            model_permissions.c.models.label("project_models"),
            owner_gone.label("owner_gone_at_ms"),
        )
        .select_from(key_secrets)
        .join(keys, keys.c.id == key_secrets.c.key_id)
        .join(organizations, organizations.c.id == keys.c.organization_id)
        .outerjoin(projects, projects.c.id == keys.c.project_id)
        .outerjoin(model_permissions, model_permissions.c.project_id == keys.c.project_id)
        .outerjoin(users, users.c.id == keys.c.owner_id)
        .outerjoin(
            memberships,
            and_(memberships.c.user_id == users.c.id, memberships.c.organization_id == keys.c.organization_id),
        )
        .outerjoin(service_accounts, service_accounts.c.id == keys.c.owner_id)
    )


_CREDENTIAL: Final = _credential_rows()


def _credential(row: RowMapping) -> Credential:
    models = _names(row["models"])
    kind = Kind(row["kind"])
    return Credential(
        key_id=row["id"],
        secret_version=row["version"],
        kind=kind,
        redacted=redacted(kind, row["id"], row["last_four"]),
        organization_id=row["organization_id"],
        time_zone=row["time_zone"],
        project_id=row["project_id"] or "",
        owner_id=row["owner_id"],
        standing=Standing(
            secret_ends_at_ms=row["ends_at_ms"],
            expires_at_ms=row["expires_at_ms"],
            disabled_at_ms=row["disabled_at_ms"],
            revoked_at_ms=row["revoked_at_ms"],
            owner_gone_at_ms=row["owner_gone_at_ms"],
            project_archived_at_ms=row["archived_at_ms"],
            access_lost_at_ms=row["access_lost_at_ms"],
        ),
        permissions=_permissions(row),
        models=None if models is None else frozenset(models),
        ip_allowlist=_addresses(row),
        project_models=read_model_policy(row["project_mode"], row["project_models"]),
        endpoints=_names(row["endpoints"]),
        parent_id=row["parent_id"],
    )
