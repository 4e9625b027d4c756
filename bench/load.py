"""The load: h2load with HTTP/1.1 and an exact number of requests, so that answers can be counted against rows."""

import subprocess
from pathlib import Path
from typing import Final

import msgspec

from bench.processes import CannotRun, program

SECONDS_MAX: Final = 60


class Load(msgspec.Struct, frozen=True):
    """What one run of the load generator saw. Times are microseconds, sorted."""

    answers: int
    seconds: float
    times_us: tuple[int, ...]

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answers / self.seconds

    def percentile_ms(self, share: float) -> float:
        """The time within which this share of the answers came."""
        return self.times_us[min(len(self.times_us) - 1, int(share * len(self.times_us)))] / 1000


def drive(
    core: int | None, url: str, body: Path, headers: dict[str, str], *, clients: int, requests: int, status: int = 200
) -> Load:
    """Make exactly `requests` calls with `clients` connections. Raises CannotRun unless each has this status."""
    log = body.with_name("load.log")
    log.unlink(missing_ok=True)
    lines = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    ended = subprocess.run(
        [
            *(() if core is None else (program("taskset"), "-c", str(core))),
            *(program("h2load"), "--h1", "-t", "1"),
            *("-c", str(clients), "-n", str(requests), "-d", str(body), f"--log-file={log}", *lines, url),
        ],
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    rows = [line.split() for line in log.read_text(encoding="ascii").splitlines()] if log.exists() else []
    good = [(int(row[0]), int(row[2])) for row in rows if row[1] == str(status)]
    if ended.returncode != 0 or len(good) != requests:
        raise CannotRun(f"{url}: {len(good)} of {requests} calls were answered\n{ended.stdout}\n{ended.stderr}")
    first = min(start for start, _ in good)
    last = max(start + took for start, took in good)
    return Load(len(good), (last - first) / 1e6, tuple(sorted(took for _, took in good)))
