"""What people are told they used and owe is exactly what the SDK was told, wherever they look."""

import csv
import io
import re
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import httpx
from openai import OpenAI

from e2e.admin import Admin
from e2e.configuration import charge_nano_usd
from e2e.processes import PASSWORD, House

NANO = 10**9


class Sum:
    """What a key used, added up from the usage that the SDK showed."""

    def __init__(self) -> None:
        self.calls = self.given = self.cached = self.output = self.nano_usd = 0

    def add(self, usage: Any) -> None:
        self.calls += 1
        self.given += usage.prompt_tokens
        self.cached += usage.prompt_tokens_details.cached_tokens or 0
        self.output += usage.completion_tokens
        self.nano_usd += charge_nano_usd(usage)

    @property
    def usd(self) -> Decimal:
        return Decimal(self.nano_usd) / NANO


def use(client: OpenAI) -> Sum:
    """Four plain and three streamed calls."""
    used = Sum()
    for number in range(4):
        answer = client.chat.completions.create(
            model="tiny-1", messages=[{"role": "user", "content": f"Question {number}"}], max_tokens=30
        )
        used.add(answer.usage)
    for number in range(3):
        *_, last = client.chat.completions.create(
            model="tiny-1",
            messages=[{"role": "user", "content": f"Question {number}"}],
            max_tokens=30,
            stream=True,
            stream_options={"include_usage": True},
        )
        used.add(last.usage)
    return used


def only_result(page: dict[str, Any]) -> dict[str, Any]:
    """The one result in a page of buckets."""
    (result,) = [result for bucket in page["data"] for result in bucket["results"]]
    assert isinstance(result, dict)
    return result


def test_command_api_console_and_ledger_show_exactly_the_calls_tokens_and_money_that_the_sdk_saw(
    house: House, admin: Admin, sdk: Callable[[str], OpenAI]
) -> None:
    while time.time() % 3600 > 3590 or time.time() % 86_400 > 86_390:
        time.sleep(0.5)  # so that everything falls into one hour and one day
    made = house.command("keys", "create", "--name", "numbers", "--budget", "25/month", "--json").json
    used = use(sdk(made["value"]))
    rows = house.calls(made["id"])

    # the ledger
    assert (len(rows), sum(row["charged_nano_usd"] for row in rows)) == (used.calls, used.nano_usd)
    house.verify()

    # the command
    shown = only_result(house.command("usage", "--key", made["id"], "--json").json)
    cost = only_result(house.command("costs", "--key", made["id"], "--json").json)
    assert Decimal(cost["amount"]["decimal"]) == used.usd

    # the Admin API, as OpenAI's own SDK reads it
    with OpenAI(base_url=f"{house.url}/v1", admin_api_key=admin.admin_key, max_retries=0) as client:
        page = client.admin.organization.usage.completions(
            start_time=int(time.time()) - 7200, bucket_width="1d", api_key_ids=[made["id"]], group_by=["model"]
        )
    found = only_result(page.model_dump())
    assert found["model"] == "tiny-1"
    for result in (shown, found):
        assert (
            result["num_model_requests"],
            result["input_tokens"],
            result["input_cached_tokens"],
            result["output_tokens"],
        ) == (used.calls, used.given, used.cached, used.output)

    # the key's own budget
    (limit,) = admin.key(made["id"])["limits"]
    assert (Decimal(limit["used"]), Decimal(limit["reserved"])) == (used.usd, Decimal(0))


def test_the_consoles_usage_file_adds_up_to_the_ledger(
    house: House, admin: Admin, sdk: Callable[[str], OpenAI]
) -> None:
    used = use(sdk(admin.create_key("console numbers")["value"]))
    with httpx.Client(base_url=house.url, follow_redirects=False) as browser:
        door = browser.get("/sign-in")
        csrf = re.search(r'name="csrf" value="([^"]+)"', door.text)
        assert csrf is not None
        signed_in = browser.post(
            "/sign-in",
            data={"email": "ada@example.com", "password": PASSWORD, "csrf": csrf[1]},
            headers={"sec-fetch-site": "same-origin", "origin": house.url},
        )
        assert signed_in.status_code in {302, 303}, signed_in.text
        answer = browser.get("/usage.csv", params={"by": "api_key_id"})
    assert answer.status_code == 200, answer.text
    (line,) = [row for row in csv.DictReader(io.StringIO(answer.text)) if "console numbers" in row.values()]
    shown = [int(line[name]) for name in ("requests", "input_tokens", "cached_input_tokens", "output_tokens")]
    assert shown == [used.calls, used.given, used.cached, used.output]
    assert Decimal(line["cost_usd"]) == used.usd
