"""LiteLLM and Portkey before the same mock, as `bench/setup_peers` installed them: keys, limits and logs off.

That flatters them: they forward, and Keyhouse keeps books. Each has one process on the core of the server under test.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from bench.keyhouse import clean_environment
from bench.processes import CannotRun, Pinned, free_port
from bench.target import SERVER_CORE, Target, urls

KIND: Final = "plain"
"""Plain chat alone is compared: what they make of a stream is not what the mock sent."""

NAMES: Final = ("litellm", "portkey")
_LITELLM: Final = "bin/litellm"
_PORTKEY: Final = "node_modules/@portkey-ai/gateway/build/start-server.js"
_MODEL: Final = """  - model_name: bench-{kind}
    litellm_params: {{model: openai/bench-1, api_base: "http://127.0.0.1:{port}/v1", api_key: none}}
"""


@contextmanager
def peers(installed: Path, folder: Path, upstream: int) -> Iterator[tuple[Target, ...]]:
    """Both of them, started. Raises CannotRun if they are not installed."""
    for file in (installed / "litellm" / _LITELLM, installed / "portkey" / _PORTKEY):
        if not file.exists():
            raise CannotRun(f"{file} is missing: run `make bench PEERS=1`, or bench/setup_peers")
    folder.mkdir()
    with ExitStack() as running:
        yield (
            running.enter_context(_litellm(installed / "litellm", folder, upstream)),
            running.enter_context(_portkey(installed / "portkey", folder, upstream)),
        )


@contextmanager
def _litellm(installed: Path, folder: Path, upstream: int) -> Iterator[Target]:
    port = free_port()
    file = folder / "litellm.yaml"
    model = _MODEL.format(kind=KIND, port=upstream)
    file.write_text(f"model_list:\n{model}litellm_settings: {{telemetry: false}}\n", encoding="utf-8")
    command = [str(installed / _LITELLM), "--config", str(file), "--host", "127.0.0.1", "--port", str(port)]
    environment = clean_environment() | {
        # Keys are off, which it wants to be told; and without the second it looks for its prices on the internet.
        "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_LOG": "ERROR",
    }
    with Pinned(SERVER_CORE, [*command, "--num_workers", "1"], folder / "litellm.log", environment) as process:
        process.wait_for_port(port, b"GET /health/liveliness HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n")
        yield Target("litellm", urls({KIND: port}), process)


@contextmanager
def _portkey(installed: Path, folder: Path, upstream: int) -> Iterator[Target]:
    port = free_port()
    command = [str(installed / "node"), str(installed / _PORTKEY), f"--port={port}", "--headless"]
    environment = clean_environment() | {"NODE_ENV": "production"}
    with Pinned(SERVER_CORE, command, folder / "portkey.log", environment) as process:
        process.wait_for_port(port)
        host = f"http://127.0.0.1:{upstream}/v1"
        more = {KIND: {"x-portkey-provider": "openai", "x-portkey-custom-host": host}}
        yield Target("portkey", urls({KIND: port}), process, more)
