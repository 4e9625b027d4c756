"""The results as a table for people and as JSON for programs."""

from typing import Any, Final

import msgspec

from bench.flood import Flood
from bench.gateways import Together
from bench.ledger import Pace
from bench.measure import Result
from bench.peers import NAMES
from bench.scale import FLAT, Flatness
from bench.stream_mock import PIECES
from bench.streams import PIECE_SECONDS, Streams
from bench.target import LOAD_CORE, SERVER_CORE

QUIET: Final = 0.1
"""The share of all cores that others may use without a warning."""

BOTTLENECK: Final = 0.9
"""A server that uses less of its core than this was held back by something else."""


class Chat(msgspec.Struct, frozen=True):
    """Keyhouse beside nginx. `problems` is empty if the books agree with the answers."""

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


class Report(msgspec.Struct, frozen=True):
    """One run; parts that were not asked for are empty. `others_busy` is the share of the machine's processor time
    that other processes used just before.
    """

    others_busy: float
    chat: Chat | None
    streams: Streams | None
    flood: Flood | None
    paces: tuple[Pace, ...]
    together: tuple[Together, ...]
    flatness: tuple[Flatness, ...]
    gateway_problems: tuple[str, ...]

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with the books, and what is not as flat as it should be."""
        parts = (self.chat, self.streams, self.flood)
        found = tuple(problem for part in parts if part is not None for problem in part.problems)
        return (
            found
            + self.gateway_problems
            + tuple(
                f"a call with {one.name} costs {one.cpu_ratio:.2f} times what it should"
                for one in self.flatness
                if one.cpu_ratio > 1 + FLAT
            )
        )


def text(report: Report) -> str:
    """The report for people."""
    lines = []
    if report.others_busy > QUIET:
        lines += [
            "",
            f"NOT A QUIET MACHINE: other processes kept {report.others_busy:.0%} of its cores busy before the run,",
            "which hits whatever is measured. The processor time a call holds better than the rest.",
        ]
    if report.chat is not None:
        lines += _chat(report.chat)
    if report.streams is not None:
        lines += _streams(report.streams)
    if report.flood is not None:
        lines += [
            "",
            "A flood of bad keys, told by their checksum",
            f"  {report.flood.rate:,.0f} refusals/s, {report.flood.cpu_us:.0f} us of processor time each",
        ]
    if report.paces:
        lines += ["", "The ledger alone, reservations and settlements a second on three limits, by size of a batch"]
        lines += [
            f"  {one.engine:12}{one.size:>5}{one.operations_per_second:>12,.0f} a second{one.batch_ms:>10.2f} ms each"
            for one in report.paces
        ]
    if report.together:
        lines += ["", "Gateways on one PostgreSQL, 64 clients each, everything on this machine's cores"]
        lines += [
            f"  {one.gateways} {'gateway ' if one.gateways == 1 else 'gateways'}{one.rate:>12,.0f} calls/s"
            for one in report.together
        ]
    if report.flatness:
        lines += ["", "A call as the house fills up, beside the first line (SQLite, 64 clients)"]
        lines += [
            f"  {one.name:38}{one.cpu_us:>7.0f} us{one.cpu_ratio:>8.2f} of its cost{one.rate_ratio:>8.2f} of its time"
            for one in report.flatness
        ]
    if report.problems:
        lines += ["", "WRONG:", *(f"  {problem}" for problem in report.problems)]
    return "\n".join(lines)


def _streams(streams: Streams) -> list[str]:
    return [
        "",
        f"{streams.streams:,} streams at once at {1 / PIECE_SECONDS:.0f} pieces a second each, Keyhouse on one core",
        f"  {streams.pieces:,} pieces came, {streams.lost} were lost",
        f"  added to a piece: {streams.added_p50_ms:.1f} ms (p50), {streams.added_p99_ms:.1f} ms (p99)",
        f"  added to the first piece of a stream: {streams.added_first_ms:.1f} ms (p50)",
        f"  {streams.kb_a_stream:.0f} KB of memory a stream, {streams.cpu_us_a_piece:.0f} us of processor time a piece",
    ]


def _chat(chat: Chat) -> list[str]:
    cores = f"core {SERVER_CORE} to itself; load generator and mock share core {LOAD_CORE}."
    lines = ["", f"Beside nginx: the server under test has {cores}"]
    for kind, title in (("plain", "Chat, plain"), ("stream", f"Chat, streamed ({PIECES} pieces as fast as they come)")):
        lines += ["", title, *_table(chat, kind)]
    memory = f"{chat.idle_mb:.0f} MB when idle, {chat.loaded_mb:.0f} MB after the load"
    lines += ["", f"Keyhouse: ready {chat.start_ms:.0f} ms after its start; {memory}"]
    if not chat.problems:
        lines.append(f"Books: {chat.answers:,} answers, as many rows, all settled; keyhouse ledger verify passes")
    return lines


def _table(report: Chat, kind: str) -> list[str]:
    alone = f"{'1 client p50':>15}{'p99':>10}"
    loaded = f"{'64 clients p50':>17}{'p99':>11}"
    lines = [f"  {'':10}{'calls/s':>10}{'of nginx':>10}{'cpu/call':>11}{'core used':>11}{loaded}{alone}"]
    nginx = report.find("nginx", kind)
    for one in (result for result in report.results if result.kind == kind):
        cpu = "-" if one.cpu_us is None else f"{one.cpu_us:.0f} us"
        busy = "-" if one.busy is None else f"{one.busy:.0%}"
        lines.append(
            f"  {one.target:10}{one.rate:>10,.0f}{one.rate / nginx.rate:>10.3f}{cpu:>11}{busy:>11}"
            f"{one.loaded_p50_ms:>14.2f} ms{one.loaded_p99_ms:>8.2f} ms{one.p50_ms:>12.3f} ms{one.p99_ms:>7.3f} ms"
        )
    p50, p99 = report.added_ms(kind)
    lines.append(
        f"  Keyhouse: {report.ratio(kind):.3f} of nginx's throughput, {report.cpu_ratio(kind):.3f} by processor time a "
        f"call; adds {p50:.2f} ms (p50) and {p99:.2f} ms (p99) for a lone client"
    )
    ours = report.find("keyhouse", kind)
    lines += [
        f"  Keyhouse: {ours.rate / one.rate:,.1f} times {one.target}'s throughput, "
        f"{(one.cpu_us or 0) / (ours.cpu_us or 1):,.1f} times by processor time"
        for one in report.results
        if one.kind == kind and one.target in NAMES
    ]
    if nginx.busy is not None and nginx.busy < BOTTLENECK:
        lines.append(
            f"  nginx had only {nginx.busy:.0%} of its core to do: load generator and mock, on the other one, held it\n"
            "  back. On a core that is full it would serve more, so the share by processor time is the one to believe."
        )
    return lines


def as_json(report: Report) -> bytes:
    """The report for programs."""
    body: dict[str, Any] = msgspec.to_builtins(report)
    chat = report.chat
    if chat is not None:
        for kind in ("plain", "stream"):
            p50, p99 = chat.added_ms(kind)
            body["chat"][kind] = {
                "of_nginx": chat.ratio(kind),
                "of_nginx_by_cpu": chat.cpu_ratio(kind),
                "added_p50_ms": p50,
                "added_p99_ms": p99,
            }
    return msgspec.json.format(msgspec.json.encode(body), indent=2)
