"""`keyhouse serve`: run it all in this process, until it is told to stop."""

import asyncio
import gc
import os
import resource
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import uvloop
from cyclopts import Parameter

from keyhouse import __version__, config
from keyhouse.cli.spared import spared
from keyhouse.cli.talk import Exit
from keyhouse.server.listening import Listening
from keyhouse.store.engine import CannotOpen, Unavailable

if TYPE_CHECKING:
    from keyhouse.app import House
    from keyhouse.log import Lines

SPARED: Final = ("pydantic", "rich")
"""What the web framework and the log would load to serve models and colours that are none of ours."""

CONNECTIONS_MAX: Final = 50_000
OTHER_FILES: Final = 256
"""How many files besides connections are kept room for: the database's, logs, the server's own."""

HEAD_SECONDS: Final = 10.0
DRAIN_SECONDS: Final = 30
SERVER_STOP_SECONDS: Final = 5
GARBAGE_THRESHOLDS: Final = (20_000, 20, 50)
"""How many objects may come and go before Python looks for circles among them; calls leave none."""


def serve(
    *,
    host: Annotated[str | None, Parameter(help="Address to listen on; default 127.0.0.1.")] = None,
    port: Annotated[int | None, Parameter(help="Port to listen on; default 8080, 0 chooses a free one.")] = None,
    data: Annotated[Path, Parameter(help="Folder of the database and the master key.")] = Path("data"),
    file: Annotated[Path | None, Parameter(name="--config", help="Configuration; default ./keyhouse.toml.")] = None,
) -> int:
    """Start Keyhouse; on a new database, print a one-time link to set up the first account."""
    with spared(*SPARED):
        from keyhouse.log import open_log

        lines = open_log()
    try:
        settings = config.load(file, os.environ)
        address = _free_address(host or settings.server.host, settings.server.port if port is None else port)
        return uvloop.run(_serve(settings, data, *address, lines))
    except (config.BadConfiguration, CannotOpen, OSError) as error:
        _say(str(error))
        return Exit.ERROR
    except Unavailable as error:
        _say(f"{error.text} ({error.internal})")
        return Exit.TRY_AGAIN


async def _serve(settings: config.Settings, data: Path, host: str, port: int, lines: "Lines") -> int:
    url = settings.server.public_url or f"http://{f'[{host}]' if ':' in host else host}:{port}"
    with spared(*SPARED):
        from keyhouse.app import open_house

        house = await open_house(settings, data, os.environ, url=url, say=_say, write_line=lines.msg)
    # What was built stays: looking through it again and again finds nothing.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    try:
        await _run(house, host, port, url)
    finally:
        await house.close()
    return 0


async def _run(house: "House", host: str, port: int, url: str) -> None:
    server = Listening(
        house.doors,
        house.ground.clock,
        connections_max=connections_max(raise_file_limit()),
        head_seconds=HEAD_SECONDS,
    )
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    await house.announce()
    await server.start(host, port)
    _say(f"Keyhouse {__version__} is at {url}")
    await stopping.wait()
    _say(f"Stopping: running calls have {DRAIN_SECONDS} seconds to end; press Ctrl+C again to stop at once.")
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.remove_signal_handler(number)
    # Still listening meanwhile: who asks is told that this gateway stops, and a balancer sees that it is not ready.
    await house.ledger.drain(DRAIN_SECONDS)
    await server.stop(SERVER_STOP_SECONDS)


def raise_file_limit() -> int:
    """Raise how many files this process may have open to what the system lets it, and return that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):
        return soft  # macOS has a hard limit that cannot be set
    return hard


def connections_max(files_max: int) -> int:
    """How many clients may be connected: each may need a connection to an upstream, too. The next ones wait."""
    if files_max == resource.RLIM_INFINITY:
        return CONNECTIONS_MAX
    return max(1, min(CONNECTIONS_MAX, (files_max - OTHER_FILES) // 2))


def _free_address(host: str, port: int) -> tuple[str, int]:
    """The address with a port that nobody listens on. Raises OSError that says who to ask.

    The server itself would share a port with another process of the same user, and each would get half of the calls.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise OSError(f"{host} port {port} cannot be used: {error.strerror}. Choose another with --port.") from None
        return host, probe.getsockname()[1]


def _say(message: str) -> None:
    print(f"keyhouse: {message}", file=sys.stderr, flush=True)
