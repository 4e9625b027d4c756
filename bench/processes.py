"""Child processes pinned to a core: started, watched, and stopped; never anything that was not started here."""

import os
import resource
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

START_SECONDS: Final = 60.0
TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")
PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


class CannotRun(Exception):  # noqa: N818  it is an answer, not a fault
    """The benchmark cannot go on; the text says why."""


class Pinned:
    """A process on one core, or on any if that is None. Use it as a context manager: it ends with the block."""

    def __init__(
        self,
        core: int | None,
        arguments: Sequence[str],
        log: Path,
        environment: Mapping[str, str] | None = None,
        identity: Mapping[str, Any] | None = None,
    ) -> None:
        self._log = log
        self._name = Path(arguments[0]).name
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [*(() if core is None else (program("taskset"), "-c", str(core))), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=None if environment is None else dict(environment),
                cwd=log.parent,
                start_new_session=True,
                **({} if identity is None else identity),
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(START_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()

    def wait_for_port(self, port: int, request: bytes = b"") -> None:
        """Wait until something listens on the port and, if a request is given, answers it with 200."""
        deadline = time.perf_counter() + START_SECONDS
        while time.perf_counter() < deadline:
            if self.process.poll() is not None:
                raise CannotRun(f"{self._name} ended at once:\n{self._log.read_text(errors='replace')}")
            if answers(port, request):
                return
            time.sleep(0.005)
        raise CannotRun(f"{self._name} did not start:\n{self._log.read_text(errors='replace')}")

    @property
    def resident_mb(self) -> float:
        """Its resident memory."""
        fields = Path(f"/proc/{self.process.pid}/statm").read_text(encoding="ascii").split()
        return int(fields[1]) * PAGE_BYTES / 1e6

    @property
    def cpu_seconds(self) -> float:
        """The processor time it has used, all its threads together."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND

    @property
    def cpu_ns(self) -> int:
        """The same in nanoseconds, of the threads that are there."""
        threads = Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(one.read_text(encoding="ascii").split()[0]) for one in threads)


def answers(port: int, request: bytes) -> bool:
    """Whether the port accepts a connection and answers the request, if there is one, with 200."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            if not request:
                return True
            connection.sendall(request)
            return connection.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def free_port() -> int:
    """A port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def program(name: str) -> str:
    """The path of a program; raises CannotRun if it is not installed."""
    path = os.environ.get("PATH", "")  # noqa: TID251  this is a command of its own
    found = shutil.which(name, path=path + os.pathsep + "/usr/sbin")
    if found is None:
        raise CannotRun(f"{name} is not installed: run bench/setup")
    return found


def allow_many_files() -> None:
    """Raise this process's soft limit of open files, which its children inherit, as far as it goes up to 16,384."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 16_384 if hard == resource.RLIM_INFINITY else min(hard, 16_384)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def busy_share(seconds: float = 2.0) -> float:
    """The share of all processor time that the machine used in these seconds."""

    def ticks() -> tuple[int, int]:
        fields = [int(field) for field in Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]]
        return sum(fields) - fields[3] - fields[4], sum(fields)

    busy, whole = ticks()
    time.sleep(seconds)
    busy_after, whole_after = ticks()
    return (busy_after - busy) / max(1, whole_after - whole)
