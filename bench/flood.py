"""A flood of bad keys: how many a core refuses. They are told by their checksum, so the database is never asked."""

from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Final

import msgspec

from bench.keyhouse import Keyhouse
from bench.load import drive
from bench.processes import free_port
from bench.servers import body_file, verify
from bench.target import LOAD_CORE, SERVER_CORE

CLIENTS: Final = 64
REQUESTS: Final = 20_000
BAD_KEY: Final = "sk-kh_0123456789_" + "0" * 38
UNAUTHORIZED: Final = 401


class Flood(msgspec.Struct, frozen=True):
    """Refusals a second, the processor time of one, and what is wrong: a refusal has no row."""

    rate: float
    cpu_us: float
    problems: tuple[str, ...]


def measure(folder: Path, rounds: int, say: Callable[[str], None]) -> Flood:
    """Flood it with keys of the right shape and a wrong checksum. Raises CannotRun."""
    folder.mkdir()
    house = Keyhouse(folder / "keyhouse", {"plain": free_port()})
    body = body_file(folder, "plain")
    headers = {"content-type": "application/json", "authorization": f"Bearer {BAD_KEY}"}
    rates, costs = [], []
    with house.serving(SERVER_CORE) as serving:
        for number in range(rounds + 1):
            say("flood of bad keys, " + (f"round {number} of {rounds}" if number else "warming up"))
            before = serving.process.cpu_seconds
            load = drive(LOAD_CORE, serving.url, body, headers, clients=CLIENTS, requests=REQUESTS, status=UNAUTHORIZED)
            if number:
                rates.append(load.rate)
                costs.append((serving.process.cpu_seconds - before) / load.answers * 1e6)
        problems = verify(house, 0)
    return Flood(median(rates), median(costs), tuple(problems))
