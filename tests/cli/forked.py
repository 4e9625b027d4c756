"""Runs the command without waiting for Python to start: a process that has imported all of it forks itself.

What is forked is a process of its own, with its own arguments, folder, environment, stdin, stdout, stderr and exit
code; the program in it begins where the installed command does. Starting takes most of a command's time otherwise.
The command as users start it is tried in `test_main.py`, and by everything in `e2e`.
"""

import atexit
import gc
import json
import os
import pkgutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from subprocess import CompletedProcess
from typing import IO, Any, Final, NoReturn

import keyhouse.cli
from e2e.processes import clean_environment, finding_tests
from keyhouse.cli.main import run

LOADED_LATE: Final = (
    "cyclopts.config",
    "cyclopts.help",
    "docstring_parser",
    "httpcore",
    "keyhouse.app",
    "rich.markdown",
)
"""What a command loads when it comes to need it: most of the time of a page of help or of one request."""


class Starter:
    """Forks one command after the other."""

    def __init__(self) -> None:
        environment = finding_tests(clean_environment())
        command = [sys.executable, "-m", "cli.forked"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
        )

    def run(
        self, arguments: list[str], folder: Path, given: str, environment: Mapping[str, str]
    ) -> "CompletedProcess[str]":
        """Run `keyhouse ARGUMENTS`, and wait until it has ended."""
        order = {"arguments": arguments, "folder": str(folder), "given": given, "environment": dict(environment)}
        _pipe(self._process.stdin).write(json.dumps(order) + "\n")
        _pipe(self._process.stdin).flush()
        ended = json.loads(_pipe(self._process.stdout).readline())
        return CompletedProcess(arguments, ended["status"], ended["stdout"], ended["stderr"])

    def end(self) -> None:
        """Fork no more."""
        _pipe(self._process.stdin).close()
        self._process.wait(10)
        _pipe(self._process.stdout).close()


@cache
def starter() -> Starter:
    """Where the commands of this process come from."""
    made = Starter()
    atexit.register(made.end)
    return made


def _pipe(found: IO[str] | None) -> IO[str]:
    assert found is not None
    return found


def serve_orders() -> None:
    """Fork for each line of orders, and answer with how it ended and what it said."""
    for module in pkgutil.iter_modules(keyhouse.cli.__path__, "keyhouse.cli."):
        import_module(module.name)
    for late in LOADED_LATE:
        import_module(late)
    gc.freeze()
    orders = os.fdopen(os.dup(0), encoding="utf-8")
    for line in orders:
        print(json.dumps(_ended(json.loads(line))), flush=True)  # noqa: T201  whoever ordered it reads this


def _ended(order: dict[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        given.write(order["given"].encode())
        given.seek(0)
        if (pid := os.fork()) == 0:
            _become(order, (given, stdout, stderr))
        _, status = os.waitpid(pid, 0)
        said = {}
        for name, file in (("stdout", stdout), ("stderr", stderr)):
            file.seek(0)
            said[name] = file.read().decode()
        return {"status": os.waitstatus_to_exitcode(status)} | said


def _become(order: dict[str, Any], files: tuple[IO[bytes], ...]) -> NoReturn:
    """Be the command that was ordered."""
    for number, file in enumerate(files):
        os.dup2(file.fileno(), number)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(number, mode) for number, mode in enumerate("rww"))
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    sys.argv = ["keyhouse", *order["arguments"]]
    try:
        run()
    except SystemExit as ending:
        status = ending.code if isinstance(ending.code, int) else 1
    except BaseException:  # noqa: BLE001  as Python itself ends a program
        sys.excepthook(*sys.exc_info())
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    serve_orders()
