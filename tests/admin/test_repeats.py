"""Two `Idempotency-Key` headers are none."""

import httpx

from admin.test_keys import KEYS
from admin.town import Town, refusal
from keyhouse.core.errors import Code


def test_two_idempotency_keys_are_refused(town: Town) -> None:
    headers = [("authorization", f"Bearer {town.owner}"), ("idempotency-key", "a"), ("idempotency-key", "b")]
    answer = httpx.post(f"{town.url}/v1/organization{KEYS}", json={"name": "x"}, headers=headers)
    assert refusal(answer) == (400, "Idempotency-Key", Code.PARAMETER_INVALID)
