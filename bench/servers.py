"""What is measured and what it is measured with: the mocks, nginx in front of them, and Keyhouse in front of them."""

import json
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from bench.keyhouse import Keyhouse
from bench.peers import peers
from bench.processes import Pinned, free_port, program
from bench.target import LOAD_CORE, SERVER_CORE, Target, urls

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
_COUNTED: Final = """
SELECT count(*), count(*) FILTER (WHERE state = 'settled' AND basis = 'upstream' AND charged_nano_usd > 0),
  count(*) FILTER (WHERE state = 'held')
FROM calls
"""


class Field(msgspec.Struct, frozen=True):
    """Everything that runs. `headers` and the bodies by kind fit all targets alike."""

    targets: tuple[Target, ...]
    headers: dict[str, str]
    bodies: dict[str, Path]
    house: Keyhouse
    start_ms: float
    idle_mb: float
    keyhouse: Pinned


@contextmanager
def field(folder: Path, peers_installed: Path | None) -> Iterator[Field]:
    """Start it all, and stop it again; with peers if it is said where they are installed."""
    with ExitStack() as running:
        upstreams = {"plain": free_port(), "stream": free_port()}
        running.enter_context(mock(folder / "mock", upstreams["plain"]))
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
        keyhouse = Keyhouse(folder / "keyhouse", upstreams)
        serving = running.enter_context(keyhouse.serving(SERVER_CORE))
        others: tuple[Target, ...] = ()
        if peers_installed is not None:
            others = running.enter_context(peers(peers_installed, folder / "peers", upstreams["plain"]))
        idle_mb = serving.process.resident_mb
        key = keyhouse.make_key(serving)
        yield Field(
            targets=(
                Target("direct", urls(upstreams), None),
                Target("nginx", urls(proxies), proxy),
                Target("keyhouse", urls({"plain": serving.port, "stream": serving.port}), serving.process),
                *others,
            ),
            headers={"content-type": "application/json", "authorization": f"Bearer {key}"},
            bodies={kind: body_file(folder, kind) for kind in upstreams},
            house=keyhouse,
            start_ms=serving.start_ms,
            idle_mb=idle_mb,
            keyhouse=serving.process,
        )


def mock(folder: Path, port: int) -> AbstractContextManager[Pinned]:
    """The mock upstream on this port: always the same answer."""
    return nginx(folder, LOAD_CORE, _MOCK.format(port=port, answer=_ANSWER), [port])


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


def body_file(folder: Path, kind: str) -> Path:
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


def verify(house: Keyhouse, answers: int) -> list[str]:
    """What is wrong with the books: a row for each answer, every row settled and charged, `ledger verify` passes."""
    deadline = time.perf_counter() + 10
    found: list[str] = []
    while time.perf_counter() < deadline:
        with closing(sqlite3.connect(f"file:{house.data / 'keyhouse.db'}?mode=ro", uri=True)) as connection:
            rows, settled, held = connection.execute(_COUNTED).fetchone()
        if not held:
            break
        time.sleep(0.05)
    if rows != answers:
        found.append(f"{rows} rows in the ledger for {answers} answers")
    if settled != rows:
        found.append(f"only {settled} of {rows} rows are settled with what the upstream reported")
    return found + house.verify()
