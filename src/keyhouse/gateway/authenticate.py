"""Who asks: from a request's headers to a living key, or a refusal. There is nothing in between.

Shape and checksum are checked before the database is asked, so garbage costs no question. What a
secret stands for is then remembered by its full digest for a few seconds. The memory may be late by as much
for changes made elsewhere, which is safe: the ledger reads the key again in the transaction that reserves.
Changes made in this process are not late at all, and those of other gateways hardly, by `forget`.
"""

import hmac
from collections import OrderedDict
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from keyhouse.core.clock import Clock
from keyhouse.core.errors import Code, Refusal
from keyhouse.core.key import Credential, dead_key, died_at_ms, why_dead
from keyhouse.core.permissions import Access, Resource
from keyhouse.core.secret import Kind, Secret, digest, parse, redact
from keyhouse.gateway.presented import Presented
from keyhouse.store.engine import Database
from keyhouse.store.keys import find_credential

REMEMBERED_MAX: Final = 10_000
REMEMBERED_MS: Final = 10_000

_SEND_IT: Final = "Send it in one header: `Authorization: Bearer sk-kh_...`."


class _Remembered:
    """What a digest stands for, until when that is believed, and the networks it may be used from."""

    __slots__ = ("credential", "digest", "networks", "until_ms")

    def __init__(self, found: bytes, credential: Credential, until_ms: float) -> None:
        self.digest = found
        self.credential = credential
        self.until_ms = until_ms
        self.networks: tuple[IPv4Network | IPv6Network, ...] = tuple(
            ip_network(entry, strict=False) for entry in credential.ip_allowlist
        )


class Authenticator:
    """Recognizes secrets. `pepper` is the server's; without it a digest can neither be made nor forged."""

    def __init__(
        self, database: Database, pepper: bytes, clock: Clock, *, remembered_max: int = REMEMBERED_MAX
    ) -> None:
        self._database = database
        self._pepper = pepper
        self._clock = clock
        self._remembered_max = remembered_max
        self._remembered: OrderedDict[bytes, _Remembered] = OrderedDict()
        self._digests_of: dict[str, set[bytes]] = {}
        self._forgettings = 0

    async def authenticate(
        self,
        presented: Presented,
        address: str,
        *,
        takes_x_api_key: bool = False,
        anew: bool = False,
        admits_admins: bool = False,
    ) -> Credential:
        """The living credential in a request from this address.

        `takes_x_api_key`: it may stand there, too. `anew`: read it from the database in any case, for what no
        reservation follows that would. `admits_admins`: an admin key will do, too. Raises Refusal.
        """
        found = presented.digest
        if found is None:
            found = presented.digest = digest(_the_one(presented, takes_x_api_key), self._pepper)
        remembered = self._remembered.get(found)
        # The digest is keyed, so its comparison tells an attacker nothing; constant time all the same.
        if (
            anew
            or remembered is None
            or remembered.until_ms <= self._clock.monotonic_ms()
            or not hmac.compare_digest(remembered.digest, found)
        ):
            # Shape and checksum come before any question to the database. What is remembered had them.
            text = _the_one(presented, takes_x_api_key)
            _require_key(text, admits_admins=admits_admins)
            remembered = await self._look_up(found, text)
        else:
            self._remembered.move_to_end(found)
        credential = remembered.credential
        if credential.kind is Kind.ADMIN and not admits_admins:
            raise _no_admins(credential.redacted)
        dead = why_dead(credential.standing, self._clock.now_ms())
        if dead is not None:
            raise dead_key(dead, credential.redacted, died_at_ms(credential.standing, dead))
        if remembered.networks and not _is_within(address, remembered.networks):
            raise _not_from(address, credential)
        return credential

    async def recognize(self, text: str) -> Credential | None:
        """What this secret of an API key stands for, dead or alive, read anew; None if no API key ever had it."""
        secret: Secret | None = parse(text)
        if secret is None or secret.kind is Kind.ADMIN:
            return None
        found = digest(text, self._pepper)
        return await self._database.read(lambda connection: find_credential(connection, found))

    def forget(self, key_id: str) -> None:
        """Read this key anew when it is used next, also where a reading of it is under way right now."""
        self._forgettings += 1
        for found in tuple(self._digests_of.get(key_id, ())):
            self._drop(found)

    def forget_all(self) -> None:
        """Read every key anew when it is used next: what was changed elsewhere may have gone unheard."""
        self._forgettings += 1
        self._remembered.clear()
        self._digests_of.clear()

    async def _look_up(self, found: bytes, text: str) -> _Remembered:
        forgettings = self._forgettings
        credential = await self._database.read(lambda connection: find_credential(connection, found))
        if credential is None:
            raise dead_key(Code.KEY_UNKNOWN, redact(text))
        remembered = _Remembered(found, credential, self._clock.monotonic_ms() + REMEMBERED_MS)
        # What was read before a change was announced must not be remembered after it.
        if forgettings == self._forgettings:
            self._remember(remembered)
        return remembered

    def _remember(self, remembered: _Remembered) -> None:
        self._remembered[remembered.digest] = remembered
        self._remembered.move_to_end(remembered.digest)
        for key_id in _keys_of(remembered.credential):
            self._digests_of.setdefault(key_id, set()).add(remembered.digest)
        if len(self._remembered) > self._remembered_max:
            self._drop(next(iter(self._remembered)))

    def _drop(self, found: bytes) -> None:
        for key_id in _keys_of(self._remembered.pop(found).credential):
            digests = self._digests_of[key_id]
            digests.discard(found)
            if not digests:
                del self._digests_of[key_id]


def _keys_of(credential: Credential) -> tuple[str, ...]:
    """The keys that it hangs on: its own, and the one that made it."""
    return (credential.key_id,) if credential.parent_id is None else (credential.key_id, credential.parent_id)


def require_address(credential: Credential, address: str) -> None:
    """Raise Refusal unless this credential may be used from this address."""
    networks = tuple(ip_network(entry, strict=False) for entry in credential.ip_allowlist)
    if networks and not _is_within(address, networks):
        raise _not_from(address, credential)


def require_endpoint(credential: Credential, path: str) -> None:
    """Raise Refusal unless this credential may use this path: one on its list, or below one."""
    endpoints = credential.endpoints
    if endpoints is not None and not any(path == one or path.startswith(f"{one}/") for one in endpoints):
        raise Refusal(
            Code.ENDPOINT_NOT_ALLOWED,
            f"The API key {credential.redacted} may not be used for {path[:200]}.",
            hint=f"It may be used for {', '.join(endpoints)}; have the list changed, or use another key.",
        )


def require_permission(credential: Credential, resource: Resource, access: Access) -> None:
    """Raise Refusal unless this credential may do this."""
    if not credential.permissions.allow(resource, access):
        raise Refusal(
            Code.PERMISSION_MISSING,
            f"The API key {credential.redacted} lacks the permission `{resource}: {access}`.",
            hint="Use a key that has it, or have it added to this one.",
        )


def require_model(credential: Credential, model: str) -> None:
    """Raise Refusal unless this credential, and its project, may use this model."""
    if credential.models is not None and model not in credential.models:
        raise Refusal(
            Code.MODEL_NOT_ALLOWED,
            f"The API key {credential.redacted} does not have access to model `{model[:200]}`.",
            hint="GET /v1/models lists the models that it may use.",
            param="model",
        )
    if not credential.may_use(model):
        raise Refusal(
            Code.MODEL_NOT_ALLOWED,
            f"Project `{credential.project_id}` does not have access to model `{model[:200]}`.",
            hint="An owner of the organization can change the models that the project may use.",
            param="model",
        )


def _not_from(address: str, credential: Credential) -> Refusal:
    return Refusal(
        Code.ADDRESS_NOT_ALLOWED,
        f"The API key {credential.redacted} may not be used from {address or 'an unknown address'}.",
        hint="Use it from an address on its list, or have the list changed.",
    )


def _require_key(text: str, *, admits_admins: bool) -> None:
    """Raise Refusal unless this is a key by its form, of a kind that is admitted."""
    secret = parse(text)
    if secret is None:
        raise Refusal(
            Code.KEY_MALFORMED,
            f"Incorrect API key provided: {redact(text)}.",
            hint="Its checksum or its form is wrong: check that the whole key was copied.",
        )
    if secret.kind is Kind.ADMIN and not admits_admins:
        raise _no_admins(redact(text))


def _no_admins(redacted: str) -> Refusal:
    return Refusal(
        Code.KEY_WRONG_KIND,
        f"{redacted} is an admin key, and admin keys do not call models.",
        hint="Use a project's API key here, and this one for /v1/organization.",
    )


def _the_one(presented: Presented, takes_x_api_key: bool) -> str:
    """The secret in a head. Raises Refusal if there is none, or more than one."""
    authorization, elsewhere = presented.credentials(takes_x_api_key=takes_x_api_key)
    if not authorization:
        where = "It was sent in a header that is not read here. " if elsewhere else ""
        raise Refusal(Code.CREDENTIAL_MISSING, "You didn't provide an API key.", hint=f"{where}{_SEND_IT}")
    if elsewhere or len(authorization) > 1:
        raise Refusal(Code.CREDENTIAL_TWICE, "The request carries more than one credential.", hint=_SEND_IT)
    scheme, _, text = authorization[0].decode("latin-1").partition(" ")
    if scheme.lower() != "bearer" or not text:
        raise Refusal(
            Code.CREDENTIAL_MISSING, "The Authorization header is not of the form `Bearer KEY`.", hint=_SEND_IT
        )
    return text.strip(" ")


def _is_within(address: str, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return any(found in network for network in networks)
