"""A PostgreSQL server of the benchmark's own, as durable as it comes: thrown away afterwards."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from bench.processes import START_SECONDS, CannotRun, Pinned, free_port

USER: Final = "postgres"


@contextmanager
def postgres() -> Iterator[str]:
    """A running server with an empty database; its address. It runs as `postgres` where root runs the benchmark."""
    binaries = _programs()
    folder = Path(tempfile.mkdtemp(prefix="keyhouse-bench-postgres-"))
    identity: dict[str, Any] = {}
    if os.getuid() == 0:
        user = pwd.getpwnam(USER)
        identity = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        shutil.chown(folder, USER, USER)
    port = free_port()
    data = folder / "data"
    try:
        made = subprocess.run(
            [
                binaries / "initdb",
                "--pgdata",
                data,
                "--username",
                USER,
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C",
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
            **identity,
        )
        if made.returncode != 0:
            raise CannotRun(f"initdb: {made.stderr}")
        server = [
            *(str(binaries / "postgres"), "-D", str(data), "-p", str(port)),
            *("-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}"),
        ]
        with Pinned(None, server, folder / "log", identity=identity) as running:
            running.wait_for_port(port)
            _wait_until_ready(binaries, port)
            yield f"postgresql://{USER}@127.0.0.1:{port}/postgres"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait_until_ready(binaries: Path, port: int) -> None:
    deadline = time.perf_counter() + START_SECONDS
    asked = [str(binaries / "pg_isready"), "--quiet", "--host=127.0.0.1", f"--port={port}"]
    while subprocess.run(asked, check=False).returncode != 0:
        if time.perf_counter() > deadline:
            raise CannotRun("PostgreSQL did not become ready")
        time.sleep(0.02)


def _programs() -> Path:
    if (found := shutil.which("initdb")) is not None:
        return Path(found).resolve().parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    if not folders:
        raise CannotRun("PostgreSQL is not installed: run bench/setup")
    return folders[-1]
