"""A PostgreSQL server of the tests' own: thrown away afterwards, reachable from this machine only.

It runs as the user `postgres` where the tests run as root, because PostgreSQL refuses root. Its collation is not
the order of bytes, so that whoever relies on that order must say so.
"""

import asyncio
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeVar

import asyncpg
import pytest

from given import FakeClock, seeded_entropy
from keyhouse.store.engine import Actor, Change, Connection
from keyhouse.store.postgres import PostgresDatabase, open_postgres

T = TypeVar("T")

START_SECONDS: Final = 30
TEMPLATE: Final = "keyhouse_template"

QUICK: Final = ("fsync=off", "full_page_writes=off", "autovacuum=off", "max_wal_size=4GB")
"""For tests that do not cut the power."""

SETTINGS: Final = (
    "listen_addresses=127.0.0.1",
    "max_connections=200",
    "shared_buffers=256MB",
    "wal_level=minimal",
    "max_wal_senders=0",
    "log_min_messages=fatal",
    "deadlock_timeout=50ms",
)

_EMPTY: Final = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid();
    DO $$
    DECLARE name text;
    BEGIN
      SET LOCAL session_replication_role = replica;
      FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version' LOOP
        EXECUTE format('DELETE FROM %I', name);
      END LOOP;
      PERFORM setval(format('%I', sequencename), 1, false) FROM pg_sequences;
    END $$
"""
"""Leaves no row and no other connection behind, and numbers begin at 1 again."""

_FINGERPRINT: Final = """
    SELECT concat_ws(' ', (SELECT string_agg(version_num, ',') FROM alembic_version), (SELECT count(*) FROM pg_class),
      (SELECT count(*) FROM pg_attribute), (SELECT count(*) FROM pg_trigger), (SELECT count(*) FROM pg_proc))
"""
"""What a test may have changed besides rows."""


def programs() -> Path | None:
    """The folder of PostgreSQL's programs; None if there is none."""
    if (found := shutil.which("initdb")) is not None:
        return Path(found).resolve().parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    return folders[-1] if folders else None


class Cluster:
    """A PostgreSQL server with a folder of its own. Make it with `a_cluster`."""

    def __init__(self, binaries: Path, folder: Path, *, is_durable: bool) -> None:
        self.folder = folder
        self.port = _free_port()
        self._binaries = binaries
        self._user = "postgres" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
        self._settings = SETTINGS if is_durable else (*SETTINGS, *QUICK)
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0
        self._spare: list[str] = []
        self._fingerprint = ""

    def url(self, database: str) -> str:
        """The address of a database of this server."""
        return f"postgresql://{self._user}@127.0.0.1:{self.port}/{database}"

    def make(self) -> None:
        """Lay out the server's files."""
        base = ("--username", self._user, "--auth=trust", "--encoding=UTF8", "--no-sync", "--no-instructions")
        for locale in (("--locale-provider=icu", "--icu-locale=en-US", "--locale=C"), ("--locale=C",)):
            made = self._run("initdb", "--pgdata", str(self.folder / "data"), *base, *locale)
            if made.returncode == 0:
                return
        raise RuntimeError(made.stdout.decode(errors="replace"))

    def start(self) -> None:
        """Start, and wait until it answers. Also after a crash, when it has to recover first."""
        deadline = time.monotonic() + START_SECONDS
        while not self._is_answering():
            assert time.monotonic() < deadline, (self.folder / "log").read_text(encoding="utf-8", errors="replace")
            if self._process is None or self._process.poll() is not None:
                self._launch()
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop in good order: transactions that run are rolled back, connections closed."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End it as a power cut would, as far as processes can: nothing is written any more.

        Without this those that serve connections would go on for as long as they are busy.
        """
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)
            for number in _children(self._process.pid):
                with suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
        self._end(signal.SIGKILL)

    def execute(self, statement: str, database: str = "postgres") -> list[Any]:
        """Run one statement; its rows."""

        async def run() -> list[Any]:
            connection = await asyncpg.connect(self.url(database))
            try:
                return list(await connection.fetch(statement))
            finally:
                await connection.close()

        return in_thread(run)

    def make_template(self) -> None:
        """Make the database that new ones are copied from: migrated, and empty."""
        self.execute(f"CREATE DATABASE {TEMPLATE}")

        async def migrate() -> None:
            await (await open_postgres(self.url(TEMPLATE), FakeClock(), seeded_entropy())).close()

        in_thread(migrate)

    def lend_database(self) -> str:
        """A database like the template, with no rows; its name. Give it back."""
        return self._spare.pop() if self._spare else self._create(TEMPLATE)

    def give_back(self, name: str) -> None:
        """Empty it for the next one. Emptying takes a tenth of the time that making one does."""
        if self._is_emptied(name):
            self._spare.append(name)
        else:
            self.drop_database(name)

    def new_database(self) -> str:
        """A new database like the template; its name. Drop it."""
        return self._create(TEMPLATE)

    def new_empty_database(self) -> str:
        """A new database without any table; its name. Drop it."""
        return self._create("template0")

    def drop_database(self, name: str) -> None:
        """Drop it, whoever is still connected."""
        self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _create(self, template: str) -> str:
        self._databases += 1
        name = f"test_{self._databases}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def _is_emptied(self, name: str) -> bool:
        """Delete all rows, whoever is still connected; False if more than rows was changed."""

        async def run() -> str:
            connection = await asyncpg.connect(self.url(name))
            try:
                await connection.execute(_EMPTY)
                return str(await connection.fetchval(_FINGERPRINT))
            finally:
                await connection.close()

        found = in_thread(run)
        self._fingerprint = self._fingerprint or in_thread(self._of_template)
        return found == self._fingerprint

    async def _of_template(self) -> str:
        connection = await asyncpg.connect(self.url(TEMPLATE))
        try:
            return str(await connection.fetchval(_FINGERPRINT))
        finally:
            await connection.close()

    def _launch(self) -> None:
        settings = [part for setting in self._settings for part in ("-c", setting)]
        sockets = ("-c", f"unix_socket_directories={self.folder}")
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._binaries / "postgres", "-D", self.folder / "data", "-p", str(self.port), *sockets, *settings],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                **_as_user(self._user),
            )

    def _is_answering(self) -> bool:
        asked = self._run("pg_isready", "--host=127.0.0.1", f"--port={self.port}", "--timeout=3")
        return asked.returncode == 0

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(START_SECONDS)
            self._process = None

    def _run(self, program: str, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(
            [self._binaries / program, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self.folder,
            check=False,
            **_as_user(self._user),
        )


@contextmanager
def a_cluster(*, is_durable: bool = False) -> Iterator[Cluster]:
    """A running server. A durable one syncs at every commit, as a real one does.

    Where PostgreSQL is not installed, the test fails, or is skipped if KEYHOUSE_TESTS=portable.
    """
    binaries = programs()
    if binaries is None and os.environ.get("KEYHOUSE_TESTS") == "portable":
        pytest.skip("PostgreSQL is not installed: nothing of it is tested here")
    assert binaries is not None, "PostgreSQL is not installed; tests/setup installs it"
    folder = Path(tempfile.mkdtemp(prefix="keyhouse-postgres-"))
    if os.getuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    cluster = Cluster(binaries, folder, is_durable=is_durable)
    try:
        cluster.make()
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)


class ThreadedDatabase:
    """A `PostgresDatabase` whose loop runs on a thread of its own, for tests that use one from several loops."""

    def __init__(self, url: str, clock: FakeClock, entropy: Callable[[int], bytes]) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._inner = PostgresDatabase(url, clock, entropy)

    async def read(self, question: Callable[[Connection], T]) -> T:
        return await self._there(self._inner.read(question))

    async def write(self, step: Callable[[Connection], T]) -> T:
        return await self._there(self._inner.write(step))

    async def change(self, actor: Actor, step: Callable[[Change], T]) -> T:
        return await self._there(self._inner.change(actor, step))

    def chain_with(self, key: bytes) -> None:
        self._inner.chain_with(key)

    def listen(self, forget: Callable[[str], None], forget_all: Callable[[], None]) -> None:
        self._loop.call_soon_threadsafe(self._inner.listen, forget, forget_all)

    async def close(self) -> None:
        await asyncio.to_thread(self.close_now)

    def close_now(self) -> None:
        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._inner.close(), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    async def _there(self, work: Coroutine[Any, Any, T]) -> T:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))


def in_thread(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """The result of `work` in a loop of its own, also where this thread runs one already."""
    results: list[T] = []
    thread = threading.Thread(target=lambda: results.append(asyncio.run(work())))
    thread.start()
    thread.join()
    assert results, "see the error above"
    return results[0]


def _as_user(name: str) -> dict[str, Any]:
    if os.getuid() != 0:
        return {}
    user = pwd.getpwnam(name)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _children(process: int) -> list[int]:
    """The processes that this one has started, where the system tells."""
    try:
        return [int(number) for number in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    except OSError:
        return []


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
