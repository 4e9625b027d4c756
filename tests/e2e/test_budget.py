"""1,000 calls at once on a key whose limit fits 137 of them: 137 reach the upstream, not one more."""

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Final

import httpx
import pytest

from e2e.admin import Admin
from e2e.configuration import INPUT_NANO_USD, OUTPUT_NANO_USD
from e2e.processes import House, eventually
from e2e.wire import Reply, chat, post

CALLS: Final = 1_000
FIT: Final = 137
OUTPUT_TOKENS: Final = 40
TEMPLATE_TOKENS: Final = 64
"""What Keyhouse adds to a body's length for the chat template (docs of keyhouse.core.bound)."""


async def all_at_once(house: House, body: bytes, secret: str) -> list[Reply]:
    return await asyncio.gather(*(post(house.url, body, secret) for _ in range(CALLS)))


def require_137(house: House, key_id: str, replies: list[Reply], seen: list[str]) -> None:
    """137 answers, 137 rows, 137 ids at the upstream, the same ones; all others refused for good."""
    assert Counter(reply.status for reply in replies) == {200: FIT, 429: CALLS - FIT}
    answered = sorted(reply.headers["x-keyhouse-call-id"] for reply in replies if reply.status == 200)
    assert sorted(seen) == answered
    assert sorted(row["id"] for row in house.calls(key_id)) == answered
    for reply in replies:
        if reply.status == 429:
            assert (reply.error["type"], reply.error["code"]) == ("insufficient_quota", "insufficient_quota")
            assert reply.headers["x-should-retry"] == "false"
            assert reply.error["details"]["scope_id"] == key_id
    house.verify()


class Seen:
    """The call ids that the upstream has written down since this was made."""

    def __init__(self, record: Path) -> None:
        self._record = record
        self._before = record.stat().st_size if record.exists() else 0

    def ids(self) -> list[str]:
        lines = self._record.read_bytes()[self._before :].decode().splitlines()
        return [line.removeprefix("seen ") for line in lines if line.startswith("seen ")]


@pytest.mark.asyncio
async def test_of_1000_calls_at_once_137_fit_a_limit_of_137_requests(
    scripted_house: House, scripted_admin: Admin, scripted_record: Path
) -> None:
    key = scripted_admin.create_key(limits=[{"unit": "requests", "window": "total", "amount": str(FIT)}])
    seen = Seen(scripted_record)
    body = json.dumps(chat(max_tokens=OUTPUT_TOKENS, script={"delay_ms": 200})).encode()
    replies = await all_at_once(scripted_house, body, key["value"])
    require_137(scripted_house, key["id"], replies, seen.ids())


@pytest.mark.asyncio
async def test_of_1000_calls_at_once_137_fit_a_budget_of_137_worst_cases_and_it_is_spent_to_the_last_nano_dollar(
    scripted_house: House, scripted_admin: Admin, scripted_record: Path
) -> None:
    # The upstream reports exactly the worst case, so nothing that a settled call gives back lets another in.
    script = {"delay_ms": 200, "completion_tokens": OUTPUT_TOKENS, "prompt_tokens": 100}
    length = len(json.dumps(chat(max_tokens=OUTPUT_TOKENS, script=script)).encode())
    script["prompt_tokens"] = length + TEMPLATE_TOKENS
    body = json.dumps(chat(max_tokens=OUTPUT_TOKENS, script=script)).encode()
    assert len(body) == length
    worst = (length + TEMPLATE_TOKENS) * INPUT_NANO_USD + OUTPUT_TOKENS * OUTPUT_NANO_USD
    budget = f"0.{FIT * worst:09}"
    key = scripted_admin.create_key(limits=[{"unit": "usd", "window": "month", "amount": budget}])
    seen = Seen(scripted_record)
    replies = await all_at_once(scripted_house, body, key["value"])
    require_137(scripted_house, key["id"], replies, seen.ids())
    assert {row["charged_nano_usd"] for row in scripted_house.calls(key["id"])} == {worst}
    (limit,) = scripted_admin.key(key["id"])["limits"]
    assert (limit["used"], limit["reserved"], float(limit["left"])) == (budget.rstrip("0"), "0.00", 0.0)


def test_what_limits_refused_is_written_while_it_runs_and_when_it_stops(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.init()
    house.start()
    with Admin(house) as admin:
        key = admin.create_key(limits=[{"unit": "requests", "window": "total", "amount": "0"}])
        may = admin.create_key(permissions={"keys": "write"})
        headers = {"authorization": f"Bearer {key['value']}"}
        body = {"model": "keyhouse-demo", "messages": [{"role": "user", "content": "hi"}]}
        with httpx.Client(base_url=house.url) as client:
            assert client.post("/v1/chat/completions", json=body, headers=headers).status_code == 429
            eventually(lambda: counted(house) == 1, "what was refused was not written")
            question = {"key": key["value"], "model": "whatever"}
            asking = {"authorization": f"Bearer {may['value']}"}
            told = client.post("/v1/keys/verify", json=question, headers=asking)
            assert (told.status_code, told.json()["code"]) == (200, "USAGE_EXCEEDED")
            assert client.post("/v1/chat/completions", json=body, headers=headers).status_code == 429
    house.stop()
    assert counted(house) == 2, "a verification is answered, not refused"


def counted(house: House) -> int:
    return sum(row["requests"] for row in house.rows("SELECT requests FROM refused_hour"))
