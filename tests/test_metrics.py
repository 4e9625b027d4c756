"""The page of metrics says what happened, and nothing about whom it happened to."""

import re
from pathlib import Path
from typing import Final

import pytest

from given import FakeClock
from given_engine import Engine
from given_ledger import Desk, a_desk, budget
from house.source import ROOT
from keyhouse.core.call import Closing, State
from keyhouse.core.errors import Refusal
from keyhouse.gateway.cool_down import CoolDowns, Failure
from keyhouse.gateway.routing import Deployment, Model, Routing, Upstream
from keyhouse.ledger.housekeeping import Housekeeping, Kept
from keyhouse.ledger.tally import Tally
from keyhouse.ledger.watch import Watch
from keyhouse.metrics import Metrics, Sources

LABELS: Final = {"verdict", "state", "door", "status", "kind", "le", "upstream", "failure"}
"""Every label there is. None may name a key, a person, a project, a model or an address."""


def a_routing(clock: FakeClock) -> Routing:
    """Two upstreams, of which one cannot be reached."""
    both = tuple(Deployment(Upstream(name, f"https://{name}.example/v1"), "m") for name in ("first", "second"))
    routing = Routing({"tiny-1": Model("tiny-1", both)}, CoolDowns(clock))
    routing.cool_downs.failed("first", Failure.UNREACHABLE)
    return routing


def sources(desk: Desk) -> Sources:
    return Sources(
        desk.ledger,
        desk.commit.tally,
        Watch(desk.database, desk.clock, lambda _: None),
        Housekeeping(desk.database, desk.clock, Kept()),
        orphans=lambda: 3,
        statuses={("gateway", 2): 5, ("gateway", 4): 1},
        routing=a_routing(desk.clock),
    )


def values(page: bytes) -> dict[str, float]:
    lines = [line for line in page.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


@pytest.mark.asyncio
async def test_the_page_says_what_happened(engine: Engine, tmp_path: Path) -> None:
    async with a_desk(engine, tmp_path, budget(2_500)) as desk:
        read = sources(desk)
        metrics = Metrics(read)
        before = values(metrics.page())
        assert before["keyhouse_ledger_is_well"] == 1
        assert "keyhouse_ledger_disagreements" not in before
        await desk.call("call_1", 1_000)
        await desk.call("call_2", 1_000)
        with pytest.raises(Refusal):
            await desk.call("call_3", 1_000)
        await desk.commit.close(Closing("call_1", State.SETTLED))
        await read.watch.round()
        after = values(metrics.page())
    expected = {
        'ledger_reservations_total{verdict="admitted"}': 2,
        'ledger_reservations_total{verdict="limit_quota"}': 1,
        'ledger_calls_closed_total{state="settled"}': 2,
        "ledger_calls_held": 0,
        "ledger_disagreements": 0,
        "ledger_audited_timestamp_seconds": desk.clock.now_ms() / 1000,
        "ledger_orphans_closed_total": 3,
        "ledger_closings_lost_total": 0,
        "ledger_operations_total": 6,
        'http_answers_total{door="gateway",status="2xx"}': 5,
        'upstream_failures_total{failure="unreachable",upstream="first"}': 1,
        'upstream_is_cooling{upstream="first"}': 1,
        'upstream_is_cooling{upstream="second"}': 0,
        'http_answers_total{door="gateway",status="4xx"}': 1,
    }
    assert {name: after.get(f"keyhouse_{name}") for name in expected} == expected
    batches = after["keyhouse_ledger_batches_total"]
    assert 3 <= batches <= 6
    assert after['keyhouse_ledger_commit_seconds_bucket{le="+Inf"}'] == batches
    assert after["keyhouse_ledger_commit_seconds_sum"] > 0
    assert "process_cpu_seconds_total" in after


@pytest.mark.asyncio
async def test_every_metric_is_documented_and_no_label_names_anybody(engine: Engine, tmp_path: Path) -> None:
    async with a_desk(engine, tmp_path, budget(2_500)) as desk:
        await desk.call("call_1", 1_000)
        read = sources(desk)
        await read.watch.round()
        page = Metrics(read).page().decode()
    ours = set(re.findall(r"^# TYPE (keyhouse_\w+)", page, re.MULTILINE))
    documented = set(re.findall(r"`(keyhouse_\w+)", (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")))
    assert ours == documented
    lines = [line for line in page.splitlines() if line.startswith("keyhouse_")]
    assert {label for line in lines for label in re.findall(r'(\w+)="', line)} <= LABELS
    assert re.search(r"key_1|user-1|proj_1|org-1|tiny-1|call_1", page) is None


def test_a_commit_is_counted_in_the_bucket_that_holds_it() -> None:
    tally = Tally()
    for seconds in (0.0004, 0.001, 0.03, 60.0):
        tally.committed([], [], seconds)
    assert (tally.commits[0], tally.commits[5], tally.commits[-1]) == (2, 1, 1)
    assert tally.batches == 4
