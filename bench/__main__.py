"""`python -m bench`: run the benchmark, print the table, exit 1 if the books disagree with the answers."""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from bench import report as reports
from bench.measure import Bench
from bench.processes import CannotRun, allow_many_files, busy_share
from bench.servers import LOAD_CORE, SERVER_CORE, field, verify


def main() -> int:
    """Run it; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there, too")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each kind of call (default 3)")
    parser.add_argument("--seconds", type=float, default=3.0, help="about how long one load lasts (default 3)")
    given = parser.parse_args()
    try:
        report = run(given.rounds, given.seconds)
    except CannotRun as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    print(reports.text(report))
    if given.json is not None:
        given.json.write_bytes(reports.as_json(report))
    return 1 if report.problems else 0


def run(rounds: int, seconds: float) -> reports.Report:
    """Start everything, measure, check the books, stop everything. Raises CannotRun."""
    cores = os.sched_getaffinity(0)
    if not {SERVER_CORE, LOAD_CORE} <= cores:
        raise CannotRun(f"cores {SERVER_CORE} and {LOAD_CORE} are needed; this process may use {sorted(cores)}")
    allow_many_files()
    others = busy_share()
    print(
        f"The server under test has core {SERVER_CORE} to itself; load generator and mock upstream share core "
        f"{LOAD_CORE}.\nEverything is on: key, three limits, a ledger synced to disk before each call is forwarded."
    )
    with tempfile.TemporaryDirectory(prefix="keyhouse-bench-") as folder, field(Path(folder)) as running:
        bench = Bench(running, rounds=rounds, seconds=seconds, say=lambda line: print(line, file=sys.stderr))
        results = [*bench.run("plain"), *bench.run("stream")]
        return reports.Report(
            results=tuple(results),
            start_ms=running.start_ms,
            idle_mb=running.idle_mb,
            loaded_mb=running.keyhouse.resident_mb,
            answers=bench.keyhouse_answers,
            problems=tuple(verify(running.data, bench.keyhouse_answers)),
            others_busy=others,
        )


if __name__ == "__main__":
    sys.exit(main())
