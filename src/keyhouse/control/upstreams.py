"""Adding, changing and removing upstreams. Only here are hosts chosen; a request never chooses one."""

from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlsplit

import msgspec

from keyhouse.control.authority import Task, act
from keyhouse.core.clock import Entropy
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.identifiers import identifier
from keyhouse.core.price_list import BadField
from keyhouse.core.sealing import SealingKey, seal
from keyhouse.core.written import Configured, WrittenUpstream
from keyhouse.store import people
from keyhouse.store import upstreams as rows
from keyhouse.store.audit import Event
from keyhouse.store.engine import CATALOG, Actor, Change, Database
from keyhouse.store.served_models import list_models
from keyhouse.store.upstreams import StoredUpstream

CREDENTIAL_CHARACTERS_MAX: Final = 4_096

Reload = Callable[[], Awaitable[None]]
"""Has this gateway read its upstreams and models again; others are told by the change itself."""


class Upstreams:
    """The verbs on upstreams. What is `configured` is not changed here, and its names are taken."""

    def __init__(
        self, database: Database, entropy: Entropy, sealing: SealingKey, configured: Configured, reload: Reload
    ) -> None:
        self._database = database
        self._entropy = entropy
        self._sealing = sealing
        self._taken = {upstream.name for upstream in configured.upstreams}
        self._reload = reload

    async def create(self, actor: Actor, written: WrittenUpstream, credential: str | None) -> StoredUpstream:
        """A new upstream. Raises Refusal(PARAMETER_INVALID, CONFLICT, NOT_PERMITTED)."""
        require_sense(written.require_sense)
        _require_credential(credential)
        upstream_id = identifier("upstream_", self._entropy(20))

        def write(change: Change) -> StoredUpstream:
            connection = change.connection
            people.get_organization(connection, actor.organization_id, for_update=True)
            self._require_free(written.name, {one.written.name for one in rows.list_upstreams(connection)})
            made = StoredUpstream(
                upstream_id,
                actor.organization_id,
                written,
                None if credential is None else seal(credential, self._sealing, row_of(upstream_id), self._entropy),
                change.now_ms,
                actor.user_id,
            )
            rows.insert_upstream(connection, made)
            change.announce(CATALOG)
            change.record(Event.UPSTREAM_CREATED, made.id, details=describe(made))
            return made

        made = await act(self._database, actor, Task.UPSTREAMS, write)
        await self._reload()
        return made

    async def update(
        self,
        actor: Actor,
        upstream_id: str,
        rewrite: Callable[[WrittenUpstream], WrittenUpstream],
        credential: str | msgspec.UnsetType | None = msgspec.UNSET,
    ) -> StoredUpstream:
        """Rewrite an upstream, and give it another credential or none. Its name stays: calls and prices know it by it.

        Raises Refusal(NOT_FOUND, PARAMETER_INVALID, NOT_PERMITTED).
        """
        if credential is not msgspec.UNSET:
            _require_credential(credential)

        def write(change: Change) -> StoredUpstream:
            before = rows.get_upstream(change.connection, actor.organization_id, upstream_id, for_update=True)
            written = rewrite(before.written)
            require_sense(written.require_sense)
            require_same_name(before.written.name, written.name)
            sealed = before.credential
            if sealed is not None and credential is msgspec.UNSET:
                _require_same_host(before.written.base_url, written.base_url)
            if credential is not msgspec.UNSET:
                row = row_of(upstream_id)
                sealed = None if credential is None else seal(credential, self._sealing, row, self._entropy)
            after = msgspec.structs.replace(before, written=written, credential=sealed)
            rows.update_upstream(change.connection, after)
            change.announce(CATALOG)
            change.record(
                Event.UPSTREAM_UPDATED,
                after.id,
                details=describe(after)
                | {"previous": describe(before), "credential_changed": credential is not msgspec.UNSET},
            )
            return after

        after = await act(self._database, actor, Task.UPSTREAMS, write)
        await self._reload()
        return after

    async def delete(self, actor: Actor, upstream_id: str) -> None:
        """Remove an upstream that serves no model. Raises Refusal(NOT_FOUND, CONFLICT, NOT_PERMITTED)."""

        def write(change: Change) -> None:
            connection = change.connection
            # Locked, so that no model begins to need it meanwhile.
            people.get_organization(connection, actor.organization_id, for_update=True)
            found = rows.get_upstream(connection, actor.organization_id, upstream_id, for_update=True)
            name = found.written.name
            users = [
                one.written.name
                for one in list_models(connection)
                if name in {served.name for served in one.written.served()}
            ]
            if users and name not in self._taken:
                raise Refusal(
                    Code.CONFLICT,
                    f"The upstream {name} serves {', '.join(users[:10])}.",
                    hint="Give those models another upstream, or delete them, first.",
                )
            rows.delete_upstream(connection, found.id)
            change.announce(CATALOG)
            change.record(Event.UPSTREAM_DELETED, found.id, details=describe(found))

        await act(self._database, actor, Task.UPSTREAMS, write)
        await self._reload()

    def _require_free(self, name: str, stored: set[str]) -> None:
        if name in self._taken:
            raise Refusal(
                Code.CONFLICT,
                f"The configuration has an upstream {name}, and what is configured wins.",
                hint="Choose another name, or take it out of the configuration.",
                param="name",
            )
        if name in stored:
            raise Refusal(
                Code.CONFLICT, f"There is an upstream {name} already.", hint="Choose another name.", param="name"
            )


def row_of(upstream_id: str) -> str:
    """What an upstream's credential is bound to."""
    return f"upstreams/{upstream_id}/credential"


def require_sense(check: Callable[[], None]) -> None:
    """Raise Refusal(PARAMETER_INVALID) for what `check` says cannot be meant."""
    try:
        check()
    except BadField as error:
        field = error.field or None
        what = f"The field {field} is wrong" if field else "The prices are wrong"
        raise Refusal(Code.PARAMETER_INVALID, f"{what}: {error.why}.", param=field) from None


def require_same_name(before: str, after: str) -> None:
    """Raise Refusal(PARAMETER_INVALID) for another name."""
    if before != after:
        raise Refusal(
            Code.PARAMETER_INVALID,
            f"The name {before} cannot be changed: calls and prices are known by it.",
            hint="Add another one, and delete this one.",
            param="name",
        )


def _require_same_host(before: str, after: str) -> None:
    """Whoever may change an address is not shown the credential by pointing it at a server of their own."""
    if urlsplit(before)[:2] != urlsplit(after)[:2]:
        raise Refusal(
            Code.PARAMETER_INVALID,
            "The base_url names another server, and the credential is for the one before.",
            hint="Send the new server's credential with it, as api_key, or null if it needs none.",
            param="api_key",
        )


def describe(upstream: StoredUpstream) -> dict[str, object]:
    """An upstream as the audit log tells it: whether it has a credential, and nothing of it."""
    return {**msgspec.structs.asdict(upstream.written), "has_credential": upstream.credential is not None}


def _require_credential(credential: str | None) -> None:
    if credential is None:
        return
    # It becomes a header's value: what cannot stand in one would fail, or begin another header.
    if not credential or not credential.isascii() or not credential.isprintable() or " " in credential:
        raise Refusal(
            Code.PARAMETER_INVALID,
            "The credential is empty, or has characters that no credential has.",
            hint="Copy it again, whole and without line breaks; leave it out for an upstream that needs none.",
            param="api_key",
        )
    if len(credential) > CREDENTIAL_CHARACTERS_MAX:
        raise Refusal(
            Code.PARAMETER_INVALID,
            f"The credential is longer than {CREDENTIAL_CHARACTERS_MAX} characters.",
            hint="Copy it again.",
            param="api_key",
        )
