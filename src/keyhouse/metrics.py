"""Metrics in Prometheus' text format, read at the moment somebody asks.

Calls count with plain integers in the objects that serve them; here those are read, named and explained. No label
says which key, person, project, model or address; `docs/operations.md` lists all there is.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from keyhouse.gateway.routing import Routing
from keyhouse.ledger.book import Ledger
from keyhouse.ledger.housekeeping import Housekeeping
from keyhouse.ledger.tally import COMMIT_BOUNDS_SECONDS, Tally
from keyhouse.ledger.watch import Watch

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric


@dataclass(frozen=True)
class Sources:
    """Where the figures are. `orphans` says how many calls of dead gateways this one has closed; `statuses` holds
    the answers so far by door and class of status, such as `("gateway", 2)`.
    """

    ledger: Ledger
    tally: Tally
    watch: Watch
    housekeeping: Housekeeping
    orphans: Callable[[], int]
    statuses: Mapping[tuple[str, int], int]
    routing: Routing


class Metrics:
    """The page of metrics."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._registry: CollectorRegistry | None = None

    def page(self) -> bytes:
        """The page as it is now."""
        # Loaded when first asked for: it takes a tenth of a second, and many installations never ask.
        from prometheus_client import (
            CollectorRegistry,
            GCCollector,
            PlatformCollector,
            ProcessCollector,
            generate_latest,
        )

        if self._registry is None:
            self._registry = CollectorRegistry(auto_describe=False)
            self._registry.register(_Collector(self._sources))
            ProcessCollector(registry=self._registry)
            PlatformCollector(registry=self._registry)
            GCCollector(registry=self._registry)
        return generate_latest(self._registry)


class _Collector:
    """What prometheus-client asks for its families; see its `Collector`."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def describe(self) -> "Iterable[Metric]":
        """Nothing: names are not looked for twice."""
        return ()

    def collect(self) -> "Iterable[Metric]":
        """Every family."""
        yield from self._of_the_audit()
        yield from self._of_batches()
        yield from self._of_calls()
        yield from self._of_upstreams()

    def _of_the_audit(self) -> "Iterable[Metric]":
        watch = self._sources.watch
        if watch.report is not None and watch.audited_at_ms is not None:
            yield _gauge(
                "ledger_disagreements",
                "Where the books disagreed with their calls at the last audit.",
                len(watch.report.disagreements),
            )
            yield _gauge(
                "ledger_audited_timestamp_seconds", "When the books were last audited.", watch.audited_at_ms / 1000
            )
            yield _gauge("ledger_audit_seconds", "How long the last audit took.", watch.took_ms / 1000)
        yield _counter("ledger_readings", "How often the auditor has read all calls.", watch.readings)
        is_well = self._sources.ledger.is_well
        yield _gauge("ledger_is_well", "1 if calls can be admitted right now, else 0.", int(is_well))

    def _of_batches(self) -> "Iterable[Metric]":
        from prometheus_client.core import HistogramMetricFamily

        tally = self._sources.tally
        yield _counter("ledger_batches", "Batches committed.", tally.batches)
        yield _counter("ledger_batch_failures", "Batches that were not committed.", tally.failed_batches)
        yield _counter("ledger_operations", "Reservations and closings in committed batches.", tally.operations)
        seconds = HistogramMetricFamily("keyhouse_ledger_commit_seconds", "How long a batch took to be durable.")
        buckets, so_far = [], 0
        for bound, count in zip([*map(str, COMMIT_BOUNDS_SECONDS), "+Inf"], tally.commits, strict=True):
            so_far += count
            buckets.append((bound, so_far))
        seconds.add_metric([], buckets, tally.commit_seconds)
        yield seconds

    def _of_calls(self) -> "Iterable[Metric]":
        sources = self._sources
        tally = sources.tally
        yield _counters(
            "ledger_reservations",
            "Reservations by verdict: admitted, or why not.",
            ("verdict",),
            {(str(verdict),): count for verdict, count in tally.verdicts.items()},
        )
        yield _counters(
            "ledger_calls_closed",
            "Calls closed, by the state they closed in.",
            ("state",),
            {(str(state),): count for state, count in tally.closed.items()},
        )
        yield _gauge("ledger_calls_held", "Calls of this gateway that run right now.", sources.ledger.held)
        yield _counter("ledger_orphans_closed", "Calls of dead gateways that this one closed.", sources.orphans())
        yield _counter("ledger_closings_lost", "Closings given up; their calls stay held.", tally.lost_closings)
        yield _counters(
            "http_answers",
            "Answers by door and class of status.",
            ("door", "status"),
            {(door, f"{status}xx"): count for (door, status), count in sources.statuses.items()},
        )
        swept = sources.housekeeping.swept
        yield _counters(
            "housekeeping_rows_deleted",
            "Rows that housekeeping deleted, by kind.",
            ("kind",),
            {(kind,): getattr(swept, kind) for kind in swept.__struct_fields__},
        )

    def _of_upstreams(self) -> "Iterable[Metric]":
        from prometheus_client.core import GaugeMetricFamily

        routing = self._sources.routing
        yield _counters(
            "upstream_failures",
            "Calls that an upstream failed before its answer began, by how.",
            ("upstream", "failure"),
            {(name, str(failure)): count for (name, failure), count in routing.cool_downs.failures.items()},
        )
        cooling = routing.cool_downs.cooling()
        family = GaugeMetricFamily(
            "keyhouse_upstream_is_cooling", "1 if others are tried before this upstream, else 0.", labels=("upstream",)
        )
        for name in sorted(routing.upstreams):
            family.add_metric((name,), int(name in cooling))
        yield family


def _gauge(name: str, says: str, value: float) -> "Metric":
    from prometheus_client.core import GaugeMetricFamily

    return GaugeMetricFamily(f"keyhouse_{name}", says, value=value)


def _counter(name: str, says: str, value: float) -> "Metric":
    from prometheus_client.core import CounterMetricFamily

    return CounterMetricFamily(f"keyhouse_{name}", says, value=value)


def _counters(name: str, says: str, labels: tuple[str, ...], values: Mapping[tuple[str, ...], int]) -> "Metric":
    from prometheus_client.core import CounterMetricFamily

    family = CounterMetricFamily(f"keyhouse_{name}", says, labels=labels)
    for label_values, value in sorted(values.items()):
        family.add_metric(label_values, value)
    return family
