"""A Keyhouse of the benchmark's own: configured for the mocks, established, and started on a core."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.request import Request, urlopen

import msgspec

from bench.processes import CannotRun, Pinned, free_port

KEYHOUSE: Final = (sys.executable, "-m", "keyhouse.cli.main")
READY: Final = b"GET /readyz HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n"

_DROPPED: Final = ("KEYHOUSE_", "OPENAI_", "PYTHONDONTWRITEBYTECODE")
_DATABASE: Final = '[database]\nurl = "{url}"\n'
_CONFIGURATION: Final = """
[[upstreams]]
name = "{name}"
base_url = "http://127.0.0.1:{port}/v1"
allow_private = true

[[models]]
name = "bench-{name}"
upstreams = ["{name}"]
upstream_model = "bench-1"
input_usd_per_million = "1.00"
output_usd_per_million = "2.00"
max_output_tokens = 512
"""


class Limit(msgspec.Struct, frozen=True):
    """A limit that the benchmark never reaches, on a type of scope."""

    scope: str
    unit: str
    window: str

    @property
    def amount(self) -> str:
        """Far away."""
        return "1000000" if self.unit == "usd" else "1000000000000"


THREE_LIMITS: Final = (
    Limit("key", "usd", "month"),
    Limit("project", "requests", "minute"),
    Limit("organization", "tokens", "day"),
)


class Serving(msgspec.Struct, frozen=True):
    """A running one. `start_ms` is from the start of the process until it was ready."""

    process: Pinned
    port: int
    start_ms: float

    @property
    def url(self) -> str:
        """Where chat is answered."""
        return f"http://127.0.0.1:{self.port}/v1/chat/completions"


class Keyhouse:
    """Its folder, its database and its first organization; `serving` starts it."""

    def __init__(self, folder: Path, upstreams: Mapping[str, int], database_url: str | None = None) -> None:
        folder.mkdir(exist_ok=True)
        self.data = folder / "data"
        self._folder = folder
        self._started = 0
        self._environment = clean_environment()
        self._file = folder / "keyhouse.toml"
        text = "" if database_url is None else _DATABASE.format(url=database_url)
        text += "".join(_CONFIGURATION.format(name=kind, port=port) for kind, port in upstreams.items())
        self._file.write_text(text, encoding="utf-8")
        self.established: dict[str, str] = self._init()

    @contextmanager
    def serving(self, core: int | None) -> Iterator[Serving]:
        """One gateway of it, on a core of its own or on any; several may run on PostgreSQL."""
        self._started += 1
        port = free_port()
        began = time.perf_counter()
        serve = [*KEYHOUSE, "serve", "--host", "127.0.0.1", "--port", str(port), *self._place]
        log = self._folder / f"keyhouse-{self._started}.log"
        with Pinned(core, serve, log, self._environment) as process:
            process.wait_for_port(port, READY)
            yield Serving(process, port, (time.perf_counter() - began) * 1000)

    def make_key(self, serving: Serving, limits: tuple[Limit, ...] = THREE_LIMITS) -> str:
        """A key with these limits on its way; its secret."""
        established = self.established
        made = self._ask(serving, f"/projects/{established['project_id']}/api_keys", {"name": "bench"})
        ids = {
            "key": made["id"],
            "user": established["user_id"],
            "project": established["project_id"],
            "organization": established["organization_id"],
        }
        for limit in limits:
            scope = {"type": limit.scope, "id": ids[limit.scope]}
            body = {"scope": scope, "unit": limit.unit, "window": limit.window, "amount": limit.amount}
            self._ask(serving, "/limits", body)
        return str(made["value"])

    def verify(self) -> list[str]:
        """What `keyhouse ledger verify` finds wrong."""
        database = self._database_arguments
        ended = subprocess.run(
            [*KEYHOUSE, "ledger", "verify", *database],
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
            env=self._environment,
        )
        return [] if ended.returncode == 0 else [f"keyhouse ledger verify: {ended.stdout}{ended.stderr}"]

    @property
    def _place(self) -> list[str]:
        return ["--data", str(self.data), "--config", str(self._file)]

    @property
    def _database_arguments(self) -> list[str]:
        text = self._file.read_text(encoding="utf-8")
        if text.startswith("[database]"):
            return ["--database", text.split('"', 2)[1]]
        return ["--data", str(self.data)]

    def _init(self) -> dict[str, str]:
        # An installed program has its bytecode; what is measured here must not be Python's compiler.
        subprocess.run(
            [sys.executable, "-c", "import keyhouse.app, keyhouse.cli.serve"],
            env=self._environment,
            check=True,
            timeout=60,
        )
        made = subprocess.run(
            [
                *(*KEYHOUSE, "init", *self._place, "--email", "bench@example.com", "--organization", "Bench"),
                *("--password-stdin", "--json"),
            ],
            input="a long passphrase for the benchmark\n",
            capture_output=True,
            text=True,
            env=self._environment,
            timeout=60,
            check=False,
        )
        if made.returncode != 0:
            raise CannotRun(f"keyhouse init: {made.stderr}")
        established: dict[str, str] = json.loads(made.stdout)
        return established

    def _ask(self, serving: Serving, path: str, body: dict[str, Any]) -> Any:
        request = Request(
            f"http://127.0.0.1:{serving.port}/v1/organization{path}",
            json.dumps(body).encode(),
            {"authorization": f"Bearer {self.established['admin_key']}", "content-type": "application/json"},
        )
        with urlopen(request, timeout=30) as answer:  # noqa: S310  loopback
            return json.load(answer)


def clean_environment() -> dict[str, str]:
    """This environment without what would configure Keyhouse or its upstreams."""
    inherited = os.environ.items()  # noqa: TID251  this is a command of its own
    return {name: value for name, value in inherited if not name.startswith(_DROPPED)}
