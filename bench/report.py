"""The results as a table for people and as JSON for programs."""

from typing import Any, Final

import msgspec

from bench.measure import Result
from bench.stream_mock import PIECES

QUIET: Final = 0.1
"""The share of all cores that others may use without a warning."""

BOTTLENECK: Final = 0.9
"""A server that uses less of its core than this was held back by something else."""


class Report(msgspec.Struct, frozen=True):
    """One run. `problems` is empty if the books agree with the answers. `others_busy` is the share of the
    machine's processor time that other processes used just before.
    """

    results: tuple[Result, ...]
    start_ms: float
    idle_mb: float
    loaded_mb: float
    answers: int
    problems: tuple[str, ...]
    others_busy: float

    def find(self, target: str, kind: str) -> Result:
        """The result of one target and kind of call."""
        return next(result for result in self.results if (result.target, result.kind) == (target, kind))

    def ratio(self, kind: str) -> float:
        """Keyhouse's throughput as a share of nginx's."""
        return self.find("keyhouse", kind).rate / self.find("nginx", kind).rate

    def cpu_ratio(self, kind: str) -> float:
        """The same by processor time a call, which holds even where the load generator was the bottleneck."""
        ours, nginx = self.find("keyhouse", kind).cpu_us, self.find("nginx", kind).cpu_us
        return (nginx or 0.0) / (ours or 1.0)

    def added_ms(self, kind: str) -> tuple[float, float]:
        """What Keyhouse adds to a lone client's median and 99th percentile."""
        ours, direct = self.find("keyhouse", kind), self.find("direct", kind)
        return ours.p50_ms - direct.p50_ms, ours.p99_ms - direct.p99_ms


def text(report: Report) -> str:
    """The report for people."""
    lines = []
    if report.others_busy > QUIET:
        lines += [
            "",
            f"NOT A QUIET MACHINE: other processes kept {report.others_busy:.0%} of its cores busy before the run,",
            "which hits whatever is measured. The processor time a call holds better than the rest.",
        ]
    for kind, title in (("plain", "Chat, plain"), ("stream", f"Chat, streamed ({PIECES} pieces as fast as they come)")):
        lines += ["", title, *_table(report, kind)]
    memory = f"{report.idle_mb:.0f} MB when idle, {report.loaded_mb:.0f} MB after the load"
    lines += ["", f"Keyhouse: ready {report.start_ms:.0f} ms after its start; {memory}"]
    if report.problems:
        lines += ["THE BOOKS ARE WRONG:", *(f"  {problem}" for problem in report.problems)]
    else:
        lines.append(f"Books: {report.answers:,} answers, as many rows, all settled; keyhouse ledger verify passes")
    return "\n".join(lines)


def _table(report: Report, kind: str) -> list[str]:
    alone = f"{'1 client p50':>15}{'p99':>10}"
    loaded = f"{'64 clients p50':>17}{'p99':>11}"
    lines = [f"  {'':10}{'calls/s':>10}{'of nginx':>10}{'cpu/call':>11}{'core used':>11}{loaded}{alone}"]
    nginx = report.find("nginx", kind)
    for name in ("direct", "nginx", "keyhouse"):
        one = report.find(name, kind)
        cpu = "-" if one.cpu_us is None else f"{one.cpu_us:.0f} us"
        busy = "-" if one.busy is None else f"{one.busy:.0%}"
        lines.append(
            f"  {name:10}{one.rate:>10,.0f}{one.rate / nginx.rate:>10.3f}{cpu:>11}{busy:>11}"
            f"{one.loaded_p50_ms:>14.2f} ms{one.loaded_p99_ms:>8.2f} ms{one.p50_ms:>12.3f} ms{one.p99_ms:>7.3f} ms"
        )
    p50, p99 = report.added_ms(kind)
    lines.append(
        f"  Keyhouse: {report.ratio(kind):.3f} of nginx's throughput, {report.cpu_ratio(kind):.3f} by processor time a "
        f"call; adds {p50:.2f} ms (p50) and {p99:.2f} ms (p99) for a lone client"
    )
    if nginx.busy is not None and nginx.busy < BOTTLENECK:
        lines.append(
            f"  nginx had only {nginx.busy:.0%} of its core to do: load generator and mock, on the other one, held it\n"
            "  back. On a core that is full it would serve more, so the share by processor time is the one to believe."
        )
    return lines


def as_json(report: Report) -> bytes:
    """The report for programs."""
    body: dict[str, Any] = msgspec.to_builtins(report)
    for kind in ("plain", "stream"):
        p50, p99 = report.added_ms(kind)
        body[kind] = {
            "of_nginx": report.ratio(kind),
            "of_nginx_by_cpu": report.cpu_ratio(kind),
            "added_p50_ms": p50,
            "added_p99_ms": p99,
        }
    return msgspec.json.format(msgspec.json.encode(body), indent=2)
