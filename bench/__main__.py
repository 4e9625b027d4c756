"""`python -m bench`: run the benchmark, print the table, exit 1 if the books disagree with the answers."""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench import flood, gateways, ledger, pages, scale, streams
from bench import report as reports
from bench.measure import Bench
from bench.postgres import postgres
from bench.processes import CannotRun, allow_many_files, busy_share
from bench.servers import field, verify
from bench.target import LOAD_CORE, SERVER_CORE

PARTS: Final = ("chat", "streams", "flood", "ledger", "gateways", "scale")
_PARTS_HELP: Final = f"what to measure: {', '.join(PARTS)}; default all; or pages, which takes long, alone"
REQUESTS_TOGETHER: Final = 24_000
REQUESTS_SCALE: Final = 6_000


def main() -> int:
    """Run it; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "parts",
        nargs="*",
        metavar="PART",
        help=_PARTS_HELP,
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there, too")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each kind of load (default 3)")
    parser.add_argument("--seconds", type=float, default=3.0, help="about how long one load lasts (default 3)")
    parser.add_argument(
        "--peers", type=Path, metavar="FOLDER", help="measure LiteLLM and Portkey, too, from where setup_peers put them"
    )
    parser.add_argument("--demo", type=Path, metavar="FOLDER", help="pages: where the full database is, or is made")
    parser.add_argument("--calls", type=int, default=10_000_000, help="pages: how many calls (default 10,000,000)")
    parser.add_argument("--keys", type=int, default=100_000, help="pages: how many keys (default 100,000)")
    given = parser.parse_args()
    if given.parts == ["pages"]:
        return _pages(given.demo, given.keys, given.calls)
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    try:
        report = run(given.parts or PARTS, given.rounds, given.seconds, given.peers)
    except CannotRun as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    print(reports.text(report))
    if given.json is not None:
        given.json.write_bytes(reports.as_json(report))
    return 1 if report.problems else 0


def run(parts: Sequence[str], rounds: int, seconds: float, peers: Path | None = None) -> reports.Report:
    """Start everything, measure, check the books, stop everything. Raises CannotRun."""
    cores = os.sched_getaffinity(0)
    if not {SERVER_CORE, LOAD_CORE} <= cores:
        raise CannotRun(f"cores {SERVER_CORE} and {LOAD_CORE} are needed; this process may use {sorted(cores)}")
    allow_many_files()
    others = busy_share()
    print("Everything is on: key, limits, a ledger synced to disk before each call is forwarded.")
    with tempfile.TemporaryDirectory(prefix="keyhouse-bench-") as name:
        folder = Path(name)
        chat = _chat(folder, rounds, seconds, peers) if "chat" in parts else None
        paced = streams.measure(folder / "streams", _say) if "streams" in parts else None
        refused = flood.measure(folder / "flood", rounds, _say) if "flood" in parts else None
        paces = _ledger(folder, seconds) if "ledger" in parts else []
        together: list[gateways.Together] = []
        problems: list[str] = []
        if "gateways" in parts:
            together, problems = gateways.measure(folder, rounds, REQUESTS_TOGETHER, _say)
        flatness = scale.measure(folder, 2 * rounds, REQUESTS_SCALE, _say) if "scale" in parts else []
    return reports.Report(others, chat, paced, refused, tuple(paces), tuple(together), tuple(flatness), tuple(problems))


def _pages(folder: Path | None, keys: int, calls: int) -> int:
    """The pages of the console, alone: 1 if one of them is slow."""
    with tempfile.TemporaryDirectory(prefix="keyhouse-bench-") as name:
        try:
            took = pages.measure(folder or Path(name) / "demo", keys, calls, _say)
        except CannotRun as error:
            print(f"bench: {error}", file=sys.stderr)
            return 1
    print(pages.text(took))
    return 0 if all(one.is_fast for one in took) else 1


def _chat(folder: Path, rounds: int, seconds: float, peers: Path | None) -> reports.Chat:
    with field(folder, peers and peers.resolve()) as running:
        bench = Bench(running, rounds=rounds, seconds=seconds, say=_say)
        results = [*bench.run("plain"), *bench.run("stream")]
        return reports.Chat(
            results=tuple(results),
            start_ms=running.start_ms,
            idle_mb=running.idle_mb,
            loaded_mb=running.keyhouse.resident_mb,
            answers=bench.keyhouse_answers,
            problems=tuple(verify(running.house, bench.keyhouse_answers)),
        )


def _ledger(folder: Path, seconds: float) -> list[ledger.Pace]:
    _say("ledger on SQLite")
    paces = ledger.measure(folder / "ledger-sqlite", seconds)
    _say("ledger on PostgreSQL")
    with postgres() as url:
        return paces + ledger.measure(folder / "ledger-postgres", seconds, url)


def _say(line: str) -> None:
    print(line, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
