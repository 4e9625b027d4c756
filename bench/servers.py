"""What is measured and what it is measured with: the mocks, nginx in front of them, and Keyhouse in front of them."""

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.request import Request, urlopen

import msgspec

from bench.processes import CannotRun, Pinned, free_port, program

SERVER_CORE: Final = 0
LOAD_CORE: Final = 1
KEYHOUSE: Final = (sys.executable, "-m", "keyhouse.cli.main")
READY: Final = b"GET /readyz HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n"
HERE: Final = Path(__file__).resolve().parent

_ANSWER: Final = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "bench-1",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "word " * 20}, "finish_reason": "stop"},
        ],
        "usage": {"prompt_tokens": 12, "completion_tokens": 20, "total_tokens": 32},
    }
)
_NGINX: Final = """
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000; default_type application/json;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  {servers}
}}
"""
_MOCK: Final = "server {{ listen 127.0.0.1:{port} backlog=2048; location / {{ return 200 '{answer}'; }} }}"
_PROXY: Final = """
  upstream mock_{port} {{ server 127.0.0.1:{upstream}; keepalive 256; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=2048;
    location / {{ proxy_pass http://mock_{port}; proxy_http_version 1.1; proxy_set_header Connection ""; {more} }}
  }}
"""
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

_DROPPED: Final = ("KEYHOUSE_", "OPENAI_", "PYTHONDONTWRITEBYTECODE")
_COUNTED: Final = """
SELECT count(*), count(*) FILTER (WHERE state = 'settled' AND basis = 'upstream' AND charged_nano_usd > 0),
  count(*) FILTER (WHERE state = 'held')
FROM calls
"""


class Target(msgspec.Struct, frozen=True):
    """One thing to measure: where it answers plain and streamed chat, and its process, None for the mock itself."""

    name: str
    urls: dict[str, str]
    process: Pinned | None


class Field(msgspec.Struct, frozen=True):
    """Everything that runs. `headers` and the bodies by kind fit all targets alike."""

    targets: tuple[Target, ...]
    headers: dict[str, str]
    bodies: dict[str, Path]
    data: Path
    start_ms: float
    idle_mb: float
    keyhouse: Pinned


@contextmanager
def field(folder: Path) -> Iterator[Field]:
    """Start it all, and stop it again."""
    with ExitStack() as running:
        upstreams = {"plain": free_port(), "stream": free_port()}
        mock = _MOCK.format(port=upstreams["plain"], answer=_ANSWER)
        running.enter_context(nginx(folder / "mock", LOAD_CORE, mock, [upstreams["plain"]]))
        streams = running.enter_context(
            Pinned(
                LOAD_CORE,
                [sys.executable, str(HERE / "stream_mock.py"), str(upstreams["stream"])],
                folder / "stream.log",
            )
        )
        streams.wait_for_port(upstreams["stream"])
        proxies = {"plain": free_port(), "stream": free_port()}
        servers = "".join(
            _PROXY.format(
                port=proxies[kind], upstream=upstreams[kind], more="proxy_buffering off;" * (kind == "stream")
            )
            for kind in proxies
        )
        proxy = running.enter_context(nginx(folder / "proxy", SERVER_CORE, servers, list(proxies.values())))
        keyhouse, port, start_ms, established = running.enter_context(_keyhouse(folder, upstreams))
        idle_mb = keyhouse.resident_mb
        key = _key_with_three_limits(port, established)
        yield Field(
            targets=(
                Target("direct", _urls(upstreams), None),
                Target("nginx", _urls(proxies), proxy),
                Target("keyhouse", _urls({"plain": port, "stream": port}), keyhouse),
            ),
            headers={"content-type": "application/json", "authorization": f"Bearer {key}"},
            bodies={kind: _body(folder, kind) for kind in upstreams},
            data=folder / "data",
            start_ms=start_ms,
            idle_mb=idle_mb,
            keyhouse=keyhouse,
        )


@contextmanager
def nginx(folder: Path, core: int, servers: str, ports: list[int]) -> Iterator[Pinned]:
    """An nginx with one worker on one core."""
    folder.mkdir()
    file = folder / "nginx.conf"
    file.write_text(_NGINX.format(folder=folder, servers=servers), encoding="utf-8")
    with Pinned(
        core, [program("nginx"), "-c", str(file), "-e", str(folder / "error.log")], folder / "out.log"
    ) as server:
        for port in ports:
            server.wait_for_port(port)
        yield server


@contextmanager
def _keyhouse(folder: Path, upstreams: dict[str, int]) -> Iterator[tuple[Pinned, int, float, dict[str, str]]]:
    inherited = os.environ.items()  # noqa: TID251  this is a command of its own
    environment = {name: value for name, value in inherited if not name.startswith(_DROPPED)}
    # An installed program has its bytecode; what is measured here must not be Python's compiler.
    subprocess.run([sys.executable, "-c", "import keyhouse.cli.serve"], env=environment, check=True, timeout=60)
    file = folder / "keyhouse.toml"
    file.write_text(
        "".join(_CONFIGURATION.format(name=kind, port=port) for kind, port in upstreams.items()), encoding="utf-8"
    )
    place = ["--data", str(folder / "data"), "--config", str(file)]
    made = subprocess.run(
        [
            *(*KEYHOUSE, "init", *place, "--email", "bench@example.com", "--organization", "Bench"),
            *("--password-stdin", "--json"),
        ],
        input="a long passphrase for the benchmark\n",
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
        check=False,
    )
    if made.returncode != 0:
        raise CannotRun(f"keyhouse init: {made.stderr}")
    established = json.loads(made.stdout)
    port = free_port()
    began = time.perf_counter()
    serve = [*KEYHOUSE, "serve", "--host", "127.0.0.1", "--port", str(port), *place]
    with Pinned(SERVER_CORE, serve, folder / "keyhouse.log", environment) as server:
        server.wait_for_port(port, READY)
        yield server, port, (time.perf_counter() - began) * 1000, established


def _key_with_three_limits(port: int, established: dict[str, str]) -> str:
    """A key with a budget a month, in a project with a rate limit, in an organization with a daily one."""
    admin_key, project_id = established["admin_key"], established["project_id"]

    def ask(path: str, body: dict[str, Any]) -> Any:
        request = Request(
            f"http://127.0.0.1:{port}/v1/organization{path}",
            json.dumps(body).encode(),
            {"authorization": f"Bearer {admin_key}", "content-type": "application/json"},
        )
        with urlopen(request, timeout=30) as answer:  # noqa: S310  loopback
            return json.load(answer)

    key = ask(
        f"/projects/{project_id}/api_keys",
        {"name": "bench", "limits": [{"unit": "usd", "window": "month", "amount": "100000"}]},
    )
    project = {"type": "project", "id": project_id}
    ask("/limits", {"scope": project, "unit": "requests", "window": "minute", "amount": "10000000"})
    organization = {"type": "organization", "id": established["organization_id"]}
    ask("/limits", {"scope": organization, "unit": "tokens", "window": "day", "amount": "1000000000000"})
    return str(key["value"])


def _urls(ports: dict[str, int]) -> dict[str, str]:
    return {kind: f"http://127.0.0.1:{port}/v1/chat/completions" for kind, port in ports.items()}


def _body(folder: Path, kind: str) -> Path:
    """A request's body in a file."""
    body: dict[str, Any] = {
        "model": f"bench-{kind}",
        "messages": [{"role": "user", "content": "Hello! How are you today? Please answer in about twenty words."}],
        "max_tokens": 64,
    }
    if kind == "stream":
        body["stream"] = True
    file = folder / f"{kind}.json"
    file.write_text(json.dumps(body), encoding="utf-8")
    return file


def verify(data: Path, answers: int) -> list[str]:
    """What is wrong with the books: a row for each answer, every row settled and charged, `ledger verify` passes."""
    deadline = time.perf_counter() + 10
    found: list[str] = []
    while time.perf_counter() < deadline:
        with closing(sqlite3.connect(f"file:{data / 'keyhouse.db'}?mode=ro", uri=True)) as connection:
            rows, settled, held = connection.execute(_COUNTED).fetchone()
        if not held:
            break
        time.sleep(0.05)
    if rows != answers:
        found.append(f"{rows} rows in the ledger for {answers} answers")
    if settled != rows:
        found.append(f"only {settled} of {rows} rows are settled with what the upstream reported")
    ended = subprocess.run(
        [*KEYHOUSE, "ledger", "verify", "--data", str(data)], capture_output=True, text=True, timeout=120, check=False
    )
    if ended.returncode != 0:
        found.append(f"keyhouse ledger verify: {ended.stdout}{ended.stderr}")
    return found
