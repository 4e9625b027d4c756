"""An API key: a stable object. Its secrets are versions of it, and at most two of them live at once."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

import msgspec

from keyhouse.core.errors import Code, Refusal
from keyhouse.core.permissions import ALL, Permissions
from keyhouse.core.secret import Kind

ALLOW_LIST: Final = "allow_list"
DENY_LIST: Final = "deny_list"


class Status(StrEnum):
    """Where a key is in its life. Only `active` keys are accepted."""

    ACTIVE = "active"
    DISABLED = "disabled"
    EXPIRED = "expired"
    REVOKED = "revoked"


class SecretVersion(msgspec.Struct, frozen=True):
    """One secret of a key, as far as it may be known: never its value. It works until `ends_at_ms`, if that is set."""

    version: int
    last_four: str
    created_at_ms: int
    created_by: str
    ends_at_ms: int | None


class ApiKey(msgspec.Struct, frozen=True):
    """A key as people see it. `project_id` is None for admin keys; `models` None means every model, `endpoints` None
    every endpoint, else those paths and what is below them; an empty `ip_allowlist` means every address. `secrets` are
    ordered newest first. `parent_id` is the key that made a child key. `access_lost_at_ms` is when the roles of the
    key's owner stopped allowing calls in its project; None while they do.
    """

    id: str
    kind: Kind
    organization_id: str
    project_id: str | None
    owner_id: str
    name: str
    permissions: Permissions
    models: tuple[str, ...] | None
    endpoints: tuple[str, ...] | None
    ip_allowlist: tuple[str, ...]
    created_at_ms: int
    created_by: str
    expires_at_ms: int | None
    disabled_at_ms: int | None
    disabled_by: str | None
    revoked_at_ms: int | None
    revoked_by: str | None
    last_used_at_ms: int | None
    secrets: tuple[SecretVersion, ...]
    parent_id: str | None = None
    access_lost_at_ms: int | None = None

    @property
    def current(self) -> SecretVersion:
        """The newest secret."""
        return self.secrets[0]

    def status(self, now_ms: int) -> Status:
        """Its status at this instant; what is final comes first."""
        if self.revoked_at_ms is not None:
            return Status.REVOKED
        if self.expires_at_ms is not None and self.expires_at_ms <= now_ms:
            return Status.EXPIRED
        if self.disabled_at_ms is not None:
            return Status.DISABLED
        return Status.ACTIVE

    def has_living(self, version: int, now_ms: int) -> bool:
        """Whether this version of its secret has not ended; the key itself may be dead."""
        return any(
            secret.version == version and (secret.ends_at_ms is None or secret.ends_at_ms > now_ms)
            for secret in self.secrets
        )

    def previous_secret(self, now_ms: int) -> SecretVersion | None:
        """The old secret that still works during a rotation's overlap, if there is one."""
        for secret in self.secrets[1:]:
            if secret.ends_at_ms is not None and secret.ends_at_ms > now_ms:
                return secret
        return None


class Standing(msgspec.Struct, frozen=True, gc=False):
    """Everything that can make one secret of a key dead, in milliseconds since 1970, None where it does not apply.

    `access_lost_at_ms` is when the roles of the key's owner stopped allowing calls in the key's project.
    """

    secret_ends_at_ms: int | None = None
    expires_at_ms: int | None = None
    disabled_at_ms: int | None = None
    revoked_at_ms: int | None = None
    owner_gone_at_ms: int | None = None
    project_archived_at_ms: int | None = None
    access_lost_at_ms: int | None = None


class ModelPolicy(msgspec.Struct, frozen=True):
    """Which models a project may use: only those listed (`allow_list`), or all but those (`deny_list`)."""

    mode: str
    models: tuple[str, ...]

    def allows(self, model: str) -> bool:
        """Whether it may use this one."""
        return (model in self.models) == (self.mode == ALLOW_LIST)


class Credential(msgspec.Struct, frozen=True):
    """What a secret stands for once it has been recognized. There is no credential without a key.

    `redacted` is what may be shown of it. `parent_id` is the key that made a child key. `time_zone` is the
    organization's, by its IANA name. `admin keys` have an empty `project_id`.
    """

    key_id: str
    secret_version: int
    kind: Kind
    redacted: str
    organization_id: str
    time_zone: str
    project_id: str
    owner_id: str
    standing: Standing
    permissions: Permissions = ALL
    models: frozenset[str] | None = None
    ip_allowlist: tuple[str, ...] = ()
    project_models: ModelPolicy | None = None
    endpoints: tuple[str, ...] | None = None
    parent_id: str | None = None

    def under(self, parent: "Credential") -> "Credential":
        """This credential of a child key, with no more than what its parent has, and alive no longer than it."""
        own, above = self.standing, parent.standing
        standing = msgspec.structs.replace(
            own,
            expires_at_ms=min((at for at in (own.expires_at_ms, above.expires_at_ms) if at is not None), default=None),
            disabled_at_ms=above.disabled_at_ms if own.disabled_at_ms is None else own.disabled_at_ms,
            revoked_at_ms=above.revoked_at_ms if own.revoked_at_ms is None else own.revoked_at_ms,
        )
        models, endpoints = self.models, self.endpoints
        if parent.models is not None:
            models = parent.models if models is None else models & parent.models
        if parent.endpoints is not None:
            endpoints = parent.endpoints
        return msgspec.structs.replace(
            self,
            standing=standing,
            permissions=self.permissions.meet(parent.permissions),
            models=models,
            endpoints=endpoints,
            ip_allowlist=parent.ip_allowlist or self.ip_allowlist,
        )

    def may_use(self, model: str) -> bool:
        """Whether both the key and its project may use this model."""
        if self.models is not None and model not in self.models:
            return False
        return self.project_models is None or self.project_models.allows(model)


def why_dead(standing: Standing, now_ms: int) -> Code | None:
    """Why a secret is refused at this instant, what is final first; None while it is alive."""
    if standing.revoked_at_ms is not None:
        return Code.KEY_REVOKED
    if standing.owner_gone_at_ms is not None:
        return Code.KEY_OWNER_GONE
    if standing.project_archived_at_ms is not None:
        return Code.PROJECT_ARCHIVED
    if standing.access_lost_at_ms is not None:
        return Code.KEY_ACCESS_LOST
    if standing.expires_at_ms is not None and standing.expires_at_ms <= now_ms:
        return Code.KEY_EXPIRED
    if standing.disabled_at_ms is not None:
        return Code.KEY_DISABLED
    if standing.secret_ends_at_ms is not None and standing.secret_ends_at_ms <= now_ms:
        return Code.KEY_ROTATED
    return None


def died_at_ms(standing: Standing, code: Code) -> int | None:
    """When what `why_dead` names happened; None where the books do not know."""
    at_ms = {
        Code.KEY_ACCESS_LOST: standing.access_lost_at_ms,
        Code.KEY_REVOKED: standing.revoked_at_ms,
        Code.KEY_OWNER_GONE: standing.owner_gone_at_ms,
        Code.PROJECT_ARCHIVED: standing.project_archived_at_ms,
        Code.KEY_EXPIRED: standing.expires_at_ms,
        Code.KEY_DISABLED: standing.disabled_at_ms,
        Code.KEY_ROTATED: standing.secret_ends_at_ms,
    }.get(code)
    return at_ms or None  # the owner of a key that never had one has gone at 0


_DEATHS: Final = {
    Code.KEY_ACCESS_LOST: (
        "belongs to someone who may not call models in its project{since}",
        "An owner of the project can give its owner the role again; the key then works as before.",
    ),
    Code.KEY_REVOKED: ("was revoked{on}", "Create a new key in the console."),
    Code.KEY_OWNER_GONE: ("belongs to someone who is no longer a member{since}", "Ask an owner for a new key."),
    Code.PROJECT_ARCHIVED: ("belongs to a project that was archived{on}", "Create a key in an active project."),
    Code.KEY_EXPIRED: ("has expired{on}", "Create a new key, or ask an owner to extend this one."),
    Code.KEY_DISABLED: ("is disabled{since}", "An owner can enable it again in the console."),
    Code.KEY_ROTATED: (
        "was rotated and this secret of it has ended{on}",
        "Use the key's newer secret; its id, limits and history are the same.",
    ),
    Code.KEY_UNKNOWN: ("does not exist here", "Check the base URL and that the whole key was copied."),
}


def dead_key(code: Code, redacted: str, at_ms: int | None = None) -> Refusal:
    """The refusal for a key that `why_dead` names, and since when. Its caller holds the secret, so is told plainly."""
    what, hint = _DEATHS[code]
    moment = "" if at_ms is None else f"{datetime.fromtimestamp(at_ms / 1000, UTC):%d %B %Y at %H:%M} UTC"
    said = what.format(on=f" on {moment}" if moment else "", since=f" since {moment}" if moment else "")
    return Refusal(code, f"The API key {redacted} {said}.", hint=hint)
