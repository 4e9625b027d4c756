"""What a call needs of the house, and the steps of it that every endpoint takes alike: who asks, what is asked, and
what the books are told.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from keyhouse.core.call import Opening
from keyhouse.core.clock import Clock, Entropy
from keyhouse.core.identifiers import call_id
from keyhouse.core.key import Credential
from keyhouse.core.leak_signatures import Signatures
from keyhouse.core.secret import Kind
from keyhouse.gateway.answer import Answer
from keyhouse.gateway.authenticate import Authenticator, require_endpoint
from keyhouse.gateway.background import POLL_SECONDS
from keyhouse.gateway.body_room import BodyRoom
from keyhouse.gateway.demo import Demo
from keyhouse.gateway.metered import Metered
from keyhouse.gateway.objects import Objects
from keyhouse.gateway.ports import ChildKeys, Leaks
from keyhouse.gateway.report_throttle import ReportThrottle
from keyhouse.gateway.request import (
    BODY_BYTES_MAX,
    BODY_SECONDS_MAX,
    UPLOAD_BYTES_MAX,
    UPLOAD_SECONDS_MAX,
    Request,
)
from keyhouse.gateway.routing import Routing, Upstream
from keyhouse.gateway.upstream import UpstreamClient
from keyhouse.ledger.book import Ledger
from keyhouse.store.engine import Database
from keyhouse.wire.body import Asked
from keyhouse.wire.form import FormReader, FormRequest, Upload, not_a_form


@dataclass(frozen=True, slots=True)
class SocketLimits:
    """How long an open socket may be: in all, silent, unread, and saying goodbye; how often it is looked after; and how
    long a refusal stands for every further piece of sound, of which a microphone brings fifty a second. In seconds.
    """

    session_seconds: float = 3_600.0
    idle_seconds: float = 600.0
    read_seconds: float = 120.0
    goodbye_seconds: float = 2.0
    tick_seconds: float = 1.0
    ask_again_seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class House:
    """What a call needs of the house."""

    authenticator: Authenticator
    routing: Routing
    ledger: Ledger
    client: UpstreamClient
    clock: Clock
    entropy: Entropy
    objects: Objects
    database: Database
    children: ChildKeys
    leaks: Leaks
    reports: ReportThrottle
    signatures: Signatures | None = None
    body_bytes_max: int = BODY_BYTES_MAX
    body_seconds_max: float = BODY_SECONDS_MAX
    upload_bytes_max: int = UPLOAD_BYTES_MAX
    upload_seconds_max: float = UPLOAD_SECONDS_MAX
    bodies: BodyRoom = field(default_factory=BodyRoom)
    poll_seconds: float = POLL_SECONDS
    sockets: SocketLimits = SocketLimits()

    def forward(
        self, upstream: Upstream, path: str, body: bytes | Upload, call_id: str, headers: Sequence[tuple[str, str]] = ()
    ) -> Answer:
        """What this upstream answers; the demo lives in this process, every other one behind HTTP."""
        if upstream.is_demo:
            return Demo(self.clock).forward(path, body)
        return self.client.forward(upstream, path, body, call_id, headers)

    async def read(self, request: Request, metered: Metered) -> Asked | FormRequest:
        """What a request asks for, in JSON or as a form, whichever the endpoint takes. Raises Refusal."""
        kind = request.form_type() if metered.read_form is not None else None
        if kind is not None and metered.read_form is not None:
            reader = FormReader(kind, self.entropy(16).hex())
            await request.feed(reader.feed, self.upload_bytes_max, self.upload_seconds_max)
            return metered.read_form(reader.end())
        if metered.read is None:
            raise not_a_form("its content-type is not multipart/form-data")
        return metered.read(await request.body(self.body_bytes_max, self.body_seconds_max))


async def identify(request: Request, house: House, *, anew: bool = False, admits_admins: bool = False) -> Credential:
    """Step 1: the living key in the request's headers, or a Refusal. `anew` where no reservation reads it again."""
    credential = await house.authenticator.authenticate(
        request.presented,
        request.address,
        takes_x_api_key=request.dialect.takes_x_api_key,
        anew=anew,
        admits_admins=admits_admins,
    )
    request.credential = credential
    require_endpoint(credential, request.path)
    return credential


def opening_of(
    request: Request,
    credential: Credential,
    house: House,
    *,
    model: str,
    upstream: str,
    price_id: int | None,
    address: str | None = None,
    endpoint: str | None = None,
    attempt: int = 1,
) -> Opening:
    """Who calls what, for the books. `address` is the caller's and `endpoint` what is called, if it is not the
    request's own.
    """
    random = request.entropy if attempt == 1 else house.entropy(10)
    request.call_id = call_id(house.clock.now_ms(), random)
    request.upstream = upstream
    return Opening(
        id=request.call_id,
        request_id=request.request_id,
        attempt=attempt,
        organization_id=credential.organization_id,
        time_zone=credential.time_zone,
        project_id=credential.project_id,
        owner_type="service_account" if credential.kind is Kind.SERVICE_ACCOUNT else "user",
        owner_id=credential.owner_id,
        key_id=credential.key_id,
        secret_version=credential.secret_version,
        redacted=credential.redacted,
        model=model,
        upstream=upstream,
        endpoint=request.path if endpoint is None else endpoint,
        price_id=price_id,
        address=request.address if address is None else address,
        agent=request.presented.agent,
        parent_id=credential.parent_id,
    )
