"""Starts gateways in a fraction of the time: a process that has imported the program and forks itself.

Importing takes most of a start, and these tests start gateways by the hundred. What is forked is a process of its own
from then on, in a session of its own, with its own environment, folder and log; the program in it begins at `main`,
planted or as it is. The command as users run it is started by `e2e`.
"""

import gc
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NoReturn

from e2e.processes import KEYHOUSE, Child, clean_environment, finding_tests
from faults.planted import PREFIX, plant
from keyhouse.cli.main import run


class Forked:
    """A process that is not a child of this one, known by its file descriptor: its number cannot be another's."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        try:
            self._descriptor: int | None = os.pidfd_open(pid)
        except ProcessLookupError:
            self._descriptor = None

    def poll(self) -> int | None:
        """0 if it has ended, however it did; None while it runs."""
        return self.wait(0) if self.returncode is None else self.returncode

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait until it has ended."""
        if self.returncode is None and self._descriptor is not None:
            ended, _, _ = select.select([self._descriptor], [], [], timeout)
            if not ended:
                if timeout == 0:
                    return None
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
            os.close(self._descriptor)
        self._descriptor, self.returncode = None, 0
        return 0

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it still runs."""
        if self._descriptor is not None:
            signal.pidfd_send_signal(self._descriptor, number)


class ForkedChild(Child):
    """A `Child` that a nursery forked."""

    def __init__(self, forked: Forked, log: Path, said_before: int) -> None:
        self.log = log
        self._said_before = said_before
        self.process = forked  # type: ignore[assignment]


class Nursery:
    """Forks Keyhouse, planted or as it is, and starts everything else as it would have been."""

    def __init__(self, folder: Path) -> None:
        environment = finding_tests(clean_environment())
        with (folder / "nursery.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "faults.nursery"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                cwd=folder,
                text=True,
            )

    def spawn(self, arguments: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> Child:
        """Start it; as `Child` does, but faster."""
        if not hasattr(os, "pidfd_open"):
            return Child(arguments, log, environment)
        said_before = log.stat().st_size if log.exists() else 0
        if tuple(arguments[: len(PREFIX)]) == PREFIX:
            names, *rest = arguments[len(PREFIX) :]
        elif tuple(arguments[: len(KEYHOUSE)]) == KEYHOUSE:
            names, rest = "", list(arguments[len(KEYHOUSE) :])
        else:
            return Child(arguments, log, environment)
        order = {"names": names, "arguments": rest, "log": str(log), "environment": dict(environment or os.environ)}
        _file(self._process.stdin).write(json.dumps(order) + "\n")
        _file(self._process.stdin).flush()
        return ForkedChild(Forked(int(_file(self._process.stdout).readline())), log, said_before)

    def end(self) -> None:
        """Fork no more."""
        _file(self._process.stdin).close()
        self._process.wait(10)
        _file(self._process.stdout).close()


def _file(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe


def serve_orders() -> None:
    """Fork for each line of orders, and answer with the number of the process."""
    from keyhouse import app  # noqa: F401  the slow part, which is here for its import alone

    gc.freeze()
    logs: dict[int, str] = {}

    def bury(_number: int, _frame: object) -> None:
        """Write into the log of whoever has ended how it did."""
        while logs:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            with Path(logs.pop(pid)).open("a", encoding="utf-8") as log:
                log.write(f"(ended with {os.waitstatus_to_exitcode(status)})\n")

    signal.signal(signal.SIGCHLD, bury)
    for line in sys.stdin:
        order = json.loads(line)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        pid = os.fork()
        if pid == 0:
            _become(order)
        logs[pid] = order["log"]
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        print(pid, flush=True)  # noqa: T201  whoever ordered it reads this


def _become(order: dict[str, Any]) -> NoReturn:
    """Be the program that was ordered."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
    nothing, log = (
        os.open(os.devnull, os.O_RDONLY),
        os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
    )
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.chdir(Path(order["log"]).parent)
    os.environ.clear()
    os.environ.update(order["environment"])
    sys.argv = ["keyhouse", *order["arguments"]]
    status = 1
    try:
        for name in filter(None, order["names"].split(",")):
            plant(name)
        run()
    except SystemExit as ending:
        status = ending.code if isinstance(ending.code, int) else 1
    finally:
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    serve_orders()
