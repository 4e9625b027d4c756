"""The results as a table for people and as JSON for programs."""

from typing import Any

import msgspec

from bench.measure import Result
from bench.stream_mock import PIECES


class Report(msgspec.Struct, frozen=True):
    """One run. `problems` is empty if the books agree with the answers."""

    results: tuple[Result, ...]
    start_ms: float
    idle_mb: float
    loaded_mb: float
    answers: int
    problems: tuple[str, ...]

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
    for kind, title in (("plain", "Chat, plain"), ("stream", f"Chat, streamed ({PIECES} pieces as fast as they come)")):
        lines += ["", title]
        lines.append(
            f"  {'':10}{'calls/s':>10}{'of nginx':>10}{'cpu/call':>11}{'64 clients p50':>16}{'p99':>10}"
            f"{'1 client p50':>15}{'p99':>10}"
        )
        nginx = report.find("nginx", kind)
        for name in ("direct", "nginx", "keyhouse"):
            one = report.find(name, kind)
            cpu = "-" if one.cpu_us is None else f"{one.cpu_us:.0f} us"
            lines.append(
                f"  {name:10}{one.rate:>10,.0f}{one.rate / nginx.rate:>10.3f}{cpu:>11}{one.loaded_p50_ms:>13.2f} ms"
                f"{one.loaded_p99_ms:>7.2f} ms{one.p50_ms:>12.3f} ms{one.p99_ms:>7.3f} ms"
            )
        p50, p99 = report.added_ms(kind)
        lines.append(
            f"  Keyhouse: {report.ratio(kind):.3f} of nginx's throughput ({report.cpu_ratio(kind):.3f} by processor "
            f"time), and adds {p50:.2f} ms (p50), {p99:.2f} ms (p99) for a lone client"
        )
        if nginx.rate > 0.8 * report.find("direct", kind).rate:
            lines.append(
                "  Note: nginx came close to what load generator and mock can do by themselves on their core, so it\n"
                "  could do more than is shown; the share by processor time does not depend on that."
            )
    memory = f"{report.idle_mb:.0f} MB when idle, {report.loaded_mb:.0f} MB after the load"
    lines += ["", f"Keyhouse: ready {report.start_ms:.0f} ms after its start; {memory}"]
    if report.problems:
        lines += ["THE BOOKS ARE WRONG:", *(f"  {problem}" for problem in report.problems)]
    else:
        lines.append(f"Books: {report.answers:,} answers, as many rows, all settled; keyhouse ledger verify passes")
    return "\n".join(lines)


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
