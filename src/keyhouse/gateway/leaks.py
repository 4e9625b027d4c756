"""`POST /v1/leaks`: anybody may report a secret that was found where it should not be, GitHub first of all.

Nobody is asked who they are, so the answer says nothing: 204 whatever was found, after a body that can be read. How
often may be asked is limited by address and in all. Where GitHub's public keys are given, only what it signed is taken.
"""

from typing import Final

from keyhouse.core.leak_signatures import IDENTIFIER, SIGNATURE
from keyhouse.gateway.house import House
from keyhouse.gateway.request import Request
from keyhouse.wire.leaks import read_leaks

PATH: Final = "/v1/leaks"
BODY_BYTES_MAX: Final = 1_000_000


async def take_report(request: Request, house: House) -> None:
    """Stop the keys of the secrets in the body, and say nothing about them."""
    house.reports.admit(request.address)
    body = await request.body(min(BODY_BYTES_MAX, house.body_bytes_max), house.body_seconds_max)
    if house.signatures is not None:
        house.signatures.require(request.values(IDENTIFIER), request.values(SIGNATURE), body)
    await house.leaks.report(read_leaks(body), request.address)
    await request.answer(204, [(b"x-request-id", request.request_id.encode())], b"")
