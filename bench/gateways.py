"""One gateway and four on one PostgreSQL, everything on: the total of what they answer, and books that agree."""

import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Final

import msgspec

from bench.keyhouse import Keyhouse, Serving
from bench.load import Load, drive
from bench.postgres import postgres
from bench.processes import free_port
from bench.servers import body_file, mock

CLIENTS: Final = 64
NUMBERS: Final = (1, 4)


class Together(msgspec.Struct, frozen=True):
    """What so many gateways answer a second in all, with 64 clients each. Everything shares the machine's cores."""

    gateways: int
    rate: float


def measure(folder: Path, rounds: int, requests: int, say: Callable[[str], None]) -> tuple[list[Together], list[str]]:
    """The totals, and what is wrong with the books afterwards."""
    with ExitStack() as stack:
        url = stack.enter_context(postgres())
        port = free_port()
        stack.enter_context(mock(folder / "gateways-mock", port))
        house = Keyhouse(folder / "gateways", {"plain": port}, url)
        running = [stack.enter_context(house.serving(None)) for _ in range(max(NUMBERS))]
        key = house.make_key(running[0])
        bodies = []
        for place in range(len(running)):
            (folder / f"gateway-{place}").mkdir()
            bodies.append(body_file(folder / f"gateway-{place}", "plain"))
        rates: dict[int, list[float]] = {number: [] for number in NUMBERS}
        for number in range(rounds):
            say(f"gateways, round {number + 1} of {rounds}")
            for count in NUMBERS:
                loads = _at_once(running[:count], bodies, key, requests // count)
                rates[count].append(sum(load.answers for load in loads) / max(load.seconds for load in loads))
        return [Together(count, median(rates[count])) for count in NUMBERS], house.verify()


def _at_once(running: list[Serving], bodies: list[Path], key: str, requests: int) -> list[Load]:
    """The same load on each at the same time."""
    headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
    loads: list[Load] = []

    def load(serving: Serving, body: Path) -> None:
        loads.append(drive(None, serving.url, body, headers, clients=CLIENTS, requests=requests))

    threads = [threading.Thread(target=load, args=pair) for pair in zip(running, bodies, strict=False)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(loads) != len(running):
        raise RuntimeError("a load has failed; what it said is above")
    return loads
