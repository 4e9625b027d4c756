"""Real processes for tests: Keyhouse itself, its command, and the upstreams it calls.

Each is a process group of its own, so that `kill` ends all of it at once and nothing else. What a process says goes
to a file beside its data, which a test that fails shows. A Keyhouse stands on a SQLite file of its own, or on a
PostgreSQL database, where several of them can stand beside each other.
"""

import asyncio
import itertools
import json
import os
import random
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import asyncpg

TESTS: Final = Path(__file__).resolve().parents[1]
ROOT: Final = TESTS.parent
START_SECONDS: Final = 60.0
"""How long anything may take to start on a busy machine."""

PASSWORD: Final = "a long passphrase for tests"
KEYHOUSE: Final = (sys.executable, "-m", "keyhouse.cli.main")

_LISTENING_PORTS: Final = (12_000, 32_000)
"""Below those that systems give to clients: a gateway that was killed finds its own free when it comes back."""

Row = Mapping[str, Any]
"""A row of a question to the database, by the names of its columns."""


class Child:
    """A child process in a process group of its own."""

    def __init__(self, arguments: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> None:
        self.log = log
        self._said_before = log.stat().st_size if log.exists() else 0
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(os.environ if environment is None else environment),
                cwd=log.parent,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        """What it has printed since it was started."""
        return self.log.read_bytes()[self._said_before :].decode(errors="replace")

    def wait_for(self, word: str) -> str:
        """Wait for the first line that begins with `word` and return what follows it."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            for line in self.said.splitlines():
                if line.startswith(word):
                    return line.removeprefix(word).strip()
            self.require_alive()
            time.sleep(0.02)
        raise AssertionError(f"no {word} within {START_SECONDS} s:\n{self.said}")

    def require_alive(self) -> None:
        """Raise with what it said if it has ended."""
        if self.process.poll() is not None:
            raise AssertionError(f"ended with status {self.process.returncode}:\n{self.said}")

    def stop(self) -> None:
        """Ask it to end, and wait until it has."""
        self._signal(signal.SIGTERM)
        try:
            self.process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"did not end within {START_SECONDS} s:\n{self.said}") from None

    def kill(self) -> None:
        """Kill -9 the whole group at once."""
        self._signal(signal.SIGKILL)
        self.process.wait()

    def _signal(self, number: signal.Signals) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, number)


class Answer:
    """What a command said and how it ended."""

    def __init__(self, ended: "subprocess.CompletedProcess[str]") -> None:
        self.status = ended.returncode
        self.output = ended.stdout
        self.talk = ended.stderr

    @property
    def json(self) -> Any:
        """The output as JSON; the command must have succeeded."""
        assert self.status == 0, f"status {self.status}\n{self.output}\n{self.talk}"
        return json.loads(self.output)


class House:
    """A Keyhouse of its own in `folder`: configuration, data, and the real `keyhouse` command.

    `serve` replaces how the server is started; the tests of the tests plant bugs that way. `database` is the address
    of a PostgreSQL database; without it there is a SQLite file in the data.
    """

    configuration: Path | None

    def __init__(
        self,
        folder: Path,
        configuration: str | None = None,
        *,
        serve: Sequence[str] = KEYHOUSE,
        database: str | None = None,
    ) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.configuration = None
        if configuration is not None:
            self.configuration = folder / "configuration.toml"
            self.configuration.write_text(configuration, encoding="utf-8")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = clean_environment()
        self.database = database
        if database is not None:
            self.reach(database)
        self.established: dict[str, str] = {}
        self.child: Child | None = None
        self.spawn: Callable[[Sequence[str], Path, Mapping[str, str]], Child] = Child
        self._serve = serve

    def reach(self, database: str) -> None:
        """Let it reach its PostgreSQL database by this address, and the test by the one it knows."""
        self.environment["KEYHOUSE_DATABASE__URL"] = database

    def serve_by(self, command: Sequence[str]) -> None:
        """Start it by this command from now on."""
        self._serve = command

    def beside(self, name: str, *, serve: Sequence[str] | None = None) -> "House":
        """Another gateway on the same PostgreSQL database, with the same configuration and master key."""
        folder = self.folder / name
        folder.mkdir()
        other = House(folder, serve=self._serve if serve is None else serve, database=self.database)
        other.configuration, other.data, other.established = self.configuration, self.data, self.established
        other.spawn = self.spawn
        return other

    def init(self, time_zone: str = "UTC") -> dict[str, str]:
        """Make the first organization through the command."""
        self.established = self.command(
            *("init", "--data", str(self.data), *self._named(), "--email", "ada@example.com"),
            *("--organization", "Acme", "--time-zone", time_zone, "--password-stdin", "--json"),
            given=PASSWORD + "\n",
        ).json
        return self.established

    def start(self) -> "House":
        """Serve, and wait until it is ready. After a kill it comes back on the same port and the same books."""
        self.launch()
        self.wait_until_ready()
        return self

    def launch(self) -> None:
        """Serve, without waiting."""
        self.child = self.spawn(
            [
                *self._serve,
                *("serve", "--host", "127.0.0.1", "--port", str(self.port)),
                *("--data", str(self.data), *self._named()),
            ],
            self.folder / "serve.log",
            self.environment,
        )

    def wait_until_ready(self) -> None:
        """Poll /readyz until it says yes."""
        assert self.child is not None
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            self.child.require_alive()
            if self.is_ready():
                return
            time.sleep(0.02)
        raise AssertionError(f"not ready within {START_SECONDS} s:\n{self.child.said}")

    def stop(self) -> None:
        """End it as an operator would."""
        if self.child is not None:
            self.child.stop()
            self.child = None

    def kill(self) -> None:
        """End it as a power cut would."""
        if self.child is not None:
            self.child.kill()
            self.child = None

    def signal(self, number: signal.Signals) -> None:
        """Send its process a signal."""
        assert self.child is not None
        self.child.process.send_signal(number)

    def command(self, *arguments: str, given: str = "") -> Answer:
        """Run the `keyhouse` command, as the administrator once there is one."""
        from cli.forked import starter  # it stands on this module

        environment = self.environment | {"KEYHOUSE_URL": self.url}
        if "admin_key" in self.established:
            environment["KEYHOUSE_ADMIN_KEY"] = self.established["admin_key"]
        return Answer(starter().run(list(arguments), self.folder, given, environment))

    def is_ready(self) -> bool:
        """Whether it says that it is."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as asking:
                asking.sendall(b"GET /readyz HTTP/1.1\r\nhost: keyhouse\r\nconnection: close\r\n\r\n")
                return asking.recv(64).startswith(b"HTTP/1.1 200")
        except OSError:
            return False

    def verify(self) -> str:
        """Check the books with `keyhouse ledger verify`; returns what it said."""
        answer = self.audit()
        assert answer.status == 0, f"the books disagree:\n{answer.output}\n{answer.talk}"
        return answer.output

    def audit(self) -> Answer:
        """What `keyhouse ledger verify` says of the books, right or wrong."""
        if self.database is not None:
            return self.command("ledger", "verify", "--database", self.database)
        return self.command("ledger", "verify", "--data", str(self.data))

    def rows(self, question: str, *values: object) -> list[Row]:
        """Ask the database itself, read-only; values stand as `?`."""
        if self.database is not None:
            return _ask_postgres(self.database, question, values)
        with closing(sqlite3.connect(f"file:{self.data / 'keyhouse.db'}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(question, values)]

    def _named(self) -> list[str]:
        return [] if self.configuration is None else ["--config", str(self.configuration)]

    def calls(self, key_id: str) -> list[Row]:
        """The ledger's rows of a key in their order, once none of them is held any more."""
        held = "SELECT 1 FROM calls WHERE key_id = ? AND state = 'held' LIMIT 1"
        eventually(lambda: not self.rows(held, key_id), "a call stays held")
        return self.rows("SELECT * FROM calls WHERE key_id = ? ORDER BY created_at_ms, id", key_id)


def _ask_postgres(url: str, question: str, values: Sequence[object]) -> list[Row]:
    places = itertools.count(1)
    numbered = re.sub(r"\?", lambda _: f"${next(places)}", question)

    async def ask() -> list[Row]:
        connection = await asyncpg.connect(url)
        try:
            return [dict(row) for row in await connection.fetch(numbered, *values)]
        finally:
            await connection.close()

    # A loop of its own: a test may be running in another one.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(ask())).result()


def eventually(is_so: Callable[[], object], otherwise: str, seconds: float = 10.0) -> None:
    """Poll until `is_so()`; fail with `otherwise` when the time is over."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise AssertionError(otherwise)
        time.sleep(0.02)


def free_port() -> int:
    """A port that nobody listens on right now, and that no connection of a client is given before it is used."""
    first, last = _LISTENING_PORTS
    for _ in range(100):
        port = random.SystemRandom().randrange(first, last)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError(f"no free port between {first} and {last}")


def clean_environment() -> dict[str, str]:
    """This environment without what would configure Keyhouse or its upstreams, or make each start compile it anew."""
    dropped = ("KEYHOUSE_", "OPENAI_", "PYTHONDONTWRITEBYTECODE")
    return {name: value for name, value in os.environ.items() if not name.startswith(dropped)}


def finding_tests(environment: Mapping[str, str]) -> dict[str, str]:
    """This environment, where Python finds the tests, too, before what it finds already."""
    paths = (str(TESTS), environment.get("PYTHONPATH", ""))
    return {**environment, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}


def fake_upstream(record: Path) -> tuple[Child, str]:
    """Start the scripted upstream; returns it and its URL."""
    child = Child([sys.executable, str(TESTS / "faults" / "fake_upstream.py"), str(record)], record.with_suffix(".log"))
    return child, child.wait_for("READY")


def llama(folder: Path, api_key: str, *, embeddings: bool = False) -> tuple[Child, str]:
    """Write the tiny model and serve it with llama.cpp, for text or for embeddings; returns the server and its URL."""
    model = folder / "tiny.gguf"
    tiny = TESTS / "e2e" / "tiny_upstream"
    subprocess.run([sys.executable, str(tiny / "make_gguf.py"), str(model)], check=True, timeout=60)
    # Without this a failed assertion inside llama.cpp would attach a debugger, where there is one.
    environment = clean_environment() | {"GGML_NO_BACKTRACE": "1"}
    command = [sys.executable, str(tiny / "serve.py"), str(model), api_key, *(["embeddings"] if embeddings else [])]
    child = Child(command, folder / "llama.log", environment)
    return child, child.wait_for("READY")
